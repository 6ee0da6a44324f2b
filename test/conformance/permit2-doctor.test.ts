// Doctor before a shop that sells in a token without EIP-3009: whether the token, Permit2 and the proxy are there.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Listening } from '../../dev/stack/ports.ts'
import { EXACT_PROXY, PERMIT2 } from '../../src/networks/permit2.ts'
import { said, startFront, visit } from '../world/doctor.ts'
import { ASSETS, openPermitShop, type PermitShop, POLYGON } from '../world/permit2-shop.ts'

const [token] = ASSETS[POLYGON]
if (!token) throw new Error('the shop has no token')
const [at, nothing] = [`error: ASSETS.${POLYGON}: `, `so nothing can be paid in ${token.symbol}; remove the token`]

let shop: PermitShop
let front: Listening | null = null

beforeAll(async () => {
  shop = await openPermitShop()
})
afterEach(async () => {
  await front?.stop()
  front = null
})
afterAll(() => shop.close())

/** What doctor says of the token, behind a node that answers some calls itself. */
async function ofToken(
  twist: Parameters<typeof startFront>[1] = () => null,
  over: Record<string, string> = {},
): Promise<string[]> {
  front = await startFront(shop.stack.chain.rpcUrl, twist)
  const report = await visit({
    vars: {
      PAY_TO: { eip155: shop.payTo },
      NETWORKS: [POLYGON],
      RPC_URLS: { [POLYGON]: front.url },
      FACILITATORS: [shop.stack.facilitator.url],
      ASSETS: { [POLYGON]: [{ ...token, ...over }] },
      ROUTES: [{ path: '/articles/*', content: 'kv', price: '€0.05' }],
    },
  })
  return said(report).filter((line) => line.includes('ASSETS'))
}

/** No code at an address. */
const without =
  (address: string) =>
  (method: string, [asked]: readonly unknown[]) =>
    method === 'eth_getCode' && String(asked).toLowerCase() === address ? { result: '0x' } : null
const decimals =
  (result: string) =>
  (method: string, [call]: readonly unknown[]) =>
    method === 'eth_call' && JSON.stringify(call).includes('0x313ce567') ? { result } : null

test('where all is there, nothing is said of it', async () => {
  expect(await ofToken()).toEqual([])
})

test.each<[string, Parameters<typeof startFront>[1], string]>([
  ['no Permit2', without(PERMIT2), `${at}Permit2 is not on Polygon, ${nothing}`],
  ['no proxy', without(EXACT_PROXY), `${at}x402's proxy for Permit2 is not on Polygon, ${nothing}`],
  [
    'a token with 18 decimals',
    decimals(`0x${'12'.padStart(64, '0')}`),
    `${at}${token.symbol} on Polygon has 18 decimals, and ASSETS says 6; correct it, or remove the token`,
  ],
  [
    'a token that says nothing of decimals',
    decimals('0x'),
    `${at}${token.symbol} on Polygon does not say how many decimals it has, and ASSETS says 6; correct it, or remove the token`,
  ],
])('%s: what is wrong, and what to do', async (_, twist, sentence) => {
  expect(await ofToken(twist)).toEqual([sentence])
})

test('no token where the settings say', async () => {
  const address = '0x00000000000000000000000000000000000000aa'
  expect(await ofToken(undefined, { address })).toEqual([
    `${at}there is no token at ${address} on Polygon; write the contract of ${token.symbol} there`,
  ])
})

test('a node that does not answer is no verdict', async () => {
  const [line = ''] = await ofToken((method) =>
    method === 'eth_getCode' ? { error: { code: -32005, message: 'no' } } : null,
  )
  expect(line).toMatch(new RegExp(`^not checked: ASSETS.${POLYGON}: 127.0.0.1:\\d+ does not say what is on Polygon`))
})
