// The platform's names, for tests in Node that import files of the worker; the worker's own check has the real globals.
import type * as platform from '@cloudflare/workers-types'
import type { Payer } from '../../src/payer/payer.ts'

declare global {
  type D1Database = platform.D1Database
  type DurableObjectState = platform.DurableObjectState
  type DurableObjectStorage = platform.DurableObjectStorage
  type DurableObjectNamespace<Class extends platform.Rpc.DurableObjectBranded | undefined = undefined> =
    platform.DurableObjectNamespace<Class>
  type KVNamespace = platform.KVNamespace
  type R2Bucket = platform.R2Bucket
  type RateLimit = platform.RateLimit
  type AnalyticsEngineDataset = platform.AnalyticsEngineDataset
  type Fetcher = platform.Fetcher
  type ExecutionContext = platform.ExecutionContext
  interface Request {
    cf?: platform.CfProperties
  }
  interface ResponseInit {
    encodeBody?: 'automatic' | 'manual'
  }
  /** What the payer's room and the way to it use of the worker's bindings. */
  interface Env {
    LEDGER_DB: D1Database
    FAILED_PAYMENTS: RateLimit
    ANALYTICS?: AnalyticsEngineDataset
    ADMIN_TOKEN?: string
    PAYERS: DurableObjectNamespace<Payer>
    /** Not there where no route needs it. */
    CONTENT_KV?: KVNamespace
  }
}
