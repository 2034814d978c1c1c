/** How the events of each output topic are written: its schema id, and the headers that are equal in all of them. */

import { createEncoder, type Encoder } from '../avro/encoder.ts';
import type { PublicationSucceeded } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import type { ProcessorConfig } from '../config/config.ts';
import { type CloudEventConstants, cloudEventConstants } from './transaction-builder.ts';

export type EventEncoders = {
  readonly add: (topic: string, schemaId: number) => void;
  readonly encode: (topic: string) => Encoder<PublicationSucceeded>;
  readonly constants: (topic: string) => CloudEventConstants;
};

export function createEventEncoders(registryUrl: string, config: ProcessorConfig): EventEncoders {
  type OfTopic = { encode: Encoder<PublicationSucceeded>; constants: CloudEventConstants };
  const ofTopic = new Map<string, OfTopic>();
  const known = (topic: string) => {
    const found = ofTopic.get(topic);
    if (!found) throw new Error(`a route leads to ${topic}: expected a topic that was looked up`);
    return found;
  };
  return {
    add: (topic, id) => {
      const dataSchema = `${registryUrl}/schemas/ids/${id}`;
      ofTopic.set(topic, {
        encode: createEncoder(schemas.PublicationSucceeded.type, id),
        constants: cloudEventConstants(config.eventSource, config.eventType, dataSchema),
      });
    },
    encode: (topic) => known(topic).encode,
    constants: (topic) => known(topic).constants,
  };
}
