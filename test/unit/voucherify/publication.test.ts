import { expect, test } from 'vitest';
import {
  type Publication,
  type Rejection,
  readPublication,
} from '../../../src/voucherify/publication.ts';
import { sampleText, sampleWebhook } from '../../../src/voucherify/sample.ts';
import { readWebhook } from '../../../src/voucherify/webhook.ts';

type Data = Record<string, Record<string, unknown>>;

const read = (body: unknown): Publication | Rejection => {
  const webhook = readWebhook(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
  if (webhook.kind !== 'publication') throw new Error(webhook.kind);
  return readPublication(webhook);
};

/** The sample with its data changed. */
const changed = (change: (data: Data) => unknown) => {
  const webhook = sampleWebhook({ publicationId: 'pub_1' }) as { data: Data };
  const data = { ...webhook.data, ...(change(webhook.data) as object) } as Data;
  const { publication } = data;
  // Other vouchers than those that the sample names.
  const isOther = data['vouchers'] !== webhook.data['vouchers'] && publication;
  const named = isOther
    ? { ...data, publication: { ...publication, vouchers_id: undefined } }
    : data;
  return read({ ...webhook, data: named });
};

const publicationOf = (result: Publication | Rejection): Publication => {
  if (result.kind === 'rejection') throw new Error(`${result.path}: ${result.message}`);
  return result;
};

test("the vendor's sample is read whole", () => {
  expect(publicationOf(read(sampleText('publication-succeeded')))).toMatchObject({
    id: 'pub_r0413bLwExpB6LE0v286eNVmEpx6NxmP',
    sourceId: 'public_321932',
    createdAtMs: Date.parse('2024-02-01T12:54:33.174Z'),
    channel: 'voucherify-web-ui',
    metadata: { method: 'manual' },
    userId: 'user_ypzfEcSAphSONMGJRlj6trzXKsh7FGX7',
    campaign: {
      id: 'camp_EV79Z6CjaAMpX4pFxVivvzzk',
      type: 'DISCOUNT_COUPONS',
      kind: 'AUTO_UPDATE',
      startsAtMs: null,
    },
    vouchers: [
      {
        code: 'ZERO-8',
        type: 'DISCOUNT_VOUCHER',
        redemptionLimit: null,
        redeemedCount: 5,
        discount: { type: 'UNIT', units: [{ count: 0, unitType: 'prod_0df14b7e7d8975079d' }] },
      },
    ],
    customer: {
      id: 'cust_IdgAFZxYwwHctOk9pPuMu308',
      sourceId: 'jck-wbhk',
      region: 'EMEA',
      metadata: { region: 'EMEA' },
    },
    envelope: {
      projectId: 'proj_Pr0j3CTs',
      eventId: 'evpub_0e3aeaf2ff59fe8966',
      groupId: 'v-0e3aeaf2e58de0ba42',
    },
  });
});

test('`voucher` and `vouchers` mean the same', () => {
  const one = publicationOf(
    changed((data) => ({
      voucher: (data['vouchers'] as unknown as object[])[0],
      vouchers: undefined,
    })),
  );
  const several = publicationOf(changed(() => ({})));
  expect(one.vouchers).toEqual(several.vouchers);
});

test('fifty vouchers are read', () => {
  const publication = publicationOf(read(sampleWebhook({ voucherCount: 50 })));
  expect(publication.vouchers).toHaveLength(50);
});

test.each(['user', 'campaign', 'customer'])('null %s is taken', (key) => {
  expect(changed(() => ({ [key]: null })).kind).toBe('publication');
});

test('six fraction digits are cut to milliseconds', () => {
  const publication = publicationOf(
    changed((data) => ({
      publication: { ...data['publication'], created_at: '2024-01-18T15:19:26.594999Z' },
    })),
  );
  expect(publication.createdAtMs).toBe(Date.parse('2024-01-18T15:19:26.594Z'));
});

test("without the publication's own time, the envelope's is taken", () => {
  const webhook = sampleWebhook({ createdAt: '2024-01-18T15:19:26.594Z' }) as { data: Data };
  const publication = { ...webhook.data['publication'], created_at: null };
  expect(read({ ...webhook, data: { ...webhook.data, publication } })).toMatchObject({
    createdAtMs: Date.parse('2024-01-18T15:19:26.594Z'),
  });
});

test('a voucher that expires in 9999 is read', () => {
  const vouchers = [{ code: 'c', expiration_date: '9999-12-31T23:59:59.999999Z' }];
  expect(publicationOf(changed(() => ({ vouchers }))).vouchers[0]?.expiresAtMs).toBe(
    253402300799999,
  );
});

const rejections: readonly (readonly [string, (data: Data) => object, Partial<Rejection>])[] = [
  [
    'no publication',
    () => ({ publication: null }),
    { reason: 'no-publication-id', path: '$.data.publication.id' },
  ],
  [
    'an empty publication id',
    (d) => ({ publication: { ...d['publication'], id: '' } }),
    { reason: 'no-publication-id' },
  ],
  [
    'no vouchers',
    () => ({ vouchers: [] }),
    { path: '$.data.vouchers', message: 'expected at least one voucher, found none' },
  ],
  [
    'a voucher without code',
    () => ({ vouchers: [{ id: 'v_1' }] }),
    { path: '$.data.vouchers[0].code', message: 'expected a non-empty string, found nothing' },
  ],
  [
    'vouchers that are no list',
    () => ({ vouchers: 'v_1' }),
    { path: '$.data.vouchers', message: 'expected an array or null, found a string' },
  ],
  [
    'a campaign that is text',
    () => ({ campaign: 'Summer' }),
    { path: '$.data.campaign', message: 'expected an object or null, found a string' },
  ],
  [
    'a campaign type that is a number',
    () => ({ campaign: { campaign_type: 5 } }),
    { path: '$.data.campaign.campaign_type' },
  ],
];

const oddities: readonly (readonly [string, (data: Data) => object, string])[] = [
  [
    'an amount that no long holds',
    () => ({ vouchers: [{ code: 'c', gift: { amount: 2 ** 53 - 1 } }] }),
    '$.data.vouchers[0].gift.amount',
  ],
  [
    'an amount with a fraction',
    () => ({ vouchers: [{ code: 'c', discount: { type: 'AMOUNT', amount_off: 10.5 } }] }),
    '$.data.vouchers[0].discount.amount_off',
  ],
  [
    'a time that is none',
    () => ({ vouchers: [{ code: 'c', start_date: 'soon' }] }),
    '$.data.vouchers[0].start_date',
  ],
  ['a customer that is text', () => ({ customer: 'Jack' }), '$.data.customer'],
  [
    'a created_at that is a number',
    (d) => ({ publication: { ...d['publication'], created_at: 5 } }),
    '$.data.publication.created_at',
  ],
];

test.each(oddities)('%s parks nothing: it is null, and its path is named', (_, change, path) => {
  expect(publicationOf(changed(change)).unreadable()).toEqual([path]);
});

test.each([
  ['2026-11-20T10:00Z', '2026-11-20T10:00:00Z'],
  ['2026-11-20T10:00:00+0000', '2026-11-20T10:00:00Z'],
  ['2026-11-20T12:00:00+02', '2026-11-20T10:00:00Z'],
  ['2026-11-20T10:00:00', '2026-11-20T10:00:00Z'],
  ['2026-11-20 10:00:00.5', '2026-11-20T10:00:00.500Z'],
  ['2026-11-20', '2026-11-20T00:00:00Z'],
])('the time %s is read', (text, expected) => {
  const vouchers = [{ code: 'c', start_date: text }];
  const publication = publicationOf(changed(() => ({ vouchers })));
  expect(publication.vouchers[0]?.startsAtMs).toBe(Date.parse(expected));
});

test('numbers in metadata stay as they were written', () => {
  const numbers = '{"big":9007199254740993,"price":1.10,"much":1e21,"in":{"deep":[2.50]},"n":7}';
  const whole = JSON.stringify(sampleWebhook({ publicationId: 'pub_1' }));
  const body = whole.replace('{"method":"manual"}', numbers);
  expect(body).not.toBe(whole);
  expect(publicationOf(read(body)).metadata).toEqual({
    big: '9007199254740993',
    price: '1.10',
    much: '1e21',
    in: '{"deep":[2.50]}',
    n: '7',
  });
});

test('metadata that is nested too deeply is null and named; a number beside it is read', () => {
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  const whole = JSON.stringify(sampleWebhook({ publicationId: 'pub_1' }));
  const body = whole.replace('{"method":"manual"}', `{"deep":${deep},"n":1.5}`);
  const publication = publicationOf(read(body));
  expect(publication.metadata).toEqual({ n: '1.5' });
  expect(publication.unreadable()).toEqual(['$.data.publication.metadata.deep']);
});

test('an empty array in the place of metadata is empty, as PHP writes it', () => {
  const publication = publicationOf(
    changed((data) => ({ publication: { ...data['publication'], metadata: [] } })),
  );
  expect([publication.metadata, publication.unreadable()]).toEqual([{}, []]);
});

test('lone surrogates are replaced, and ids that differ in them stay different', () => {
  const idOf = (id: string) =>
    publicationOf(changed((data) => ({ publication: { ...data['publication'], id } }))).id;
  const [a, b] = [idOf('pub_\ud800'), idOf('pub_\ud801')];
  expect([a, b].every((id) => id.isWellFormed())).toBe(true);
  expect(a).not.toBe(b);
  const named = publicationOf(
    changed(() => ({ campaign: { name: 'x\udc00', metadata: { '\ud800': '\ud800' } } })),
  );
  expect(named.campaign).toMatchObject({ name: 'x\ufffd', metadata: { '\ufffd': '\ufffd' } });
});

test('what one form of the customer lacks the other has', () => {
  const short = { id: 'cust_1', name: 'Jack' };
  const long = { ...short, source_id: 'jck', metadata: { region: 'EMEA', tier: 'gold' } };
  const publication = publicationOf(
    changed((data) => ({
      customer: short,
      publication: { ...data['publication'], customer: long },
    })),
  );
  expect(publication.customer).toMatchObject({
    sourceId: 'jck',
    region: 'EMEA',
    metadata: { region: 'EMEA', tier: 'gold' },
  });
});

test('a campaign that only its voucher names is read, and the event names what it lacks', () => {
  const vouchers = [
    { code: 'c', type: 'DISCOUNT_VOUCHER', campaign: 'Summer', campaign_id: 'camp_1' },
  ];
  const publication = publicationOf(changed(() => ({ vouchers, campaign: undefined })));
  expect(publication).toMatchObject({
    campaign: { id: 'camp_1', name: 'Summer', type: null },
    missing: ['campaign', 'campaign.type'],
  });
});

test('the only voucher has the id that the publication names, and the type that it implies', () => {
  const webhook = sampleWebhook({ publicationId: 'pub_1' }) as { data: Data };
  const publication = { ...webhook.data['publication'], vouchers_id: ['v_7'] };
  const vouchers = [{ code: 'c', gift: { amount: 5 } }];
  const found = publicationOf(
    read({ ...webhook, data: { ...webhook.data, vouchers, publication } }),
  );
  expect(found.vouchers).toMatchObject([{ id: 'v_7', type: 'GIFT_VOUCHER' }]);
});

test.each(rejections)('%s is rejected with its JSON path', (_, change, expected) => {
  expect(changed(change)).toMatchObject({ kind: 'rejection', ...expected });
});

test('metadata becomes text: scalars as written, nested values as JSON', () => {
  const metadata = JSON.parse(
    '{"a": "x", "n": 1.5, "b": true, "o": {"k": [1]}, "gone": null, "__proto__": "own"}',
  );
  const { metadata: map } = publicationOf(
    changed((data) => ({ publication: { ...data['publication'], metadata } })),
  );
  expect(Object.entries(map)).toEqual([
    ['a', 'x'],
    ['n', '1.5'],
    ['b', 'true'],
    ['o', '{"k":[1]}'],
    ['__proto__', 'own'],
  ]);
  expect(Object.getPrototypeOf(map)).toBe(Object.prototype);
});

test('personal data is read only on demand, from the longer form of the customer', () => {
  const customer = { id: 'cust_1', name: 'Jack', email: null };
  const long = {
    ...customer,
    phone: '+1',
    birthdate: '1990-02-03',
    address: { city: 'Katowice', line_1: 'Porcelanowa 23' },
  };
  const publication = publicationOf(
    changed((data) => ({ customer, publication: { ...data['publication'], customer: long } })),
  );
  expect(publication.customer?.personal()).toEqual({
    name: 'Jack',
    email: null,
    phone: '+1',
    birthdate: Date.UTC(1990, 1, 3) / 86_400_000,
    address: {
      line1: 'Porcelanowa 23',
      line2: null,
      postalCode: null,
      city: 'Katowice',
      state: null,
      country: null,
    },
  });
});
