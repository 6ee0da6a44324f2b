// Nodes that show the balances of a transaction in part, and wallets that sign with more than one key.
import { createServer } from 'node:http'
import { getBase58Decoder } from '@solana/kit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import type { FacilitatorHook, HookReply } from '../../dev/stack/facilitator.ts'
import { assemble, type Instruction, readTransaction } from '../../dev/stack/solana/message.ts'
import { MEMO_PROGRAM } from '../../dev/stack/solana/shapes.ts'
import { type SolanaWallet, solanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK, SOLANA_USDC, VAULT_PROGRAM } from '../../dev/stack/solana.ts'
import type { Version } from '../world/payer.ts'
import { NETWORK, NOTHING, PRICE } from '../world/shop.ts'
import { landSilently } from '../world/solana-on-chain.ts'
import { paySolana, type SolanaChange, signSolana, transferChecked, wrapSolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'
import { openVault, type Vault } from '../world/solana-vault.ts'

const PAGE = '/articles/hello'
const OTHER = '/articles/other'
const CONTENT = 'the whole article'
const { publisher, feePayers } = solanaWallets
const sent = z.looseObject({
  paymentPayload: z.looseObject({ payload: z.looseObject({ transaction: z.base64() }) }),
})
const supported = z.looseObject({ kinds: z.array(z.looseObject({ extra: z.looseObject({}).optional() })) })

let shop: SolanaShop
let vault: Vault
type Lie = (transaction: Uint8Array) => HookReply | 'drop'
const lies = new Map<string, Lie>()
const isDenied = false

const hook: FacilitatorHook = async ({ path, body }, proceed) => {
  if (path === '/supported' && isDenied) {
    const { body: truth } = await proceed()
    const read = supported.parse(typeof truth === 'string' ? JSON.parse(truth) : truth)
    const kinds = read.kinds.map(({ extra = {}, ...kind }) => {
      const { features: _, ...others } = extra
      return { ...kind, extra: others }
    })
    return { status: 200, body: { ...read, kinds } }
  }
  const settled = path === '/settle' ? sent.safeParse(body).data : undefined
  if (!settled) return proceed()
  const transaction = new Uint8Array(Buffer.from(settled.paymentPayload.payload.transaction, 'base64'))
  const lie = lies.get(readTransaction(transaction).keys[1] ?? '')
  return lie ? lie(transaction) : proceed()
}

beforeAll(async () => {
  shop = await openSolanaShop({}, { solana: { vault: true, simulates: true }, hook })
  vault = await openVault(shop.solana)
  for (const path of [PAGE, OTHER]) await shop.site.kv.put(path, CONTENT)
  await shop.solana.fund(vault.address, 1_000_000_000n)
})
afterAll(() => shop.close())

const nameOf = (transaction: Uint8Array): string => {
  const read = readTransaction(transaction)
  const payer = feePayers.find(({ address: own }) => own === read.keys[0])
  return getBase58Decoder().decode(payer?.sign(read.messageBytes) ?? new Uint8Array(64))
}
const land = (transaction: Uint8Array): void => {
  const problem = landSilently(shop.solana, transaction)
  if (problem !== null) throw new Error(`it did not land: ${JSON.stringify(problem)}`)
}
const success = (transaction: Uint8Array): HookReply => ({
  status: 200,
  body: { success: true, transaction: nameOf(transaction), network: SOLANA_NETWORK, payer: vault.address },
})
const failure = (errorReason: string, transaction = ''): HookReply => ({
  status: 200,
  body: { success: false, errorReason, transaction, network: SOLANA_NETWORK, payer: vault.address },
})
const praise: Lie = (transaction) => {
  land(transaction)
  return success(transaction)
}
const newReader = () => shop.readerOnSolana(0n)
const toPublisher = (amount = PRICE) => vault.move(publisher.address, amount)

async function header(
  version: Version,
  reader: SolanaWallet,
  make: () => Promise<readonly Instruction[]> | null = () => null,
  change: SolanaChange = {},
  path = PAGE,
): Promise<Record<string, string>> {
  const challenge = await shop.challengeOnSolana(path)
  const moves = await make()
  const paid = moves ? vault.paying(reader, moves, change) : await vault.honest(challenge, reader, change)
  return paySolana(version, shop.solana, challenge, reader, paid)
}
const ask = (headers: Record<string, string>, path = PAGE) => shop.ask(path, { headers })

/** A node that changes what it shows of a transaction. */
async function nodeThat(change: (meta: Record<string, unknown>) => void) {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const body = Buffer.concat(parts).toString()
    const reply = await fetch(shop.solana.rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    const json = await reply.json()
    for (const one of Array.isArray(json) ? json : [json]) if (one?.result?.meta) change(one.result.meta)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(json))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const at = server.address()
  const url = `http://127.0.0.1:${typeof at === 'object' && at ? at.port : 0}`
  await shop.site.restart({ RPC_URLS: { [NETWORK]: shop.stack.chain.rpcUrl, [SOLANA_NETWORK]: url } })
  return () => new Promise((resolve) => server.close(resolve))
}

test('a node that lists no balances proves nothing against what was paid', async () => {
  const stop = await nodeThat((meta) => Object.assign(meta, { preTokenBalances: [], postTokenBalances: [] }))
  const reader = await newReader()
  const headers = await header('v2', reader)
  lies.set(reader.address, praise)
  const answer = await ask(headers)
  await stop()
  expect([answer.status, answer.error]).toEqual([503, 'settlement_pending'])
}, 60_000)

test('a node that lists the balances after, and none before, proves nothing for what was not paid', async () => {
  await shop.solana.fund(publisher.address, 1_000_000n)
  const stop = await nodeThat((meta) => Object.assign(meta, { preTokenBalances: [] }))
  const reader = await newReader()
  const headers = await header('v2', reader, async () => [await toPublisher(1n)])
  lies.set(reader.address, praise)
  const answer = await ask(headers)
  await stop()
  await shop.site.restart({ RPC_URLS: { [NETWORK]: shop.stack.chain.rpcUrl, [SOLANA_NETWORK]: shop.solana.rpcUrl } })
  expect(answer.text).not.toContain(CONTENT)
}, 60_000)

test('who signs beside a key made for one transaction is not charged twice', async () => {
  const reader = await newReader()
  const pay = async (fresh: SolanaWallet) => {
    const paid = vault.paying(reader, [await toPublisher()], { signers: [reader, fresh] })
    const beside = (one: Instruction): Instruction =>
      one.program === MEMO_PROGRAM
        ? { ...one, accounts: [...(one.accounts ?? []), { address: fresh.address, isSigner: true, isWritable: true }] }
        : one
    const instructions = (honest: Instruction[]) => (paid.instructions?.(honest) ?? []).map(beside)
    const challenge = await shop.challengeOnSolana(PAGE)
    return paySolana('v2', shop.solana, challenge, reader, { ...paid, instructions })
  }
  lies.set(solanaWallet('made for one 1').address, praise)
  lies.set(solanaWallet('made for one 2').address, praise)
  const first = await ask(await pay(solanaWallet('made for one 1')))
  expect([first.status, first.text]).toEqual([200, CONTENT])
  const { result, cost } = await shop.costOnSolana(async () => ask(await pay(solanaWallet('made for one 2'))))
  expect([result.status, cost]).toEqual([200, NOTHING])
}, 60_000)
