/** Remembers the dead letters, without what they contain, and which of them were redriven. */

import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import { type Letter, type LetterSummary, letterOf, redriveDigestOf } from './dead-letters.ts';
import type { Place } from './id-table.ts';

type Known = {
  readonly letter: Omit<LetterSummary, 'isRedriven'>;
  /** The digest (hex) under which the journal has its redrive. */
  readonly digest: string;
};

/** Older ones are forgotten: so many that only a command can list them. */
export const lettersAtMost = 50_000;

export class LetterIndex {
  /** By place, the oldest first. */
  readonly #letters = new Map<string, Known>();
  readonly #redriven = new Set<string>();

  /** @param topicId of the dead-letter topic */
  add(record: ReadRecord, position: Letter['position'], topicId: string): void {
    const { record: _, ...letter } = letterOf(record, position, topicId);
    this.#letters.set(nameOf(position), { letter, digest: redriveDigestOf(letter) });
    const [oldest] = this.#letters.keys();
    if (this.#letters.size > lettersAtMost && oldest) this.#letters.delete(oldest);
  }

  addRedrive(digest: Buffer): void {
    this.#redriven.add(digest.toString('hex'));
  }

  at(place: Place): LetterSummary | undefined {
    const known = this.#letters.get(nameOf(place));
    return known && this.#shown(known);
  }

  /**
   * Returns the letters in any order.
   * @param starts by partition: retention has deleted what is before
   */
  all(starts: ReadonlyMap<number, number>): readonly LetterSummary[] {
    for (const [name, { letter }] of this.#letters) {
      const { partition, offset } = letter.position;
      if (offset < (starts.get(partition) ?? 0)) this.#letters.delete(name);
    }
    return [...this.#letters.values()].map((known) => this.#shown(known));
  }

  #shown({ letter, digest }: Known): LetterSummary {
    return { ...letter, isRedriven: this.#redriven.has(digest) };
  }
}

const nameOf = ({ partition, offset }: Place) => `${partition}@${offset}`;
