/**
 * Five suites: unit (no network, parallel; two projects), integration (one real cluster), failure
 * (processes killed; every event arrives once), deploy (the chart, the alerts), stack (the image,
 * in compose).
 */

import { defineConfig } from 'vitest/config';

const onCluster = {
  globalSetup: ['test/support/global-setup.ts'],
  fileParallelism: false,
  testTimeout: 120_000,
  hookTimeout: 180_000,
};

const unit = {
  include: ['test/unit/**/*.test.ts'],
  // Many of these tests wait for timers and sockets: more workers than cores are faster.
  maxWorkers: 4,
  testTimeout: 120_000,
};

/** Unit tests that change what a process shares: timers, the modules of KafkaJS, node:cluster. */
const isolated = [
  'test/unit/kafka/**/*.test.ts',
  'test/unit/workers/**/*.test.ts',
  'test/unit/bridge/fast-path/connection.test.ts',
  'test/unit/inspect/redrive.test.ts',
  'test/unit/docs/kafkajs-patches.test.ts',
];

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', ...unit, exclude: [...isolated], isolate: false } },
      { test: { name: 'unit-isolated', ...unit, include: [...isolated] } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          ...onCluster,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'failure',
          include: ['test/failure/**/*.test.ts'],
          ...onCluster,
          testTimeout: 300_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'deploy',
          include: ['test/deploy/**/*.test.ts'],
          ...onCluster,
          hookTimeout: 600_000,
          testTimeout: 600_000,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: 'stack',
          include: ['test/stack/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 180_000,
        },
      },
    ],
    coverage: {
      include: ['src/**'],
    },
  },
});
