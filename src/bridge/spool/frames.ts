/**
 * The format of a spool segment: frames of length, CRC-32C and payload. Distinguishes torn and
 * damaged frames from intact ones. Pure.
 */

import { crc32c } from '../../kafka/protocol/crc32c.ts';
import type { Verified } from '../../voucherify/signature.ts';
import type { Receipt, ReceivedWebhook } from '../raw-record.ts';

/** Length of the payload and its CRC-32C, four bytes each, big-endian. */
const headBytes = 8;

/** The payload begins with the length of its JSON part. */
const jsonHeadBytes = 4;

/** Encodes one frame: all fields except the body as JSON, then the body's bytes. */
export function encodeFrame({ verified, receipt }: ReceivedWebhook): Buffer {
  const { body, ...fields } = verified;
  const json = Buffer.from(JSON.stringify({ ...fields, ...receipt }));
  const frame = Buffer.allocUnsafe(headBytes + jsonHeadBytes + json.length + body.length);
  frame.writeUInt32BE(frame.length - headBytes, 0);
  frame.writeUInt32BE(json.length, headBytes);
  json.copy(frame, headBytes + jsonHeadBytes);
  body.copy(frame, headBytes + jsonHeadBytes + json.length);
  frame.writeUInt32BE(crc32c(frame, headBytes), 4);
  return frame;
}

export type DecodedFrames = {
  readonly webhooks: readonly ReceivedWebhook[];
  /** Offset of the end of the last whole frame. */
  readonly goodBytes: number;
  /** Frames of the right length with a wrong checksum. */
  readonly damaged: number;
};

/** Decodes frames. Skips damaged ones, and stops at a length that makes no sense. */
export function decodeFrames(bytes: Buffer): DecodedFrames {
  const webhooks: ReceivedWebhook[] = [];
  let damaged = 0;
  let at = 0;
  let goodBytes = 0;
  while (at + headBytes + jsonHeadBytes <= bytes.length) {
    const end = at + headBytes + bytes.readUInt32BE(at);
    if (end > bytes.length || end < at + headBytes + jsonHeadBytes) break;
    const frame = bytes.subarray(at, end);
    at = end;
    if (crc32c(frame, headBytes) === frame.readUInt32BE(4)) {
      webhooks.push(webhookOf(frame));
      goodBytes = at;
    } else {
      damaged += 1;
    }
  }
  return { webhooks, goodBytes, damaged };
}

type FrameFields = Omit<Verified, 'body'> & Receipt;

function webhookOf(frame: Buffer): ReceivedWebhook {
  const bodyAt = headBytes + jsonHeadBytes + frame.readUInt32BE(headBytes);
  const json = frame.toString('utf8', headBytes + jsonHeadBytes, bodyAt);
  const { signature, secretName, ...receipt } = JSON.parse(json) as FrameFields;
  const body = frame.subarray(bodyAt);
  return { verified: { body, signature, secretName }, receipt };
}
