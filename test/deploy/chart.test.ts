/**
 * The chart, with helm 3 and 4: every table of values renders, is valid for Kubernetes, and keeps
 * the policies; wrong values are refused before anything is installed.
 */

import { execFile } from 'node:child_process';
import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { allSettings } from '../../src/config/config.ts';

const run = promisify(execFile);
const bin = process.env['TOOLS_BIN'] ?? join(homedir(), '.cache/voucherbus/bin');
const helms = ['helm-v3', 'helm-v4'].map((name) => join(bin, name));
const chart = 'deploy/helm/voucherbus';
const tables = globSync(`${chart}/ci/*.yaml`);
/** The oldest and the newest Kubernetes whose schemas the package has. */
const versions = ['1.29', '1.36'];
const directory = mkdtempSync(join(tmpdir(), 'chart-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

type Container = {
  readonly name: string;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly [field: string]: unknown;
};
type PodSpec = { readonly containers: readonly Container[]; readonly [field: string]: unknown };
type Manifest = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Record<string, string> };
  readonly spec: Record<string, unknown>;
};

async function render(helm: string, values: string): Promise<readonly Manifest[]> {
  const args = ['template', 'r', chart, '--kube-version', '1.36.0', '--values', values];
  const { stdout } = await run(helm, args, { maxBuffer: 16_777_216 });
  return parseAllDocuments(stdout)
    .map((document) => document.toJS() as Manifest | null)
    .filter((one) => one !== null);
}

type Template = { readonly template: { readonly spec: PodSpec } };

const podOf = ({ kind, spec }: Manifest): PodSpec | undefined => {
  const hasPod = ['Deployment', 'StatefulSet', 'Job'].includes(kind);
  return hasPod ? (spec as Template).template.spec : undefined;
};

const named = (manifests: readonly Manifest[], kind: string, name: string) =>
  manifests.find((one) => one.kind === kind && one.metadata.name === name);

const everything = `${chart}/ci/everything.yaml`;
const [helm = ''] = helms;

test.each(tables)('%s passes helm lint and is valid for Kubernetes', async (table) => {
  expect(tables).toHaveLength(3);
  const rendered = await Promise.all(
    helms.map(async (one) => {
      await run(one, ['lint', '--strict', chart, '--values', table]);
      return render(one, table);
    }),
  );
  const [first = [], second] = rendered;
  expect(second).toEqual(first);
  expect(first.length).toBeGreaterThan(4);
  // Their schemas are those of the operators, which the package does not have.
  const own = first.filter(({ apiVersion }) => !/keda|monitoring\.coreos/.test(apiVersion));
  const file = join(directory, basename(table));
  writeFileSync(file, own.map((one) => `---\n${stringify(one)}`).join(''));
  for (const version of versions) {
    await run('kubernetes-validate', ['--strict', '--kubernetes-version', version, file]);
  }
});

test.each(tables)('%s: every pod keeps the restricted pod security standard', async (table) => {
  const pods = (await render(helm, table)).map(podOf).filter((pod) => pod !== undefined);
  expect(pods.length).toBeGreaterThanOrEqual(2);
  for (const pod of pods) {
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    for (const container of pod.containers) {
      expect(container).toMatchObject({
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
        resources: {
          requests: { cpu: expect.any(String), memory: expect.any(String) },
          limits: { memory: expect.any(String) },
        },
      });
    }
  }
});

test.each(tables)('%s: every variable is a setting, and no secret is a value', async (table) => {
  const settings = new Map(allSettings().map(({ setting }) => [setting.env, setting.options]));
  for (const manifest of await render(helm, table)) {
    for (const { env } of podOf(manifest)?.containers ?? []) {
      for (const { name } of env) {
        if (name.startsWith('OTEL_')) continue;
        const setting = name === 'ROUTES_FILE' ? name : name.replace(/_FILE$/, '');
        expect(settings.has(setting), name).toBe(true);
        if (!name.endsWith('_FILE')) expect(settings.get(setting)?.secret, name).toBeUndefined();
      }
      expect(new Set(env.map(({ name }) => name)).size).toBe(env.length);
    }
  }
});

