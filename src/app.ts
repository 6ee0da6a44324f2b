// HTTP: what is reserved, what goes to the paywall, and the one place where a fault becomes an answer.
import { type Context, Hono } from 'hono'
import type { Config, ConfigProblem } from './config.ts'
import type { Refusal, Result } from './errors.ts'
import { RECEIPTS } from './pages/bar.tsx'
import { NO_BRAND } from './pages/page.tsx'
import { paywall, type Services } from './paywall.ts'
import { answerDid, answerReceipt, answerReceipts, type Records } from './receipt.ts'
import { openToScripts, preflight, refuse } from './respond.ts'
import { DID_PATH } from './x402/did.ts'

/** What `index` hands in: the configuration as far as it is one, and the world. */
export type World = {
  config: (env: Env) => Result<Config, ConfigProblem[]>
  services: (env: Env, config: Config, waitUntil: (work: Promise<unknown>) => void) => Promise<Services>
  records: (env: Env, config: Config) => Promise<Records>
}

/** Paths this worker keeps for itself. */
const RESERVED = ['/_newsstand', '/_newsstand/*', '/.well-known/x402', DID_PATH]

type Site = { Bindings: Env }

export function createApp(world: World) {
  const app = new Hono<Site>()

  const configured = (answerWith: (c: Context<Site>, config: Config) => Promise<Response>) => (c: Context<Site>) => {
    const config = world.config(c.env)
    if (config.ok) return answerWith(c, config.value)
    for (const problem of config.error) console.error(`configuration_error ${problem.path}: ${problem.message}`)
    return answer(c.req.raw, { code: 'configuration_error' })
  }

  app.get(
    DID_PATH,
    configured(async (c, config) =>
      openToScripts(await answerDid(c.req.raw, config, await world.records(c.env, config))),
    ),
  )
  app.get(
    RECEIPTS,
    configured(async (c, config) => {
      const records = await world.records(c.env, config)
      return openToScripts(await answerReceipts(c.req.raw, config, records))
    }),
  )
  app.get(
    `${RECEIPTS}/:transaction`,
    configured(async (c, config) => {
      const records = await world.records(c.env, config)
      return openToScripts(await answerReceipt(c.req.raw, config, records, c.req.param('transaction') ?? ''))
    }),
  )

  for (const path of RESERVED) {
    app.options(path, (c) => openToScripts(preflight(c.req.raw)))
    app.all(path, (c) => answer(c.req.raw, { code: 'not_found' }))
  }

  app.all(
    '*',
    configured(async (c, config) => {
      const services = await world.services(c.env, config, (work) => c.executionCtx.waitUntil(work))
      return paywall(c.req.raw, config, services)
    }),
  )

  app.onError((fault, c) => {
    console.error(JSON.stringify({ event: 'fault', name: fault.name, problem: fault.message }))
    return answer(c.req.raw, { code: 'internal_error' })
  })

  return app
}

const answer = async (request: Request, refused: Refusal): Promise<Response> =>
  openToScripts(await refuse(request, NO_BRAND, refused))
