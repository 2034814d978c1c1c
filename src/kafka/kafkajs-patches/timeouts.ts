/** The time limits that several patches share. */

/** Between two attempts to find a coordinator or leader. */
export const lookUpEveryMs = 100;

/**
 * How long a coordinator is looked up, and a join is repeated. With Kafka's defaults a dead broker
 * is replaced after about 9 s.
 */
export const unavailableTimeoutMs = 30_000;
