/**
 * The TypeScript types of the Avro records in schemas/, as avsc reads and writes them. The schemas
 * document each field.
 */

export type RawWebhook = {
  readonly source: string;
  readonly receivedAt: number;
  readonly secretName: string;
  readonly signature: string;
  readonly contentType: string | null;
  readonly eventType: string | null;
  readonly eventId: string | null;
  readonly publicationId: string | null;
  readonly body: Buffer;
  readonly origin: Origin;
  /** Milliseconds since 1970. */
  readonly asOf: number | null;
};

export type Origin = 'UNKNOWN' | 'WEBHOOK' | 'BACKFILL';

export type Outcome =
  | 'UNKNOWN'
  | 'FORWARDED'
  | 'DUPLICATE'
  | 'DEAD_LETTERED'
  | 'IGNORED'
  | 'REDRIVEN';

export type JournalEntry = {
  readonly digest: Buffer;
  readonly offset: number;
  readonly outcome: Outcome;
  readonly label: number;
};

export type DeploymentIdentity = {
  readonly group: string;
  readonly partitions: number;
  readonly topicIds: Readonly<Record<string, string>>;
  readonly isAdopted: boolean;
};

export type JournalRecord = {
  readonly from: number;
  readonly to: number;
  readonly receivedUntil: number;
  readonly processedAt: number;
  readonly lastTimestamp: number;
  readonly identity: Buffer;
  readonly deployment: DeploymentIdentity | null;
  readonly routesVersion: string;
  readonly labels: readonly string[];
  readonly entries: readonly JournalEntry[];
};

type Text = string | null;
type TextMap = Readonly<Record<string, string>>;

type BenefitKind =
  | 'UNKNOWN'
  | 'AMOUNT_OFF'
  | 'PERCENT_OFF'
  | 'FIXED_PRICE'
  | 'UNITS_OFF'
  | 'GIFT'
  | 'LOYALTY';

export type BenefitRecord = {
  readonly kind: BenefitKind;
  readonly summary: string;
  readonly amount: number | null;
  readonly percent: number | null;
  readonly amountLimit: number | null;
  readonly aggregatedAmountLimit: number | null;
  readonly isDynamic: boolean | null;
  readonly points: number | null;
  readonly balance: number | null;
  readonly pendingPoints: number | null;
  readonly expiredPoints: number | null;
  readonly subtractedPoints: number | null;
  readonly nextExpirationPoints: number | null;
  readonly nextExpirationDay: number | null;
  readonly effect: Text;
  readonly formula: Text;
  readonly units: readonly {
    readonly count: number;
    readonly unitType: Text;
    readonly productId: Text;
    readonly productSourceId: Text;
    readonly productName: Text;
    readonly skuId: Text;
    readonly skuSourceId: Text;
    readonly skuName: Text;
    readonly effect: Text;
    readonly formula: Text;
  }[];
};

export type VoucherRecord = {
  readonly id: Text;
  readonly code: string;
  readonly type: 'UNKNOWN' | 'DISCOUNT_VOUCHER' | 'GIFT_VOUCHER' | 'LOYALTY_CARD';
  readonly benefit: BenefitRecord;
  readonly active: boolean | null;
  readonly startsAt: number | null;
  readonly expiresAt: number | null;
  readonly redemptionLimit: number | null;
  readonly redeemedCount: number;
  readonly redeemedAmount: number | null;
  readonly redeemedPoints: number | null;
  readonly isReferralCode: boolean;
  readonly holderId: Text;
  readonly referrerId: Text;
  readonly categories: readonly string[];
  readonly metadata: TextMap;
};

export type CampaignType =
  | 'UNKNOWN'
  | 'DISCOUNT_COUPONS'
  | 'GIFT_VOUCHERS'
  | 'LOYALTY_PROGRAM'
  | 'REFERRAL_PROGRAM'
  | 'PROMOTION';

export type CampaignRecord = {
  readonly id: Text;
  readonly name: Text;
  readonly type: CampaignType;
  readonly typeText: Text;
  readonly kind: 'UNKNOWN' | 'AUTO_UPDATE' | 'STATIC' | 'STANDALONE';
  readonly startsAt: number | null;
  readonly expiresAt: number | null;
  readonly metadata: TextMap;
};

type PersonalRecord = {
  readonly name: Text;
  readonly email: Text;
  readonly phone: Text;
  readonly birthdate: number | null;
  readonly address: {
    readonly line1: Text;
    readonly line2: Text;
    readonly postalCode: Text;
    readonly city: Text;
    readonly state: Text;
    readonly country: Text;
  } | null;
};

export type PublisherRecord = {
  readonly kind: 'UNKNOWN' | 'USER' | 'API_KEY' | 'AUTOMATIC';
  readonly id: Text;
  readonly name: Text;
};

export type CampaignReference = {
  readonly campaignId: string;
  readonly attributes: TextMap;
  readonly updatedAt: number;
  readonly updatedBy: Text;
};

export type ReconcileProgress = {
  readonly runId: string;
  readonly request: string;
  readonly since: number;
  readonly until: number;
  readonly startedAt: number;
  readonly exportId: Text;
  readonly finishedAt: number | null;
  readonly reconciledUntil: number | null;
  readonly apiCalls: number;
  readonly rows: number | null;
  readonly missing: number | null;
  readonly backfilled: number | null;
  readonly callsLeft: number | null;
  readonly publications: readonly string[];
};

export type ReferenceRecord = { readonly version: string; readonly attributes: TextMap };

export type PublicationSucceeded = {
  readonly publicationId: string;
  readonly publicationSourceId: Text;
  readonly occurredAt: number;
  readonly campaign: CampaignRecord | null;
  readonly vouchers: readonly VoucherRecord[];
  readonly customer: {
    readonly id: Text;
    readonly sourceId: Text;
    readonly region: Text;
    readonly metadata: TextMap;
    readonly personal: PersonalRecord | null;
  } | null;
  readonly channel: Text;
  readonly publisher: PublisherRecord;
  readonly projectId: Text;
  readonly source: string;
  readonly eventId: Text;
  readonly webhookId: Text;
  readonly groupId: Text;
  readonly metadata: TextMap;
  readonly receivedAt: number;
  readonly processedAt: number;
  readonly reference: ReferenceRecord | null;
  readonly complete: boolean;
  readonly missing: readonly string[];
  readonly unreadable: readonly string[];
  readonly result: Text;
  readonly origin: Origin;
  readonly asOf: number | null;
};
