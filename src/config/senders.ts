/** The senders that ALLOWED_SENDERS admits: regions of Voucherify, addresses, subnets. */

import { BlockList, isIP } from 'node:net';

/**
 * The addresses of each region (Introduction to webhooks, voucherify docs, read 2026-08-21). For
 * dedicated regions ask the vendor's support.
 */
const regions: Readonly<Record<string, readonly string[]>> = {
  eu1: ['34.247.197.22', '63.32.191.141', '52.215.148.84'],
  us1: ['100.25.106.67', '18.209.236.215', '34.192.255.99'],
  as1: ['52.76.98.82', '54.169.8.101', '13.214.87.160'],
};

/** The addresses that may send. */
export type Senders = { readonly has: (address: string) => boolean };

/**
 * @param names regions, addresses, and subnets as address/bits
 * @returns undefined if one of them is none of these
 */
export function sendersOf(names: readonly string[]): Senders | undefined {
  const list = new BlockList();
  for (const name of names) {
    for (const one of regions[name] ?? [name]) {
      if (!add(list, one)) return undefined;
    }
  }
  return {
    has: (address) => {
      const family = familyOf(address);
      return family !== undefined && list.check(address, family);
    },
  };
}

function add(list: BlockList, text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = familyOf(address);
  if (family === undefined || rest.length > 0) return false;
  if (bits === undefined) {
    list.addAddress(address, family);
    return true;
  }
  const isWidth = /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 'ipv4' ? 32 : 128);
  if (isWidth) list.addSubnet(address, Number(bits), family);
  return isWidth;
}

function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  const version = isIP(address);
  return version === 0 ? undefined : version === 4 ? 'ipv4' : 'ipv6';
}

/** Returns the IPv4 address that a dual-stack socket shows as ::ffff:192.0.2.1. */
export function withoutMapping(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}
