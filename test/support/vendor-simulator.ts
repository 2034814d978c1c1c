/**
 * A simulator of Voucherify's API as far as reconciliation needs it: a real HTTP server with the
 * vendor's limits. Each behaviour cites what it rests on: [S] the vendor's OpenAPI files
 * (voucherifyio/voucherify-openapi, documentation/openapi/…), [?] not public: simulated in each
 * plausible form, see `Forms`.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sampleWebhook } from '../../src/voucherify/sample.ts';

type Json = Record<string, unknown>;

export type Published = {
  readonly id: string;
  readonly createdAtMs: number;
  readonly codes: readonly string[];
  readonly customerId: string;
  /** The company's own id of the customer; not every customer has one. */
  readonly sourceId: string | null;
  readonly campaign: string | null;
  readonly channel: string;
  readonly result: 'SUCCESS' | 'FAILURE';
  /** The body of its webhook. */
  readonly webhook: Buffer;
};

/** The properties of the export that are not public [?]. */
export type Forms = {
  /** Rows of a publication of several vouchers. */
  readonly rows: 'per-voucher' | 'first-voucher' | 'all-in-one' | 'no-voucher';
  readonly time: 'iso' | 'space-ms' | 'seconds' | 'minutes';
  readonly header: 'fields' | 'titles';
};

export const usualForms: Forms = { rows: 'per-voucher', time: 'iso', header: 'fields' };

type Behaviour = {
  forms: Forms;
  /** Calls per window until 429 [S]; undefined: no limit. */
  limit: { readonly calls: number; readonly windowMs: number } | undefined;
  /** The vendor's clock minus ours. */
  clockMs: number;
  /** Every n-th call gets this in place of its response. */
  fault:
    | { readonly every: number; readonly what: 'status-500' | 'broken-json' | 'hang-up' }
    | undefined;
  /** Bytes after which the first download breaks off. */
  downloadBreaksAt: number | undefined;
  /** How an export ends. */
  exportStatus: 'DONE' | 'ERROR';
  /** Polls until an export is done: exports are asynchronous [S]. */
  polls: number;
  /** Campaigns and vouchers that were deleted: 404 [S]. */
  readonly deleted: Set<string>;
};

type Export = { readonly after: number; readonly before: number; polls: number };

/** As GET /management/v1/projects/{p}/webhooks lists it [S]. */
type WebhookConfiguration = { id: string; target_url: string; events: string[]; active: boolean };

export type Simulator = AsyncDisposable & {
  /** The webhooks of the project proj_1. */
  readonly webhooks: WebhookConfiguration[];
  readonly url: string;
  readonly behaviour: Behaviour;
  readonly published: Published[];
  /** Counts of calls by method and kind, for example `GET publications`. Downloads do not count. */
  readonly calls: Map<string, number>;
  publish(what?: Partial<Omit<Published, 'webhook'>>): Published;
};

const simulatorKeys = { appId: 'app-1', appToken: 'token-1' };
export const managementKeys = { id: 'management-1', token: 'token-2' };

/** The settings of services that reconcile with it. */
export const reconcileSettings = ({ url }: Pick<Simulator, 'url'>) => ({
  RECONCILE: 'true',
  VOUCHERIFY_API_URL: url,
  VOUCHERIFY_APP_ID: simulatorKeys.appId,
  VOUCHERIFY_APP_TOKEN: simulatorKeys.appToken,
});

/** The target of `ourWebhook`. */
export const webhookTarget = 'https://bridge.example.com/webhooks/voucherify';

/** A webhook that is as it must be. */
export const ourWebhook = (): WebhookConfiguration => ({
  id: 'wh_1',
  target_url: webhookTarget,
  events: ['publication.succeeded'],
  active: true,
});

/** The settings of bridges that watch `ourWebhook`. */
export const watchSettings = ({ url }: Pick<Simulator, 'url'>) => ({
  RECONCILE: 'true',
  VOUCHERIFY_API_URL: url,
  VOUCHERIFY_MANAGEMENT_ID: managementKeys.id,
  VOUCHERIFY_MANAGEMENT_TOKEN: managementKeys.token,
  VOUCHERIFY_PROJECT_ID: 'proj_1',
  WEBHOOK_TARGET_URL: webhookTarget,
});

