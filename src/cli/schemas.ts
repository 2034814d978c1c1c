/**
 * `voucherbus schemas check | register`: compares the registry's subjects with this version's
 * schemas, and registers them.
 */

import { configOf } from '../app/environment.ts';
import type { Io } from '../app/io.ts';
import { catalogOf } from '../app/routes-file.ts';
import { retryAtStart } from '../app/startup.ts';
import { connectRegistry, type Registry } from '../avro/registry.ts';
import { schemas } from '../avro/schemas.ts';
import { createLog } from '../observability/log.ts';
import { lookUpIds, type Subject, subjectsOf } from '../topics/subjects.ts';
import type { Command } from './command.ts';

export const command: Command = {
  summary: 'check | register: compares the schemas with the registry, or registers them',
  usage: 'voucherbus schemas check | register',
  run: async ([verb], io) => {
    if (verb !== 'check' && verb !== 'register') {
      io.err('usage: voucherbus schemas check | register');
      return 2;
    }
    const config = configOf(['registry', 'start', 'topics'], io);
    const log = createLog('warn', 'schemas');
    const registry = connectRegistry(config.registry, log);
    const catalog = catalogOf(config.topics);
    const ids = await retryAtStart(config.start, log, () => lookUpIds(registry, catalog));
    const act = verb === 'register' ? register : check;
    let worst = 0;
    for (const subject of subjectsOf(catalog)) {
      const id = ids.get(subject.topic);
      if (id !== undefined) {
        io.out(`registered  ${subject.subject} (id ${id})`);
        continue;
      }
      const code = await retryAtStart(config.start, log, () => act(registry, subject, io));
      worst = Math.max(worst, code);
    }
    return worst;
  },
};

async function register(registry: Registry, { subject, schema }: Subject, io: Io): Promise<number> {
  const { text, compatibility } = schemas[schema];
  const id = await registry.register(subject, text, compatibility);
  io.out(`done: registered ${subject} (id ${id}, ${compatibility})`);
  return 0;
}

async function check(registry: Registry, { subject, schema }: Subject, io: Io): Promise<number> {
  const isCompatible = await registry.isCompatible(subject, schemas[schema].text);
  io.out(
    isCompatible
      ? `MISSING       ${subject}: compatible, \`voucherbus schemas register\` would register it`
      : `INCOMPATIBLE  ${subject}: a registered version is incompatible with ${schema}.avsc; see schemas/README.md for what may change`,
  );
  return 1;
}
