import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import {
  checkVersion,
  internalModule,
  replaceModule,
} from '../../../../src/kafka/kafkajs-patches/modules.ts';

test('another version of KafkaJS is refused', () => {
  const manifest = createRequire(import.meta.url)('kafkajs/package.json');
  const { version } = manifest;
  expect(checkVersion).not.toThrow();
  manifest.version = '2.3.0';
  expect(checkVersion).toThrow(
    'kafkajs is 2.3.0: the patches in src/kafka/kafkajs-patches are for exactly 2.2.4',
  );
  manifest.version = version;
});

test('a module that another module of KafkaJS has loaded can no longer be replaced', () => {
  internalModule('network/connection');
  expect(() => replaceModule('protocol/request', () => undefined)).toThrow(
    /before it was replaced/,
  );
});
