/**
 * Loaded into a service with NODE_OPTIONS=--import: moves its clock. CLOCK is a list of `after
 * ms:offset ms`, the first from the start on, for example 0:3600000,8000:-3600000. The product
 * knows nothing of it; timers keep their pace.
 */

const { CLOCK = '0:0' } = process.env;
const now = Date.now.bind(Date);
const startedAt = now();
const jumps = CLOCK.split(',').map((jump) => jump.split(':').map(Number) as [number, number]);

Date.now = () => {
  const real = now();
  const [, offset] = jumps.findLast(([after]) => real - startedAt >= after) ?? [0, 0];
  return real + offset;
};

const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args: []) {
    super(...((args.length === 0 ? [RealDate.now()] : args) as []));
  }
} as DateConstructor;
