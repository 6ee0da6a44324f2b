// What the code under test imports from `cloudflare:workers`, for Node. No behaviour: the platform is in `objects.ts`.

export class DurableObject<Env = unknown> {
  protected readonly ctx: unknown
  protected readonly env: Env

  constructor(ctx: unknown, env: Env) {
    this.ctx = ctx
    this.env = env
  }
}

/** What is passed by reference between a worker and an object. */
export class RpcTarget {}
