/** Shows in a metric when the certificates of the connections expire. */

import { CertificateWatch } from '../credentials/certificate-watch.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';

export function watchCertificates(
  log: Log,
  { certificateNotAfter }: Pick<Metrics, 'certificateNotAfter'>,
): CertificateWatch {
  return new CertificateWatch(log, (kind, seconds) => certificateNotAfter.set(kind, seconds));
}
