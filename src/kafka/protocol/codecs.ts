/**
 * Decompresses record batches. gzip and zstd are part of Node. lz4 and snappy are optional
 * packages, which are loaded with the first batch or topic that needs them.
 */

import { createRequire } from 'node:module';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';

type Codec = {
  /** As in a topic's compression.type. */
  readonly name: string;
  /** The package that it needs. */
  readonly package?: string;
  readonly decompress: (body: Buffer) => Buffer;
};

const require = createRequire(import.meta.url);

/** By the codec bits of a batch's attributes. */
const codecs: readonly Codec[] = [
  { name: 'uncompressed', decompress: (body) => body },
  { name: 'gzip', decompress: gunzipSync },
  { name: 'snappy', package: 'snappy', decompress: decompressSnappy },
  { name: 'lz4', package: 'lz4-napi', decompress: decompressLz4 },
  { name: 'zstd', decompress: zstdDecompressSync },
];

/** @throws Error that names the package to install */
export function decompress(code: number, body: Buffer): Buffer {
  const codec = codecs[code];
  if (codec === undefined) {
    throw new Error(`a record batch is compressed with codec ${code}: expected 0 to 4`);
  }
  const problem = missingPackage(codec);
  if (problem !== undefined) throw new Error(`a record batch is compressed by ${problem}`);
  return codec.decompress(body);
}

/**
 * Returns why batches of a topic with this compression.type cannot be read; undefined if they can.
 */
export function codecProblem(compressionType: string): string | undefined {
  // The batches keep the codec of their producer, usually none.
  if (compressionType === 'producer') return undefined;
  const codec = codecs.find(({ name }) => name === compressionType);
  if (codec !== undefined) return missingPackage(codec);
  return `${compressionType}: expected one of ${codecs.map(({ name }) => name).join(', ')}, producer`;
}

function missingPackage(codec: Codec): string | undefined {
  if (codec.package === undefined) return undefined;
  try {
    require(codec.package);
    return undefined;
  } catch {
    return `${codec.name}, which needs the package ${codec.package}: run \`npm install ${codec.package}\`, or build the image with --build-arg PACKAGES=${codec.package}`;
  }
}

function decompressLz4(body: Buffer): Buffer {
  const { decompressFrameSync } = require('lz4-napi') as typeof import('lz4-napi');
  return decompressFrameSync(body);
}

/** The header of snappy-java's stream: the name, and two version numbers. */
const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const xerialHeaderBytes = xerialMagic.length + 4 + 4;

/**
 * Java's clients write snappy-java's stream: a header, then blocks, each with its length before it.
 * Others (librdkafka) write one plain block.
 */
function decompressSnappy(body: Buffer): Buffer {
  const { uncompressSync } = require('snappy') as typeof import('snappy');
  const uncompress = (block: Buffer) => uncompressSync(block, { asBuffer: true }) as Buffer;
  if (!body.subarray(0, xerialMagic.length).equals(xerialMagic)) return uncompress(body);
  const blocks: Buffer[] = [];
  for (let at = xerialHeaderBytes; at < body.length; ) {
    const end = at + 4 + body.readInt32BE(at);
    blocks.push(uncompress(body.subarray(at + 4, end)));
    at = end;
  }
  return Buffer.concat(blocks);
}
