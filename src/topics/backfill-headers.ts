/** The headers of a raw record that `voucherbus reconcile` wrote because no webhook came. */

/** Id of the reconcile run. */
export const reconcileRunHeader = 'voucherbus.reconcile.run';