test('each component gets its own logins, and no secret of another', async () => {
  const manifests = await render(helm, everything);
  const filesOf = (manifest: Manifest | undefined) =>
    (manifest && podOf(manifest)?.containers[0]?.env.map(({ name }) => name)) ?? [];
  const bridge = filesOf(named(manifests, 'StatefulSet', 'r-voucherbus-bridge'));
  const processor = filesOf(named(manifests, 'Deployment', 'r-voucherbus-processor'));
  const setup = filesOf(named(manifests, 'Job', 'r-voucherbus-setup'));
  for (const env of [bridge, processor, setup]) expect(env).toContain('KAFKA_SASL_PASSWORD_FILE');
  const reconcile = filesOf(named(manifests, 'Deployment', 'r-voucherbus-reconcile'));
  expect(reconcile).toEqual(expect.arrayContaining(['VOUCHERIFY_APP_TOKEN_FILE', 'RECONCILE']));
  expect(reconcile).not.toContain('WEBHOOK_SECRETS_FILE');
  for (const env of [setup, bridge]) expect(env).toContain('RECONCILE');
  expect(bridge).toContain('VOUCHERIFY_MANAGEMENT_TOKEN_FILE');
  for (const env of [processor, setup, reconcile]) {
    expect(env).not.toContain('VOUCHERIFY_MANAGEMENT_TOKEN_FILE');
  }
  const console = filesOf(named(manifests, 'Deployment', 'r-voucherbus-console'));
  expect(console).toContain('CONSOLE_OPERATOR_TOKEN_FILE');
  for (const env of [bridge, processor, setup, reconcile]) {
    expect(env).not.toContain('CONSOLE_OPERATOR_TOKEN_FILE');
  }
  for (const secret of ['WEBHOOK_SECRETS', 'VOUCHERIFY_APP_TOKEN', 'VOUCHERIFY_MANAGEMENT_TOKEN']) {
    expect(console).not.toContain(`${secret}_FILE`);
  }
  expect(bridge).toContain('WEBHOOK_SECRETS_FILE');
  expect([...processor, ...setup]).not.toContain('WEBHOOK_SECRETS_FILE');
  expect(processor).toContain('VOUCHERIFY_APP_TOKEN_FILE');
  expect([...bridge, ...setup]).not.toContain('VOUCHERIFY_APP_TOKEN_FILE');
  const sources = JSON.stringify(named(manifests, 'StatefulSet', 'r-voucherbus-bridge'));
  expect(sources).toContain('kafka-bridge');
  expect(sources).not.toContain('kafka-processor');
});

test('setup runs before the release, with what it needs', async () => {
  const manifests = await render(helm, everything);
  const hooks = manifests.filter(({ metadata }) => metadata.annotations?.['helm.sh/hook']);
  expect(hooks.map(({ kind }) => kind)).toEqual(['ConfigMap', 'Job']);
  const job = named(manifests, 'Job', 'r-voucherbus-setup') as Manifest;
  const pod = JSON.stringify(podOf(job));
  expect(pod).toContain('r-voucherbus-routes-setup');
  // Nothing that the release itself creates exists yet.
  expect(pod).not.toContain('"r-voucherbus-routes"');
  expect(podOf(job)).toMatchObject({ serviceAccountName: 'default' });
});

test('the time to stop fits the drain, probes need no other service, a spool keeps its volume', async () => {
  const manifests = await render(helm, everything);
  const bridge = named(manifests, 'StatefulSet', 'r-voucherbus-bridge') as Manifest;
  const pod = podOf(bridge) as PodSpec;
  const [container] = pod.containers as [Container];
  const delay = container.env.find(({ name }) => name === 'SHUTDOWN_DELAY')?.value ?? '';
  expect(pod['terminationGracePeriodSeconds']).toBe(45 + Number.parseInt(delay, 10));
  expect(container).toMatchObject({
    startupProbe: { httpGet: { path: '/livez' } },
    livenessProbe: { httpGet: { path: '/livez' } },
    readinessProbe: { httpGet: { path: '/readyz' } },
  });
  expect(bridge.spec).toMatchObject({
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
  });
  expect(bridge.spec).not.toHaveProperty('replicas');
});

test('KEDA scales by the lag of raw up to its partitions', async () => {
  const scaled = named(await render(helm, everything), 'ScaledObject', 'r-voucherbus-processor');
  expect(scaled?.spec).toMatchObject({
    minReplicaCount: 2,
    maxReplicaCount: 24,
    triggers: [
      {
        type: 'kafka',
        metadata: {
          bootstrapServers: 'kafka-0:9093,kafka-1:9093',
          consumerGroup: 'voucherbus',
          topic: 'loyalty.webhooks.raw',
          offsetResetPolicy: 'earliest',
          sasl: 'scram_sha512',
        },
        authenticationRef: { name: 'kafka' },
      },
    ],
  });
});

test('only processors, Prometheus and the console reach the admin ports', async () => {
  const manifests = await render(helm, everything);
  const prometheus = {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } },
  };
  const seesAll = {
    podSelector: { matchLabels: { 'app.kubernetes.io/component': 'console' } },
  };
  const watchers = [prometheus, seesAll];
  const bridge = named(manifests, 'NetworkPolicy', 'r-voucherbus-bridge');
  expect(bridge?.spec).toMatchObject({
    ingress: [{ ports: [{ port: 'http' }] }, { ports: [{ port: 'admin' }], from: watchers }],
  });
  const reconcile = named(manifests, 'NetworkPolicy', 'r-voucherbus-reconcile');
  expect(reconcile?.spec).toMatchObject({
    ingress: [{ ports: [{ port: 'admin' }], from: watchers }],
  });
  const console = named(manifests, 'NetworkPolicy', 'r-voucherbus-console');
  expect(JSON.stringify(console?.spec)).toContain('"kubernetes.io/metadata.name":"ingress"');
  const processor = named(manifests, 'NetworkPolicy', 'r-voucherbus-processor');
  const peers = {
    podSelector: { matchLabels: { 'app.kubernetes.io/component': 'processor' } },
  };
  expect(processor?.spec).toMatchObject({
    ingress: [{ ports: [{ port: 'admin' }], from: [peers, ...watchers] }],
  });
  const minimal = await render(helm, `${chart}/ci/minimal.yaml`);
  expect(named(minimal, 'NetworkPolicy', 'r-voucherbus-bridge')?.spec['ingress']).toHaveLength(1);
});

