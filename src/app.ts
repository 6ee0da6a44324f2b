// HTTP: reserved addresses go to hono, everything else straight to the paywall; and the one place where a fault becomes
// an answer.
import { type Context, Hono } from 'hono'
import { getPath } from 'hono/utils/url'
import { isAdmin, withoutToken } from './admin.ts'
import { ELSEWHERE } from './browser/elsewhere.gen.ts'
import { SOLANA } from './browser/solana.gen.ts'
import { answerLook, LOOK } from './checkout.ts'
import type { Refusal } from './errors.ts'
import { answerCode, answerOpened, answerTaking, answerYes, CODE_PATH, CODES } from './hand-over.ts'
import { answerHealth } from './health.ts'
import { lineOf, serverTiming, write } from './journal.ts'
import { log, nameAndPlaceOf } from './log.ts'
import type { Visit } from './mcp/read.ts'
import { answerTools, MCP } from './mcp.ts'
import { RECEIPTS } from './pages/bar.tsx'
import { NO_BRAND } from './pages/page.tsx'
import { SIGN_OUT } from './pages/receipts.tsx'
import { paywall } from './paywall.ts'
import { visitorClass } from './policy/visitors.ts'
import { answerDid, answerReceipt, answerReceipts, signInToReceipts, signOutOfReceipts } from './receipt.ts'
import { isPaying } from './request.ts'
import { type Answer, dressed, keptScript, preflight, refuse, withTiming } from './respond.ts'
import { nowSeconds, type World, worldOf } from './site.ts'
import { readListings } from './supported.ts'
import { DID_PATH } from './x402/did.ts'
import { SIGN_IN_WITH_X } from './x402/extensions/sign-in-with-x.ts'

/** Paths this worker keeps for itself. */
const RESERVED = ['/_newsstand', '/.well-known/x402', DID_PATH]

const isReserved = (path: string): boolean => RESERVED.includes(path) || path.startsWith('/_newsstand/')

/** Answers one request. */
export async function answer(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
  try {
    return isReserved(getPath(request))
      ? await reserved.fetch(request, env, context)
      : await visited(request, env, context)
  } catch (fault) {
    return dressed(await broken(request, fault))
  }
}

/** Asks for content, and tells what came of it: in the log, and to who runs the site. */
async function visited(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
  const found = worldOf(env, context)
  if (!found.ok) return dressed(await plainly(request, found.error))
  const world = found.value
  const isTimed = await isAdmin(request, env)
  const asked = isTimed ? withoutToken(request) : request
  const { response } = await asking(asked, world)
  return isTimed ? withTiming(response, serverTiming(world.entry, Date.now())) : response
}

/** One request to the paywall, from outside or for a tool. */
async function asking(request: Request, world: World): ReturnType<Visit> {
  const given = await paywall(request, world).catch((fault: unknown) => broken(request, fault))
  const response = dressed(given)
  tell(request, world, given)
  return { response, refusal: given.kind === 'ours' ? (given.refusal ?? null) : null }
}

/** Writes the line of one request. */
function tell(request: Request, { env, config, entry }: World, given: Answer): void {
  const { method, headers } = request
  const isBuying = isPaying(request) || headers.has(SIGN_IN_WITH_X)
  const ended = {
    method,
    class: visitorClass((name) => headers.get(name), isBuying),
    kind: given.kind,
    status: given.response.status,
    refusal: given.kind === 'ours' ? (given.refusal ?? null) : null,
  }
  const line = lineOf(entry, ended, config.passSecret, Date.now())
  if (line) write(env, line, isPaying(request), config.logSample)
}

/** The answer to a request that a fault has ended. */
function broken(request: Request, fault: unknown): Promise<Answer> {
  log({ event: 'fault', problem: nameAndPlaceOf(fault) })
  return plainly(request, { code: 'internal_error' })
}

/** What is done every few minutes, whoever visits. */
export async function tend(_event: ScheduledController, env: Env, context: ExecutionContext): Promise<void> {
  const world = worldOf(env, context)
  if (world.ok) await readListings(world.value, nowSeconds())
}

/** With a configuration that cannot be read nothing is served and nothing is sold. */
async function configured(
  request: Request,
  env: Env,
  context: Pick<ExecutionContext, 'waitUntil'>,
  answerIn: (request: Request, world: World) => Promise<Answer>,
): Promise<Answer> {
  const found = worldOf(env, context)
  return found.ok ? answerIn(request, found.value) : plainly(request, found.error)
}

/** A refusal without the publisher's brand. */
const plainly = (request: Request, refusal: Refusal): Promise<Answer> => refuse(request, NO_BRAND, refusal)

type Reserved = Context<{ Bindings: Env }>

const reservedBy =
  (answerIn: (request: Request, world: World, c: Reserved) => Promise<Answer>) =>
  async (c: Reserved): Promise<Response> =>
    dressed(await configured(c.req.raw, c.env, c.executionCtx, (request, world) => answerIn(request, world, c)))

/** What answers at an address with a name in it. */
const named =
  (name: string, answerIn: (request: Request, world: World, value: string) => Promise<Answer>) =>
  (request: Request, world: World, c: Reserved): Promise<Answer> =>
    answerIn(request, world, c.req.param(name) ?? '')

const reserved = new Hono<{ Bindings: Env }>()
  .onError((fault) => {
    throw fault
  })
  .get(DID_PATH, reservedBy(answerDid))
  .get('/_newsstand/health', async (c) => dressed(await answerHealth(c.req.raw, c.env, c.executionCtx)))
  .get(SOLANA.path, (c) => dressed(keptScript(c.req.raw, SOLANA.text)))
  .get(ELSEWHERE.path, (c) => dressed(keptScript(c.req.raw, ELSEWHERE.text)))
  .get(LOOK, reservedBy(answerLook))
  .get(CODES, reservedBy(answerCode))
  .get(CODE_PATH, reservedBy(named('code', answerOpened)))
  .post(CODE_PATH, reservedBy(named('code', answerYes)))
  .post(`${CODE_PATH}/screen`, reservedBy(named('code', answerTaking)))
  .get(RECEIPTS, reservedBy(answerReceipts))
  .post(RECEIPTS, reservedBy(signInToReceipts))
  .post(SIGN_OUT, reservedBy(signOutOfReceipts))
  .get(
    `${RECEIPTS}/:transaction`,
    reservedBy((request, world, c) => answerReceipt(request, world, c.req.param('transaction') ?? '')),
  )
  .on(['GET', 'POST', 'DELETE'], MCP, async (c) => {
    const { env, executionCtx } = c
    const visit: Visit = (request) => {
      // Its own line in the log, and its own times.
      const found = worldOf(env, executionCtx)
      if (!found.ok) throw new Error('the settings were read a moment ago')
      return asking(request, found.value)
    }
    return reservedBy((request, world) => answerTools(request, world, isReserved, visit))(c)
  })
  .options('*', (c) => dressed(preflight(c.req.raw)))
  .all('*', async (c) => dressed(await plainly(c.req.raw, { code: 'not_found' })))
