// What doctor says of a token that is paid by Permit2, by what a node answers.
import { afterEach, expect, test, vi } from 'vitest'
import * as z from 'zod'
import { permitFindings } from '../../cli/doctor/permits.ts'
import { type Config, parseConfig } from '../../src/config.ts'
import { EXACT_PROXY, PERMIT2 } from '../../src/networks/permit2.ts'

const TOKEN = `0x${'70'.repeat(20)}`
const NETWORK = 'eip155:137'

function configOf(): Config {
  const parsed = parseConfig({
    SITE_URL: 'https://news.example',
    PAY_TO: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359',
    NETWORKS: [NETWORK],
    FACILITATORS: ['https://facilitator.example'],
    RPC_URLS: { [NETWORK]: 'https://rpc.example/key' },
    ASSETS: { [NETWORK]: { address: TOKEN, transfer: 'permit2', decimals: 6, symbol: 'PLAIN', currency: 'EUR' } },
    ROUTES: [{ path: '/articles/*', price: '€0.05' }],
    PASS_SECRET: 'a secret for tests, long enough',
    PAYERS: {},
    LEDGER_DB: {},
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
  return parsed.value
}

const callSchema = z.object({ method: z.string(), params: z.array(z.unknown()) })
type Call = z.infer<typeof callSchema>

/** What doctor says where a node answers so; undefined is the good answer, null none at all. */
async function told(answer: (call: Call) => string | null | undefined): Promise<string[]> {
  const honest = ({ method }: Call) => (method === 'eth_chainId' ? '0x89' : `0x${'6'.padStart(64, '0')}`)
  const node: typeof fetch = async (_, init) => {
    const call = callSchema.parse(JSON.parse(String(init?.body)))
    const said = answer(call)
    return said === null
      ? new Response('', { status: 503 })
      : Response.json({ jsonrpc: '2.0', id: 1, result: said ?? honest(call) })
  }
  vi.spyOn(globalThis, 'fetch').mockImplementation(node)
  const findings = await permitFindings(configOf(), { fetch: node, nowMs: Date.now })
  return findings.map(({ level, path, message }) => `${level}: ${path}: ${message}`)
}

const codeless = (address: string) => (call: Call) =>
  call.method === 'eth_getCode' && call.params[0] === address ? '0x' : undefined
const inDecimals = (said: string | null) => (call: Call) => (call.method === 'eth_call' ? said : undefined)

afterEach(() => {
  vi.restoreAllMocks()
})

test('nothing, where all of it is there', async () => {
  expect(await told(() => undefined)).toEqual([])
})

test.each<[string, (call: Call) => string | null | undefined, string]>([
  ['no token', codeless(TOKEN), `error: ASSETS.${NETWORK}: there is no token at ${TOKEN} on `],
  ['no Permit2', codeless(PERMIT2), `error: ASSETS.${NETWORK}: Permit2 is not on `],
  ['no proxy', codeless(EXACT_PROXY), `error: ASSETS.${NETWORK}: x402's proxy for Permit2 is not on `],
  [
    '18 decimals',
    inDecimals(`0x${'12'.padStart(64, '0')}`),
    'has 18 decimals, and ASSETS says 6; correct it, or remove the token',
  ],
  [
    'no decimals',
    inDecimals('0x'),
    'does not say how many decimals it has, and ASSETS says 6; correct it, or remove the token',
  ],
  ['a node that shows no code', ({ method }) => (method === 'eth_getCode' ? null : undefined), 'not checked: ASSETS.'],
  ['a node that falls silent before the decimals', inDecimals(null), 'not checked: ASSETS.'],
])('%s', async (_, answer, said) => {
  expect(await told(answer)).toEqual([expect.stringContaining(said)])
})

test('of another chain nothing: that is said of the network', async () => {
  expect(await told(({ method }) => (method === 'eth_chainId' ? '0x1' : undefined))).toEqual([])
})
