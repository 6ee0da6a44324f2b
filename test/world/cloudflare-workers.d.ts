// `cloudflare:workers` as the worker's files see it, for the check of tests in Node.
declare module 'cloudflare:workers' {
  import type { DurableObjectState, Rpc } from '@cloudflare/workers-types'

  export abstract class DurableObject<Bindings = unknown> implements Rpc.DurableObjectBranded {
    [Rpc.__DURABLE_OBJECT_BRAND]: never
    protected ctx: DurableObjectState
    protected env: Bindings
    constructor(ctx: DurableObjectState, env: Bindings)
    alarm?(): void | Promise<void>
  }
}
