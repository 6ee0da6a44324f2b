// Pure units, end-to-end tests and faults run in Node (viem is slow inside the pool), the payer's object in workerd.
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { browserPath } from './test/world/chromium.ts'

/** The tests that need a browser; where there is none, a notice in their place, and in CI a failure. */
function browserTests(): string[] {
  if (browserPath() !== null) return ['test/browser/**/*.test.ts']
  if (process.env.CI === 'true') throw new Error('CI needs a browser: install Chromium, or set CHROMIUM=/path/to/it')
  console.warn('\n  No Chromium was found: the browser tests are left out. Install it, or set CHROMIUM=/path/to/it.\n')
  return []
}

export default defineConfig({
  test: {
    reporters: ['default', './test/world/counts.ts'],
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/*.test.ts'],
          // Properties run thousands of cases; on a busy machine that takes longer than the five seconds of a unit.
          testTimeout: 60_000,
        },
      },
      {
        // The imitated platform and world; `cloudflare:workers` is imitated too.
        test: {
          name: 'simulation',
          include: ['test/simulation/**/*.test.ts'],
          alias: { 'cloudflare:workers': new URL('./test/simulation/cloudflare-workers.ts', import.meta.url).pathname },
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'site',
          include: ['test/{conformance,e2e,attacks}/**/*.test.ts'],
          globalSetup: ['test/world/build.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'browser',
          include: browserTests(),
          globalSetup: ['test/world/build.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        // Minutes of faults: `npm run faults`, not part of `npm test`.
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          globalSetup: ['test/world/build.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              bindings: {
                PASS_SECRET: 'a secret for tests, long enough',
                TEST_MIGRATIONS: await readD1Migrations('migrations'),
              },
            },
          }),
        ],
        test: { name: 'worker', include: ['test/worker/**/*.test.ts'] },
      },
    ],
  },
})
