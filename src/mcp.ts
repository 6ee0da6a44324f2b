// `/_newsstand/mcp`: tools for programs. What is read is asked of the paywall, as by any request; nothing here takes money, opens
// content, or looks at a cookie.
import * as z from 'zod/mini'
import { bearerGrants } from './access.ts'
import { addressOf } from './limits.ts'
import { log, nameOf } from './log.ts'
import { type Body, read, type Tools, type Visit } from './mcp/read.ts'
import { INDEX_KEY, type Listing, readIndex, search } from './mcp/search.ts'
import { INSTRUCTIONS, searchArguments, toolCall, toolsOf } from './mcp/tools.ts'
import {
  answered,
  type Call,
  discovered,
  failed,
  INVALID_PARAMS,
  initialized,
  LONGEST_BODY,
  listed,
  METHOD_NOT_FOUND,
  readCall,
  refused,
  refusedBy,
  tell,
} from './mcp/wire.ts'
import { siteOf } from './request.ts'
import { type Answer, refuse, toTools } from './respond.ts'
import type { World } from './site.ts'

/** Where it is. */
export const MCP = '/_newsstand/mcp'

/** Answers one message. Its status is 200, whatever the tool says: a client that acts on 401 or 402 would act on the wrong thing. */
export async function answerTools(
  request: Request,
  world: World,
  isReserved: (path: string) => boolean,
  visit: Visit,
): Promise<Answer> {
  const { config } = world
  if (!config.machines.mcp) return refuse(request, config.brand, { code: 'not_found' })
  const site = siteOf(request, config)
  if (site === null) return refuse(request, config.brand, { code: 'misdirected_request' })
  if (request.method !== 'POST') {
    const said = { error: 'method_not_allowed', message: 'Tools are called with POST here; there are no sessions.' }
    return toTools(JSON.stringify(said), 405, { Allow: 'POST, OPTIONS' })
  }
  const text = await bodyOf(request)
  const { headers } = request
  const call = readCall(text ?? '', {
    version: headers.get('MCP-Protocol-Version'),
    method: headers.get('Mcp-Method'),
    name: headers.get('Mcp-Name'),
  })
  if (!call.ok) return toTools(failed(call.error), 200)
  if (call.value === null) return toTools(null, 202)
  const tools: Tools = { request, world, site, isReserved, visit }
  return toTools(await resultOf(tools, call.value), 200)
}

/** Null where there is none, or it is too long. */
async function bodyOf({ headers, body }: Request): Promise<string | null> {
  if (body === null || Number(headers.get('Content-Length') ?? 0) > LONGEST_BODY) return null
  const decoder = new TextDecoder()
  const reader = body.getReader()
  let text = ''
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    size += value.byteLength
    if (size > LONGEST_BODY) {
      await reader.cancel()
      return null
    }
    text += decoder.decode(value, { stream: true })
  }
}

async function resultOf(tools: Tools, call: Call): Promise<Body> {
  switch (call.method) {
    case 'initialize':
      return answered(call, initialized(call.params, INSTRUCTIONS))
    case 'server/discover':
      return answered(call, discovered(INSTRUCTIONS))
    case 'ping':
      return answered(call, {})
    case 'tools/list':
      return answered(call, listed(toolsOf(await hasIndex(tools.world)), call.isModern))
    case 'tools/call':
      return toolOf(tools, call)
    default:
      return failed({ id: call.id, code: METHOD_NOT_FOUND, message: 'This method is not known here.' })
  }
}

async function toolOf(tools: Tools, call: Call): Promise<Body> {
  const asked = z.safeParse(toolCall, call.params)
  const given = asked.success ? (asked.data.arguments ?? {}) : {}
  switch (asked.success ? asked.data.name : '') {
    case 'read':
      return read(tools, call, given)
    case 'purchases':
      return purchases(tools, call)
    case 'search':
      return searched(tools, call, given)
    default:
      return failed({ id: call.id, code: INVALID_PARAMS, message: 'There is no such tool here.' })
  }
}

async function purchases({ request, world, site }: Tools, call: Call): Promise<string> {
  const grants = await bearerGrants(request, world, site)
  const opened = grants.map(({ scope, method, endsAtSeconds }) => ({
    opens: scope.startsWith('=') ? site + (scope.slice(1).split('#')[0] ?? '') : scope.slice(1),
    method,
    until: new Date(endsAtSeconds * 1000).toISOString(),
  }))
  return tell(call, { isError: false }, { purchases: opened })
}

async function searched({ request, world, site }: Tools, call: Call, given: unknown): Promise<string> {
  const asked = z.safeParse(searchArguments, given)
  if (!asked.success) return refused(call, 'invalid_arguments', 'Give a query of at most 200 characters.')
  const { limits } = world.isolate
  if (!(await limits.mayLook(world.env.FAILED_PAYMENTS, addressOf(request))))
    return refusedBy(call, { code: 'too_many_requests' })
  const articles = await indexOf(world)
  if (articles === null) return refused(call, 'not_found', 'There is nothing to search here.')
  return tell(call, { isError: false }, { results: search(articles, asked.data.query, site) })
}

/** For so long an old list may be read, in seconds. */
const INDEX_KEPT_SECONDS = 300

/** Whether there is anything to search. It is not read for that. */
async function hasIndex({ env }: World): Promise<boolean> {
  try {
    const found = await env.CONTENT_KV.get(INDEX_KEY, { type: 'stream', cacheTtl: INDEX_KEPT_SECONDS })
    await found?.cancel()
    return found !== null
  } catch (fault) {
    log({ event: 'kv_unavailable', problem: nameOf(fault) })
    return false
  }
}

async function indexOf({ env }: World): Promise<Listing[] | null> {
  try {
    const text = await env.CONTENT_KV.get(INDEX_KEY, { type: 'text', cacheTtl: INDEX_KEPT_SECONDS })
    return text === null ? null : readIndex(text)
  } catch (fault) {
    log({ event: 'kv_unavailable', problem: nameOf(fault) })
    return null
  }
}
