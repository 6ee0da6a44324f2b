// A paywall to test against: the built worker in workerd with real KV, R2, D1 and Durable Objects, and its own settings.
import type { D1Database, KVNamespace, R2Bucket } from '@cloudflare/workers-types'
import { createTestHarness } from 'wrangler'

type Bindings = { CONTENT_KV: KVNamespace; CONTENT_R2: R2Bucket; LEDGER_DB: D1Database }

export type Vars = NonNullable<Parameters<typeof createTestHarness>[0]>['workers'][number] extends infer W
  ? W extends { vars?: infer V }
    ? NonNullable<V>
    : never
  : never

/** Settings that stand for a small shop; a test changes what it is about. */
export const BASE_VARS = {
  SITE_URL: 'https://news.example',
  PAY_TO: { eip155: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8' },
  NETWORKS: ['eip155:84532'],
  ROUTES: [{ path: '/articles/*', content: 'kv', price: '$0.05', access: '24h', description: 'An article' }],
} satisfies Vars

export type Site = Awaited<ReturnType<typeof startSite>>

/** Starts the built worker. `vars` lie over `BASE_VARS`; FACILITATORS and RPC_URLS have to be given. */
export async function startSite(vars: Vars) {
  const harness = createTestHarness({
    workers: [
      {
        configPath: 'wrangler.toml',
        prebuiltWorkerDir: '.wrangler/test-build',
        vars: { ...BASE_VARS, ...vars },
        secrets: { PASS_SECRET: 'a secret for tests, long enough' },
      },
    ],
  })
  const { url } = await harness.listen()
  const worker = harness.getWorker<Bindings>()
  await worker.applyD1Migrations('LEDGER_DB')
  const env = await worker.getEnv()
  return {
    /** Where the worker listens; requests to it are for whatever SITE_URL says. */
    url: url.href.replace(/\/$/, ''),
    /** Content and ledger, as the publisher sees them. */
    kv: env.CONTENT_KV,
    r2: env.CONTENT_R2,
    db: env.LEDGER_DB,
    worker,
    logs: () => harness.getLogs().map((entry) => entry.message),
    stop: () => harness.close(),
  }
}
