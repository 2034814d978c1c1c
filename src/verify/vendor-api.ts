/**
 * A stand-in for Voucherify's API, which knows the publications whose webhooks `verify` withheld:
 * exports, the list of publications, vouchers and campaigns, as far as `voucherbus reconcile` asks.
 */

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

type Json = Readonly<Record<string, unknown>>;

/** The body of a publication.succeeded webhook with one voucher. */
type Webhook = {
  readonly data: {
    readonly campaign: Json | null;
    readonly vouchers: readonly [Json];
    readonly publication: Json;
  };
};

export type VendorApi = AsyncDisposable & { readonly url: string };

/** @param withheld bodies of webhooks */
export async function startVendorApi(withheld: readonly Buffer[]): Promise<VendorApi> {
  const known = withheld.map((body) => publicationOf(JSON.parse(body.toString()) as Webhook));
  const server = createServer((request, response) => {
    const found = respond(request, known, url());
    response.writeHead(found === undefined ? 404 : 200);
    response.end(typeof found === 'string' ? found : JSON.stringify(found ?? { code: 404 }));
  });
  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: url(),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Publication = ReturnType<typeof publicationOf>;

/** Each gets a campaign of its own: the vendor's sample has one, and many types. */
function publicationOf({ data }: Webhook) {
  const { campaign, publication } = data;
  const campaignId = campaign && `camp_${String(publication['id'])}`;
  const voucher = { ...data.vouchers[0], campaign_id: campaignId };
  return {
    code: String(data.vouchers[0]['code']),
    customerId: String(publication['customer_id'] ?? ''),
    createdAt: String(publication['created_at']),
    voucher,
    campaign: campaign && { ...campaign, id: campaignId },
    listed: { ...publication, voucher },
  };
}

/** Returns the response's body; undefined for 404. */
function respond({ method, url = '' }: IncomingMessage, known: readonly Publication[], at: string) {
  const { pathname, searchParams } = new URL(url, at);
  const [, , what = '', id = ''] = pathname.split('/').map(decodeURIComponent);
  switch (what) {
    case 'exports':
      return method === 'POST'
        ? { id: 'exp_1', status: 'SCHEDULED', result: null }
        : { id, status: 'DONE', result: { url: `${at}/v1/census` } };
    case 'census':
      return census(known);
    case 'publications': {
      const code = searchParams.get('voucher');
      const publications = known.filter((one) => one.code === code).map(({ listed }) => listed);
      return { object: 'list', publications, total: publications.length };
    }
    case 'vouchers':
      return known.find(({ code }) => code === id)?.voucher;
    case 'campaigns':
      return known.find(({ campaign }) => campaign?.id === id)?.campaign ?? undefined;
    default:
      return undefined;
  }
}

function census(known: readonly Publication[]): string {
  const rows = known.map(({ code, customerId, createdAt }) => `${code},${customerId},${createdAt}`);
  return `${['voucher_code,customer_id,date', ...rows].join('\n')}\n`;
}
