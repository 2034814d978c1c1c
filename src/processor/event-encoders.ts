/**
 * Encodes the events of each output topic: its schema id, and the headers that are equal in all of
 * them.
 */

import { createEncoder, type Encoder } from '../avro/encoder.ts';
import type { PublicationSucceeded } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import type { ProcessorConfig } from '../config/config.ts';

/** CloudEvents headers that are equal in every event of a topic, as bytes. */
export type CloudEventConstants = Readonly<
  Record<'ce_specversion' | 'ce_source' | 'ce_type' | 'ce_dataschema' | 'content-type', Buffer>
>;

type TopicEncoder = {
  readonly encode: Encoder<PublicationSucceeded>;
  readonly constants: CloudEventConstants;
};

export class EventEncoders {
  readonly #registryUrl: string;
  readonly #config: Pick<ProcessorConfig, 'eventSource' | 'eventType'>;
  readonly #byTopic = new Map<string, TopicEncoder>();

  constructor(registryUrl: string, config: Pick<ProcessorConfig, 'eventSource' | 'eventType'>) {
    this.#registryUrl = registryUrl;
    this.#config = config;
  }

  add(topic: string, schemaId: number): void {
    const { eventSource, eventType } = this.#config;
    this.#byTopic.set(topic, {
      encode: createEncoder(schemas.PublicationSucceeded.type, schemaId),
      constants: {
        ce_specversion: Buffer.from('1.0'),
        ce_source: Buffer.from(eventSource),
        ce_type: Buffer.from(eventType),
        ce_dataschema: Buffer.from(`${this.#registryUrl}/schemas/ids/${schemaId}`),
        'content-type': Buffer.from('application/avro'),
      },
    });
  }

  encode(topic: string): Encoder<PublicationSucceeded> {
    return this.#known(topic).encode;
  }

  constants(topic: string): CloudEventConstants {
    return this.#known(topic).constants;
  }

  #known(topic: string): TopicEncoder {
    const found = this.#byTopic.get(topic);
    if (found) return found;
    throw new Error(`a route leads to ${topic}: expected a topic whose schema id was looked up`);
  }
}
