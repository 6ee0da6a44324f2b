// `GET /_newsstand/health`. Strangers hear whether the site can sell, from this isolate's memory alone: asking costs nobody a
// call. The publisher hears what it depends on.
import { isAdmin } from './admin.ts'
import type { Budget, Rpc } from './chain.ts'
import { allUnresolved } from './ledger.ts'
import { newestTimeOnSolana } from './payer/solana.ts'
import { type Answer, report } from './respond.ts'
import { nowSeconds, rpcOf, sellingIn, type World, worldOf } from './site.ts'
import { listingsAgeSeconds } from './supported.ts'
import { VERSION } from './version.ts'
import { namespaceOf } from './x402/assets.ts'

const BINDINGS = ['PAYERS', 'LEDGER_DB', 'CONTENT_KV', 'CONTENT_R2', 'FAILED_PAYMENTS', 'ORIGIN'] as const
/** Which chain it is, and its head; on Solana the head's time besides. */
const MOST_CALLS = 3

/** 200 or 503, `{ ok }`; with `ADMIN_TOKEN`, why. */
export async function answerHealth(
  request: Request,
  env: Env,
  context: Pick<ExecutionContext, 'waitUntil'>,
): Promise<Answer> {
  const found = worldOf(env, context)
  const world = found.ok ? found.value : null
  const ok = world !== null && (await isOpen(world))
  const status = ok ? 200 : 503
  if (!(await isAdmin(request, env))) return report({ ok }, status)
  const bindings = Object.fromEntries(BINDINGS.map((name) => [name, env[name] !== undefined]))
  const known = { ok, version: VERSION, bindings }
  return report(
    world === null ? { ...known, problem: 'configuration_error' } : { ...known, ...(await detailsOf(world)) },
    status,
  )
}

/** Whether something can be sold, as far as is known here. A pause is the publisher's wish, and no fault. */
async function isOpen(world: World): Promise<boolean> {
  const { config, isolate } = world
  const [first] = isolate.breaker.order(config.facilitators, Date.now())
  const isSettled = first !== undefined && !isolate.breaker.isOpen(first, Date.now())
  return isSettled && (await sellingIn(world)).ok
}

async function detailsOf(world: World) {
  const { config, isolate, env } = world
  const { breaker } = isolate
  const awake = breaker.order(config.facilitators, Date.now())
  const unresolved = await allUnresolved(env.LEDGER_DB)
  return {
    isPaused: config.isPaused,
    canSell: (await sellingIn(world)).ok,
    facilitators: config.facilitators.map((facilitator) => ({
      host: new URL(facilitator.url).host,
      isFailing: breaker.isOpen(facilitator, Date.now()),
      isResting: !awake.includes(facilitator),
      answeredAt: isoOf(breaker.answeredAtMs(facilitator)),
    })),
    supportedAgeSeconds: await listingsAgeSeconds(world, nowSeconds()),
    rpcs: await Promise.all(config.networks.map(({ network }) => lagOf(world, network))),
    ledger: unresolved.ok ? 'ok' : 'unavailable',
    unresolved: unresolved.ok ? unresolved.value : null,
  }
}

/** How far an endpoint is behind the clock; null where it does not answer. */
async function lagOf({ isolate, config }: World, network: string) {
  const rpc = rpcOf(isolate, config, network)
  const newest = rpc && (await newestTimeOf(rpc, { left: MOST_CALLS }))
  return {
    network,
    host: rpc && new URL(rpc.url).host,
    lagSeconds: newest === null ? null : Math.max(0, nowSeconds() - newest),
  }
}

/** Unix seconds of the newest block. */
const newestTimeOf = async (rpc: Rpc, budget: Budget): Promise<number | null> =>
  namespaceOf(rpc.network) === 'solana' ? newestTimeOnSolana(rpc, budget) : ((await rpc.head(budget))?.time ?? null)

const isoOf = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())
