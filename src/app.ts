// HTTP: what is reserved, what goes to the paywall, and the one place where a fault becomes an answer.
import { Hono } from 'hono'
import type { Config, ConfigProblem } from './config.ts'
import type { Refusal, Result } from './errors.ts'
import { NO_BRAND } from './pages/page.tsx'
import { paywall, type Services } from './paywall.ts'
import { openToScripts, preflight, refuse } from './respond.ts'

/** What `index` hands in: the configuration as far as it is one, and the world. */
export type World = {
  config: (env: Env) => Result<Config, ConfigProblem[]>
  services: (env: Env, config: Config, waitUntil: (work: Promise<unknown>) => void) => Promise<Services>
}

/** Paths this worker keeps for itself. */
const RESERVED = ['/_newsstand', '/_newsstand/*', '/.well-known/x402', '/.well-known/did.json']

export function createApp(world: World) {
  const app = new Hono<{ Bindings: Env }>()

  for (const path of RESERVED) {
    app.options(path, (c) => openToScripts(preflight(c.req.raw)))
    app.all(path, (c) => answer(c.req.raw, { code: 'not_found' }))
  }

  app.all('*', async (c) => {
    const config = world.config(c.env)
    if (!config.ok) {
      for (const problem of config.error) console.error(`configuration_error ${problem.path}: ${problem.message}`)
      return answer(c.req.raw, { code: 'configuration_error' })
    }
    const services = await world.services(c.env, config.value, (work) => c.executionCtx.waitUntil(work))
    return paywall(c.req.raw, config.value, services)
  })

  app.onError((fault, c) => {
    console.error(JSON.stringify({ event: 'fault', name: fault.name, problem: fault.message }))
    return answer(c.req.raw, { code: 'internal_error' })
  })

  return app
}

const answer = async (request: Request, refused: Refusal): Promise<Response> =>
  openToScripts(await refuse(request, NO_BRAND, refused))
