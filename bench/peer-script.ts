/**
 * The peer: the script that a careful engineer would write with stock KafkaJS. A transaction for
 * each batch, ids in a Map, the same JSON and Avro work. It is not exactly once (the Map is lost at
 * a restart, zombies are not fenced), which makes its job easier than ours.
 */

import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { schemas } from '../src/avro/schemas.ts';

const { BROKERS = '', GROUP = '', RAW = '', PREFIX = '', OUT_ID = '0' } = process.env;
const out = schemas.PublicationSucceeded.type;
const kafka = new Kafka({
  clientId: 'peer',
  brokers: BROKERS.split(','),
  logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 20, retries: 10 },
});
const suffixes = ['discount-coupons', 'gift-vouchers', 'loyalty-program', 'referral-program'];
const seen = new Map<string, number>();
const producers = new Map<number, ReturnType<typeof kafka.producer>>();

const frame = (id: number, body: Buffer) => {
  const framed = Buffer.allocUnsafe(5 + body.length);
  framed[0] = 0;
  framed.writeInt32BE(id, 1);
  body.copy(framed, 5);
  return framed;
};

const time = (text: string | undefined) => (text ? Date.parse(text) : null);

// biome-ignore lint/suspicious/noExplicitAny: a script trusts the vendor's JSON
function flatten(envelope: any, receivedAt: number) {
  const { data, event } = envelope;
  const { campaign, customer, publication } = data;
  return {
    publicationId: publication.id,
    publicationSourceId: publication.source_id,
    occurredAt: time(publication.created_at),
    campaign: {
      id: campaign.id,
      name: campaign.name,
      type: campaign.campaign_type,
      typeText: campaign.campaign_type,
      kind: campaign.type,
      startsAt: time(campaign.start_date),
      expiresAt: time(campaign.expiration_date),
      metadata: campaign.metadata ?? {},
    },
    // biome-ignore lint/suspicious/noExplicitAny: as above
    vouchers: data.vouchers.map((voucher: any) => ({
      id: voucher.id,
      code: voucher.code,
      type: voucher.type,
      benefit: {
        kind: 'UNKNOWN',
        summary: '',
        effect: voucher.discount?.effect ?? null,
        units: [],
      },
      active: voucher.active,
      redeemedCount: voucher.redemption.redeemed_quantity,
      redemptionLimit: voucher.redemption.quantity,
      isReferralCode: voucher.is_referral_code,
      holderId: voucher.holder_id,
      metadata: voucher.metadata ?? {},
    })),
    customer: {
      id: customer.id,
      sourceId: customer.source_id,
      region: customer.metadata.region,
      metadata: customer.metadata,
    },
    channel: publication.channel,
    publisher: { kind: data.user ? 'USER' : 'API_KEY', id: data.user?.id ?? null },
    projectId: envelope.project_id,
    source: 'bench',
    eventId: event.id,
    webhookId: envelope.id,
    groupId: event.group_id,
    metadata: publication.metadata,
    receivedAt,
    processedAt: Date.now(),
  };
}

// Functions of their own, for a profile (hot-path.ts) to name.
const decodeRaw = (value: Buffer) => schemas.RawWebhook.type.fromBuffer(value.subarray(5));
const parse = (body: Buffer) => JSON.parse(body.toString());
const encodeOutput = (output: object) => frame(Number(OUT_ID), out.toBuffer(output));
// A process that ends without a signal writes its profile.
process.once('SIGTERM', () => process.exit(0));

async function producerOf(partition: number) {
  const known = producers.get(partition);
  if (known) return known;
  const producer = kafka.producer({
    transactionalId: `${GROUP}-${partition}`,
    maxInFlightRequests: 5,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  producers.set(partition, producer);
  return producer;
}

const consumer = kafka.consumer({ groupId: GROUP, maxWaitTimeInMs: 100, sessionTimeout: 10_000 });
await consumer.connect();
await consumer.subscribe({ topics: [RAW], fromBeginning: true });
await consumer.run({
  autoCommit: false,
  eachBatchAutoResolve: false,
  partitionsConsumedConcurrently: 6,
  eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
    const producer = await producerOf(batch.partition);
    for (let from = 0; from < batch.messages.length; from += 500) {
      const slice = batch.messages.slice(from, from + 500);
      const topics = new Map<string, { key: string; value: Buffer; partition: number }[]>();
      for (const { value } of slice) {
        const raw = decodeRaw(value ?? Buffer.alloc(0));
        const envelope = parse(raw.body);
        const id = envelope.data.publication.id;
        if (seen.has(id)) continue;
        seen.set(id, 1);
        const type = envelope.data.campaign.campaign_type.toLowerCase().replace('_', '-');
        const topic = `${PREFIX}.publications.${suffixes.find((one) => one === type) ?? 'other'}`;
        const record = {
          key: id,
          value: encodeOutput(flatten(envelope, raw.receivedAt)),
          partition: batch.partition,
        };
        topics.set(topic, [...(topics.get(topic) ?? []), record]);
      }
      const transaction = await producer.transaction();
      if (topics.size > 0) {
        await transaction.sendBatch({
          topicMessages: [...topics].map(([topic, messages]) => ({ topic, messages })),
        });
      }
      const last = slice.at(-1)?.offset ?? '0';
      const offset = String(Number(last) + 1);
      await transaction.sendOffsets({
        consumerGroupId: GROUP,
        topics: [{ topic: RAW, partitions: [{ partition: batch.partition, offset }] }],
      });
      await transaction.commit();
      resolveOffset(last);
      await heartbeat();
    }
  },
});