test('the console finds the pods of each service by a headless service', async () => {
  const manifests = await render(helm, everything);
  const pod = podOf(named(manifests, 'Deployment', 'r-voucherbus-console') as Manifest);
  const members = pod?.containers[0]?.env.find(({ name }) => name === 'CONSOLE_MEMBERS');
  const names = ['bridge', 'processor', 'reconcile'].map((name) => `r-voucherbus-${name}-admin`);
  expect(members).toMatchObject({ value: names.map((name) => `${name}:9464`).join() });
  for (const name of names) {
    expect(named(manifests, 'Service', name)?.spec).toMatchObject({
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      ports: [{ port: 9464, targetPort: 'admin' }],
    });
  }
});

test('the alert rules of the chart are the file that the tests prove', async () => {
  const rule = named(await render(helm, everything), 'PrometheusRule', 'r-voucherbus');
  const { stdout } = await run('cat', [`${chart}/files/alerts.yaml`]);
  expect(rule?.spec).toEqual(parse(stdout));
});

test('the board of the chart is the file whose queries the tests run', async () => {
  const manifests = await render(helm, everything);
  const map = named(manifests, 'ConfigMap', 'r-voucherbus-dashboard') as unknown as {
    readonly data: Readonly<Record<string, string>>;
    readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  };
  const { stdout } = await run('cat', [`${chart}/files/dashboard.json`]);
  expect(map.data['voucherbus.json']).toBe(stdout);
  expect(map.metadata.labels['grafana_dashboard']).toBe('1');
});

test('the variables of OpenTelemetry reach the services, and not setup', async () => {
  const manifests = await render(helm, everything);
  const variables = (kind: string, component: string) => {
    const manifest = named(manifests, kind, `r-voucherbus-${component}`);
    const env = (manifest && podOf(manifest)?.containers[0]?.env) ?? [];
    return env.map(({ name }) => name).filter((name) => name.startsWith('OTEL_'));
  };
  const both = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_TRACES_SAMPLER_ARG'];
  expect(variables('StatefulSet', 'bridge')).toEqual(both);
  expect(variables('Deployment', 'processor')).toEqual(both);
  expect(variables('Job', 'setup')).toEqual([]);
});

const required = parse(
  'config: { KAFKA_BROKERS: "k:9092", SCHEMA_REGISTRY_URL: "http://r" }\nsecrets: { WEBHOOK_SECRETS: { name: n, key: k } }',
) as { config: object; secrets: object };

test.each<[string, object, string]>([
  ['no brokers', { config: { KAFKA_BROKERS: null } }, 'KAFKA_BROKERS'],
  ['a setting that does not exist', { config: { KAFKA_BROKER: 'k' } }, 'KAFKA_BROKER'],
  ['a secret as a value', { config: { WEBHOOK_SECRETS: 'main:x' } }, 'WEBHOOK_SECRETS'],
  ['a reference without a key', { secrets: { KAFKA_SASL_PASSWORD: { name: 'n' } } }, 'key'],
  ['a word in place of a number', { bridge: { replicas: 'two' } }, 'replicas'],
  ['no replica', { processor: { replicas: 0 } }, 'replicas'],
  ['too little time to stop', { bridge: { terminationGracePeriodSeconds: 5 } }, '45'],
  ['an ingress without a host', { bridge: { ingress: { enabled: true } } }, 'host'],
  ['a size that is none', { bridge: { spool: { size: 'large' } } }, 'size'],
  ['a misspelt part', { procesor: {} }, 'procesor'],
  ['a variable that is not of OpenTelemetry', { openTelemetry: { OTLP: 'x' } }, 'OTLP'],
  ['a tag as a digest', { image: { digest: 'v1' } }, 'digest'],
])('%s is refused at helm install', async (_, values, named) => {
  const file = join(directory, 'wrong.yaml');
  const { config, secrets, ...rest } = values as typeof required;
  const all = {
    ...rest,
    config: { ...required.config, ...config },
    secrets: { ...required.secrets, ...secrets },
  };
  writeFileSync(file, stringify(all));
  for (const one of helms) {
    await expect(render(one, file)).rejects.toThrow(named);
  }
});
