/** The headers of a raw record that `voucherbus reconcile` wrote because no webhook came. */

/** Id of the reconcile run. */
export const reconcileRunHeader = 'voucherbus.reconcile.run';
/** `backfill`; webhooks do not have it. */
export const originHeader = 'voucherbus.origin';
/** `true`: an operator accepts that the publication is older than DEDUP_WINDOW. */
export const allowStaleHeader = 'voucherbus.reconcile.allow-stale';