export async function startSimulator(): Promise<Simulator> {
  const published: Published[] = [];
  const webhooks: WebhookConfiguration[] = [];
  const byVoucher = new Map<string, Published[]>();
  const calls = new Map<string, number>();
  const exports = new Map<string, Export>();
  const behaviour: Behaviour = {
    forms: usualForms,
    limit: undefined,
    clockMs: 0,
    fault: undefined,
    downloadBreaksAt: undefined,
    exportStatus: 'DONE',
    polls: 2,
    deleted: new Set(),
  };
  let total = 0;
  let windowEndsAt = 0;
  let left = 0;

  /** Over the limit the vendor responds 429 with these headers, and blocks at once [S]. */
  const isLimited = (response: ServerResponse): boolean => {
    const { limit, clockMs } = behaviour;
    response.setHeader('date', new Date(Date.now() + clockMs).toUTCString());
    if (limit === undefined) return false;
    if (Date.now() >= windowEndsAt) {
      windowEndsAt = Date.now() + limit.windowMs;
      left = limit.calls;
    }
    const isOver = left <= 0;
    left = Math.max(0, left - 1);
    response.setHeader('x-rate-limit-limit', limit.calls);
    response.setHeader('x-rate-limit-remaining', left);
    response.setHeader('x-rate-limit-retry', Math.ceil((windowEndsAt + clockMs) / 1_000));
    return isOver;
  };

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://simulator');
    if (url.pathname.startsWith('/download/')) return download(url, response);
    if (url.pathname.startsWith('/management/')) return manage(request, url, response);
    const [, , what = '', id = ''] = url.pathname.split('/');
    total += 1;
    const name = `${request.method} ${what}`;
    calls.set(name, (calls.get(name) ?? 0) + 1);
    response.setHeader('content-type', 'application/json');
    const isOurs =
      request.headers['x-app-id'] === simulatorKeys.appId &&
      request.headers['x-app-token'] === simulatorKeys.appToken;
    if (!isOurs) return respond(response, 401, { code: 401 });
    if (isLimited(response)) return respond(response, 429, { code: 429 });
    const { fault } = behaviour;
    if (fault && total % fault.every === 0) {
      if (fault.what === 'hang-up') return request.socket.destroy();
      if (fault.what === 'status-500') return respond(response, 500, { code: 500 });
      return response.end('{"broken":');
    }
    const found = await handle(request, url, what, decodeURIComponent(id));
    respond(response, found === undefined ? 404 : 200, found ?? { code: 404 });
  });

  const handle = async (request: IncomingMessage, url: URL, what: string, id: string) => {
    switch (what) {
      case 'exports':
        return request.method === 'POST' ? createExport(await bodyOf(request)) : getExport(id);
      case 'publications':
        return list(url.searchParams);
      case 'vouchers':
        return voucher(id);
      case 'campaigns':
        return campaign(id);
      case 'customers':
        return customer(id);
      default:
        return undefined;
    }
  };

  const manage = async (request: IncomingMessage, url: URL, response: ServerResponse) => {
    const { headers } = request;
    const name = `${request.method} webhooks`;
    calls.set(name, (calls.get(name) ?? 0) + 1);
    const isOurs =
      headers['x-management-id'] === managementKeys.id &&
      headers['x-management-token'] === managementKeys.token;
    if (!isOurs) return respond(response, 401, { code: 401 });
    const [, project, id] =
      /^\/management\/v1\/projects\/([^/]+)\/webhooks(?:\/(.+))?$/.exec(url.pathname) ?? [];
    if (project !== 'proj_1') return respond(response, 404, { code: 404 });
    if (request.method === 'GET') {
      return respond(response, 200, {
        object: 'list',
        data_ref: 'data',
        data: webhooks,
        total: webhooks.length,
      });
    }
    const webhook = webhooks.find((one) => one.id === id);
    if (webhook === undefined) return respond(response, 404, { code: 404 });
    return respond(response, 200, Object.assign(webhook, await bodyOf(request)));
  };

  /** POST /v1/exports [S]: filters.created_at.conditions.{$after,$before}. */
  const createExport = (body: Json) => {
    const { filters } = body['parameters'] as {
      filters: Record<string, { conditions: Record<string, string[]> }>;
    };
    const { $after = [], $before = [] } = filters['created_at']?.conditions ?? {};
    const id = `exp_${exports.size + 1}`;
    const window = { after: Date.parse($after[0] ?? ''), before: Date.parse($before[0] ?? '') };
    exports.set(id, { ...window, polls: behaviour.polls });
    return { id, object: 'export', status: 'SCHEDULED', result: null };
  };

  /** GET /v1/exports/{id} [S]: result.url once it is DONE. */
  const getExport = (id: string) => {
    const found = exports.get(id);
    if (found === undefined) return undefined;
    found.polls -= 1;
    const isDone = found.polls <= 0;
    const { exportStatus } = behaviour;
    const result =
      isDone && exportStatus === 'DONE'
        ? { url: `${base()}/download/${id}?token=secret-token` }
        : null;
    return { id, object: 'export', status: isDone ? exportStatus : 'IN_PROGRESS', result };
  };

  /** The CSV [S], in UTC, without publication ids [S]; its rows [?]. */
  const download = async (url: URL, response: ServerResponse) => {
    const found = exports.get(url.pathname.split('/')[2] ?? '');
    if (found === undefined || url.searchParams.get('token') !== 'secret-token') {
      response.writeHead(403).end();
      return;
    }
    const { forms, downloadBreaksAt } = behaviour;
    behaviour.downloadBreaksAt = undefined;
    response.setHeader('content-type', 'text/csv');
    let sent = 0;
    const write = async (text: string): Promise<boolean> => {
      sent += text.length;
      const isBroken = downloadBreaksAt !== undefined && sent > downloadBreaksAt;
      if (!response.write(text)) await new Promise((resolve) => response.once('drain', resolve));
      if (isBroken) response.destroy();
      return !isBroken;
    };
    const names = [
      'voucher_code',
      'customer_id',
      'customer_source_id',
      'date',
      'channel',
      'campaign',
    ];
    const titles = [
      'Voucher code',
      'Customer ID',
      'Customer Source ID',
      'Date',
      'Channel',
      'Campaign',
    ];
    let page = `${(forms.header === 'fields' ? names : titles).join(',')}\n`;
    for (const one of published) {
      const { createdAtMs, result } = one;
      if (result !== 'SUCCESS' || createdAtMs <= found.after || createdAtMs >= found.before)
        continue;
      page += rowsOf(one, forms);
      if (page.length < 64 * 1024) continue;
      if (!(await write(page))) return;
      page = '';
    }
    if (await write(page)) response.end();
  };

  /**
   * GET /v1/publications [S]: filters voucher and customer, limit at most 100, page at most 100, no
   * filter by time; several vouchers are bare codes.
   */
  const list = async (query: URLSearchParams) => {
    const limit = Math.min(100, Number(query.get('limit') ?? 10));
    const page = Number(query.get('page') ?? 1);
    const [code, of] = [query.get('voucher'), query.get('customer')];
    const all = (code === null ? published : (byVoucher.get(code) ?? []))
      .filter(({ customerId }) => of === null || customerId === of)
      .toSorted((a, b) => b.createdAtMs - a.createdAtMs);
    const publications = all.slice((page - 1) * limit, page * limit).map(listed);
    return { object: 'list', data_ref: 'publications', publications, total: all.length };
  };

  const listed = (one: Published) => {
    const { data } = JSON.parse(String(one.webhook)) as {
      data: { publication: Json; vouchers: Json[] };
    };
    const [only] = data.vouchers;
    const several = { vouchers: one.codes };
    const single = { voucher: { code: only?.['code'], campaign: one.campaign, object: 'voucher' } };
    return {
      ...data.publication,
      result: one.result,
      // More than the webhook has [S].
      customer: { ...(data.publication['customer'] as Json), email: 'person@example.com' },
      ...(one.codes.length > 1 ? several : single),
    };
  };

  const voucher = (code: string) => {
    const of = byVoucher.get(code)?.at(-1);
    if (of === undefined || behaviour.deleted.has(code)) return undefined;
    const { data } = JSON.parse(String(of.webhook)) as { data: { vouchers: Json[] } };
    const found = data.vouchers.find((one) => one['code'] === code);
    return { ...found, publish: { object: 'list', count: 1, url: '/v1/…' } };
  };

  const campaign = (idOrName: string) => {
    if (behaviour.deleted.has(idOrName)) return undefined;
    const { data } = sampleWebhook() as { data: { campaign: Json } };
    const name = idOrName.replace(/^camp_/, '');
    return { ...data.campaign, id: `camp_${name}`, name, protected: false };
  };

  const customer = (id: string) => ({
    id,
    object: 'customer',
    source_id: published.find(({ customerId }) => customerId === id)?.sourceId ?? null,
    metadata: {},
  });

  const publish: Simulator['publish'] = (what = {}) => {
    const n = published.length;
    const codes = what.codes ?? [`CODE-${n}`];
    const customerId = what.customerId ?? `cust_${n}`;
    const done: Published = {
      id: what.id ?? `pub_sim_${n}`,
      createdAtMs: what.createdAtMs ?? Date.now(),
      customerId,
      sourceId: what.sourceId === undefined ? `source-${customerId}` : what.sourceId,
      codes,
      campaign: what.campaign === undefined ? 'Summer' : what.campaign,
      channel: 'voucherify-web-ui',
      result: what.result ?? 'SUCCESS',
      // Made when asked for: a hundred thousand of them would need much memory.
      get webhook() {
        return webhookOf(this);
      },
    };
    published.push(done);
    for (const code of codes) {
      const its = byVoucher.get(code);
      if (its) its.push(done);
      else byVoucher.set(code, [done]);
    }
    return done;
  };

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: base(),
    behaviour,
    published,
    webhooks,
    calls,
    publish,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function webhookOf({ id, createdAtMs, codes, customerId, sourceId, campaign }: Published): Buffer {
  const sample = sampleWebhook({
    publicationId: id,
    createdAt: new Date(createdAtMs).toISOString(),
    voucherCount: codes.length,
    ...(campaign === null ? { campaignType: null } : {}),
  }) as { data: { publication: Json; campaign: Json | null; customer: Json; vouchers: Json[] } };
  const { data } = sample;
  const ofCampaign = campaign === null ? {} : { campaign, campaign_id: `camp_${campaign}` };
  const vouchers = data.vouchers.map((one, i) => {
    return { ...one, ...ofCampaign, id: `v_${codes[i]}`, code: codes[i] };
  });
  const { customer: long } = data.publication as { customer: Json };
  const publication = {
    ...data.publication,
    customer_id: customerId,
    source_id: sourceId,
    customer: { ...long, id: customerId, source_id: sourceId },
    vouchers_id: vouchers.map((one) => one.id),
  };
  const customer = { ...data.customer, id: customerId, source_id: sourceId };
  const own = data.campaign && { ...data.campaign, id: `camp_${campaign}`, name: campaign };
  return Buffer.from(
    JSON.stringify({
      ...sample,
      data: { ...data, campaign: own, customer, vouchers, publication },
    }),
  );
}

function rowsOf(
  { codes, customerId, sourceId, createdAtMs, channel, campaign }: Published,
  forms: Forms,
): string {
  const row = (code: string) =>
    `${code},${customerId},${sourceId ?? ''},${timeOf(createdAtMs, forms.time)},${channel},${campaign ?? ''}\n`;
  const [first = ''] = codes;
  if (codes.length === 1) return row(first);
  switch (forms.rows) {
    case 'per-voucher':
      return codes.map(row).join('');
    case 'first-voucher':
      return row(first);
    case 'all-in-one':
      return row(`"${codes.join(', ')}"`);
    case 'no-voucher':
      return row('');
  }
}

function timeOf(ms: number, form: Forms['time']): string {
  const iso = new Date(ms).toISOString();
  switch (form) {
    case 'iso':
      return iso;
    case 'space-ms':
      return iso.replace('T', ' ').replace('Z', '');
    case 'seconds':
      return `${iso.slice(0, 19)}Z`;
    case 'minutes':
      return iso.slice(0, 16).replace('T', ' ');
  }
}

function respond(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status);
  response.end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<Json> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return JSON.parse(text) as Json;
}
