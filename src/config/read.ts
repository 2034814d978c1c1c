/** Turns the environment into a checked Config, or throws one error that names every problem. */

import { AppError, messageOf } from '../errors.ts';
import { type Config, type ConsoleConfig, type Group, groups } from './config.ts';
import { connectionProblems } from './connection-rules.ts';
import { type Read, Rereadable } from './rereadable.ts';
import type { Setting } from './setting.ts';

type Environment = Readonly<Record<string, string | undefined>>;
type Sources = { readonly env: Environment; readonly readFile: (path: string) => string };

/**
 * Reads the given groups. `X_FILE` names a file that contains the value of `X`, for secrets mounted
 * as files.
 * @throws AppError CONFIG_INVALID (stop), with one line per problem
 */
export function readConfig<G extends Group>(wanted: readonly G[], sources: Sources): Config<G> {
  const problems: string[] = [];
  const config = Object.fromEntries(
    wanted.map((group) => [
      group,
      Object.fromEntries(
        Object.entries<Setting>(groups[group]).map(([name, setting]) => {
          const result = readSetting(setting, sources);
          if (result.kind === 'problem') problems.push(result.text);
          return [name, result.kind === 'value' ? result.value : undefined];
        }),
      ),
    ]),
  ) as Config<G>;
  if (problems.length === 0) problems.push(...contradictions(config));
  if (problems.length > 0) {
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    throw new AppError(
      'CONFIG_INVALID',
      'stop',
      [`The configuration has ${count}:`, ...problems.map((line) => `  ${line}`)].join('\n'),
    );
  }
  return config;
}

type Problem = { readonly kind: 'problem'; readonly text: string };

const problem = (text: string): Problem => ({ kind: 'problem', text });

function readSetting(setting: Setting, sources: Sources): Read<unknown> {
  const result = readValue(setting, sources);
  if (!setting.options.reread || result.kind === 'problem' || result.value === undefined) {
    return result;
  }
  const isFile = Boolean(sources.env[`${setting.env}_FILE`]);
  const again = () => {
    const read = readValue(setting, sources);
    const isEmpty = read.kind === 'value' && read.value === undefined;
    return isEmpty ? problem(`${setting.env}_FILE is empty now`) : read;
  };
  return { kind: 'value', value: new Rereadable(result.value, isFile ? again : undefined) };
}

function readValue({ env, schema, options }: Setting, sources: Sources): Read<unknown> {
  const text = textOf(env, sources);
  if (text.kind === 'problem') return text;
  const given = text.value ?? options.default;
  if (given === undefined) {
    if (options.optional) return { kind: 'value', value: undefined };
    const { error } = schema.safeParse('');
    return problem(`${env} is not set: ${error?.issues[0]?.message ?? 'expected a value'}`);
  }
  const parsed = schema.safeParse(given);
  if (parsed.success) return { kind: 'value', value: parsed.data };
  const shown = options.secret ? 'set' : shownOf(given);
  const hint = isServiceLink(given) ? `. ${serviceLinkHint}` : '';
  return problem(`${env} is ${shown}: ${parsed.error.issues[0]?.message}${hint}`);
}

/** Shortens long values (certificates) and hides the userinfo of URLs. */
function shownOf(value: string): string {
  const text = value.replace(/:\/\/[^/@\s]*@/, '://…@');
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 60)}…` : text);
}

/**
 * Kubernetes gives each pod the addresses of the services of its namespace, as
 * <SERVICE>_PORT=tcp://10.0.0.1:80.
 */
const isServiceLink = (value: string) => /^tcp:\/\//.test(value);

const serviceLinkHint =
  'Kubernetes has set it for a service of that name: set it yourself, or enableServiceLinks: false in the pod, or rename the service';

/** An empty variable counts as absent: compose files and CI write `X=` for "not given". */
function textOf(env: string, { env: all, readFile }: Sources): Read<string | undefined> {
  const direct = all[env] || undefined;
  const path = all[`${env}_FILE`] || undefined;
  if (direct !== undefined && path !== undefined) {
    return problem(`${env} and ${env}_FILE are both set: expected only one`);
  }
  if (path === undefined) return { kind: 'value', value: direct };
  try {
    return { kind: 'value', value: readFile(path).trim() || undefined };
  } catch (error) {
    return problem(`${env}_FILE is "${path}": expected a readable file (${messageOf(error)})`);
  }
}

const isLoopback = (host: string) => ['127.0.0.1', '::1', 'localhost'].includes(host);

const hasSignIn = ({ viewerToken, operatorToken, trustedProxies }: ConsoleConfig) =>
  [viewerToken, operatorToken, trustedProxies].some((one) => one !== undefined);

/** Rules between settings. */
function contradictions(config: Partial<Config<Group>>): readonly string[] {
  const { topics, bridge, processor, lookup, management, project, console } = config;
  return [
    topics && topics.rawRetentionMs >= topics.dedupWindowMs
      ? `RAW_RETENTION is ${topics.rawRetentionMs} ms: expected less than DEDUP_WINDOW (${topics.dedupWindowMs} ms), so that no raw record outlives the memory of its id`
      : undefined,
    bridge?.spoolDirectory !== undefined && bridge.spoolAfterMs >= bridge.responseTimeoutMs
      ? `SPOOL_AFTER is ${bridge.spoolAfterMs} ms: expected less than RESPONSE_TIMEOUT (${bridge.responseTimeoutMs} ms), so that a webhook is kept before it is answered`
      : undefined,
    (lookup?.appId === undefined) !== (lookup?.appToken === undefined)
      ? 'VOUCHERIFY_APP_ID and VOUCHERIFY_APP_TOKEN: expected both, or neither'
      : undefined,
    (management?.id === undefined) !== (management?.token === undefined)
      ? 'VOUCHERIFY_MANAGEMENT_ID and VOUCHERIFY_MANAGEMENT_TOKEN: expected both, or neither'
      : undefined,
    bridge &&
    management?.id &&
    !(project?.projectId && management.targetUrl && topics?.hasReconcile)
      ? "VOUCHERIFY_MANAGEMENT_ID lets the bridge watch Voucherify's webhook: expected VOUCHERIFY_PROJECT_ID, WEBHOOK_TARGET_URL and RECONCILE=true, too (the bridges elect the one that asks on the topic `reconcile`)"
      : undefined,
    lookup && processor && lookup.timeoutMs >= processor.transactionTimeoutMs
      ? `LOOKUP_TIMEOUT is ${lookup.timeoutMs} ms: expected less than TRANSACTION_TIMEOUT (${processor.transactionTimeoutMs} ms)`
      : undefined,
    console && !isLoopback(console.host) && !hasSignIn(console)
      ? `CONSOLE_HOST is ${console.host}, and nobody need sign in: expected CONSOLE_VIEWER_TOKEN, CONSOLE_OPERATOR_TOKEN or CONSOLE_TRUSTED_PROXIES`
      : undefined,
    ...connectionProblems(config),
  ].filter((problem) => problem !== undefined);
}
