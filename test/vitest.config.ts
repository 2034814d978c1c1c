/**
 * Five suites: unit (no network, parallel), integration (one real cluster), failure (processes
 * killed; every event arrives once), deploy (the chart, the alerts), stack (the image, in compose).
 */

import { defineConfig } from 'vitest/config';

const onCluster = {
  globalSetup: ['test/support/global-setup.ts'],
  fileParallelism: false,
  testTimeout: 120_000,
  hookTimeout: 180_000,
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // Many of these tests wait for timers and sockets: more workers than cores are faster.
          maxWorkers: 4,
          testTimeout: 120_000,
        },
      },
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
