// All tests run in Node but the payer's object, which is also tested in workerd itself.
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { build } from './dev/build.mjs'
import { browserPath } from './test/world/chromium.ts'
import { BASE_VARS } from './test/world/site.ts'

build()

/** Where there is no browser, the tests that need one are left out with a notice; in CI that is a failure. */
const hasBrowser = browserPath() !== null
if (!hasBrowser) {
  if (process.env.CI === 'true') throw new Error('CI needs a browser: install Chromium, or set CHROMIUM=/path/to/it')
  console.warn('\n  No Chromium was found: the browser tests are left out. Install it, or set CHROMIUM=/path/to/it.\n')
}

/** What only workerd has, for what runs in Node. */
const IMITATED = { 'cloudflare:workers': new URL('./test/simulation/cloudflare-workers.ts', import.meta.url).pathname }

/** Against the built worker. */
const site = {
  globalSetup: ['test/world/build.ts'],
  isolate: false,
  testTimeout: 60_000,
  hookTimeout: 60_000,
}

/** Readers of one file share nothing but the newspaper: some of them read while others wait. */
const readers = (name: string, folder: string) => ({
  test: {
    ...site,
    name,
    include: hasBrowser ? [`${folder}/*.test.ts`] : [],
    sequence: { concurrent: true },
    maxConcurrency: 3,
  },
})

export default defineConfig({
  test: {
    reporters: ['default', './test/world/counts.ts'],
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/*.test.ts'],
          // What they import is read once by each worker; each puts back the clocks and functions it replaces.
          isolate: false,
          // Properties run thousands of cases; on a busy machine that takes longer than the five seconds of a unit.
          testTimeout: 60_000,
        },
      },
      {
        // The imitated platform and world; `cloudflare:workers` is imitated too.
        test: {
          name: 'simulation',
          include: ['test/simulation/**/*.test.ts'],
          alias: IMITATED,
          testTimeout: 120_000,
        },
      },
      {
        // One worker for all files: what they import is read once.
        test: { ...site, name: 'site', include: ['test/{conformance,attacks}/**/*.test.ts'] },
      },
      readers('browser', 'test/browser'),
      readers('long-browser', 'test/long/browser'),
      {
        // What takes minutes: `npm run test:long`. Its tests wait for real seconds, and do so at the same time.
        test: {
          ...site,
          name: 'long',
          include: ['test/long/*.test.ts'],
          alias: IMITATED,
          testTimeout: 150_000,
          maxConcurrency: 16,
        },
      },
      { test: { ...site, name: 'faults', include: ['test/faults/**/*.test.ts'] } },
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              bindings: {
                PAY_TO: BASE_VARS.PAY_TO,
                PASS_SECRET: BASE_VARS.PASS_SECRET,
                TEST_MIGRATIONS: await readD1Migrations('migrations'),
              },
            },
          }),
        ],
        test: { name: 'worker', include: ['test/worker/**/*.test.ts'], testTimeout: 60_000 },
      },
    ],
  },
})
