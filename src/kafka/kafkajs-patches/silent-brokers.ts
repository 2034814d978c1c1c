/**
 * Remembers, for the whole process, which brokers did not respond lately. Other connections try
 * them last.
 */

import type { Address } from './internals.ts';

/** A broker counts as silent for this long, or until it responds. */
const silentForMs = 10_000;
const silentSince = new Map<string, number>();

export const formatAddress = ({ host, port }: Address): string => `${host}:${port}`;

export function markSilent(address: Address): void {
  silentSince.set(formatAddress(address), performance.now());
}

export function markResponding(address: Address): void {
  if (silentSince.size > 0) silentSince.delete(formatAddress(address));
}

export function isSilent(address: Address): boolean {
  const since = silentSince.get(formatAddress(address));
  return since !== undefined && performance.now() - since < silentForMs;
}
