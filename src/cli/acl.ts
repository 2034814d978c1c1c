/** `voucherbus acl print`: prints the ACLs that each role needs, as commands or as YAML. */

import { parseArgs } from 'node:util';
import { configOf } from '../app/environment.ts';
import { catalogOf } from '../app/routes-file.ts';
import { toYaml } from '../config/yaml.ts';
import { aclsOf, kafkaAclsArguments, kafkaUser, type Role, roles } from '../topics/acls.ts';
import type { Command } from './command.ts';
import { parseOrUsage } from './options.ts';

const usage = `voucherbus acl print [--format kafka-acls|strimzi] [--cluster NAME] [--bridge P] [--processor P] [--setup P] [--operator P]
  --format     kafka-acls: commands for a shell that has KAFKA_BROKERS, and in ADMIN_PROPERTIES the login of an administrator (default); strimzi: KafkaUser resources
  --cluster    name of the Kafka resource, for strimzi; default kafka
  --bridge, --processor, --setup, --operator
               principals; default User:voucherbus-bridge and so on
Reads TOPIC_PREFIX, CONSUMER_GROUP, CAMPAIGN_REFERENCE, RECONCILE and ROUTES_FILE; connects to nothing.`;

const options = {
  format: { type: 'string', default: 'kafka-acls' },
  cluster: { type: 'string', default: 'kafka' },
  ...(Object.fromEntries(
    roles.map((role) => [role, { type: 'string', default: `User:voucherbus-${role}` }]),
  ) as Record<Role, { type: 'string'; default: string }>),
} as const;

export const command: Command = {
  summary: 'print: the least permissions of each role, as kafka-acls or Strimzi KafkaUser',
  usage,
  run: async ([verb, ...args], io) => {
    const values = parseOrUsage(io, usage, () => {
      const parsed = parseArgs({ args: [...args], options }).values;
      if (verb !== 'print') throw new Error('expected the verb print');
      if (parsed.format === 'kafka-acls' || parsed.format === 'strimzi') return parsed;
      throw new Error(`--format is ${parsed.format}: expected kafka-acls or strimzi`);
    });
    if (!values) return 2;
    const { topics, processor } = configOf(['topics', 'processor'], io);
    const { prefix } = topics;
    const deployment = { prefix, group: processor.group, catalog: catalogOf(topics) };
    for (const role of roles) {
      const acls = aclsOf(role, deployment);
      if (values.format === 'strimzi') {
        io.out(`---\n${toYaml(kafkaUser(acls, values[role], values.cluster))}`.trimEnd());
      } else {
        io.out(`# ${role}`);
        for (const acl of acls) {
          io.out(`${tool} ${kafkaAclsArguments(acl, values[role]).map(quoted).join(' ')}`);
        }
      }
    }
    return 0;
  },
};

const tool =
  'kafka-acls.sh --bootstrap-server "$KAFKA_BROKERS" --command-config "$ADMIN_PROPERTIES"';

/** Quotes an argument for a shell, if it needs it. */
const quoted = (text: string) =>
  /^[\w.:=/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
