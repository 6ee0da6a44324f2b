// Attacks on payments that a program makes on Solana, from outside.
import { address, getBase58Decoder } from '@solana/kit'
import { AccountState, getTokenEncoder } from '@solana-program/token'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import type { FacilitatorHook, HookReply } from '../../dev/stack/facilitator.ts'
import { assemble, type Instruction, readTransaction } from '../../dev/stack/solana/message.ts'
import { TOKEN_PROGRAM } from '../../dev/stack/solana/shapes.ts'
import { type SolanaWallet, solanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK, SOLANA_USDC } from '../../dev/stack/solana.ts'
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
let isDenied = false

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

/** Another account of the publisher's, of which the vault may take. */
async function secondAccountOf(owner: string, amount: bigint): Promise<string> {
  const second = solanaWallet(`second account of ${owner}`).address
  const usual = await shop.solana.tokenAccount(owner)
  let lamports = 0n
  shop.solana.ledger.amend(usual, (account) => {
    if (!account) throw new Error('no account')
    lamports = account.lamports
    return account
  })
  const data = getTokenEncoder().encode({
    mint: address(SOLANA_USDC),
    owner: address(owner),
    amount,
    delegate: address(vault.address),
    state: AccountState.Initialized,
    isNative: null,
    delegatedAmount: amount,
    closeAuthority: null,
  })
  shop.solana.ledger.amend(second, () => ({
    lamports,
    owner: TOKEN_PROGRAM,
    executable: false,
    data: Uint8Array.from(data),
  }))
  return second
}

describe('money that is no payment', () => {
  test('the publisher’s own money, moved from her second account to her first, buys nothing', async () => {
    const reader = await newReader()
    const second = await secondAccountOf(publisher.address, 1_000_000n)
    const call = await toPublisher()
    const moved = {
      ...call,
      accounts: (call.accounts ?? []).map((meta, place) => (place === 1 ? { ...meta, address: second } : meta)),
    }
    const answer = await ask(await header('v2', reader, async () => [moved]))
    expect(answer.text).not.toContain(CONTENT)
  }, 40_000)

  test('a plain transfer beside a call, in either place', async () => {
    const reader = await shop.readerOnSolana(1_000_000n)
    const plain = transferChecked(
      {
        source: await shop.solana.tokenAccount(reader.address),
        mint: SOLANA_USDC,
        destination: await shop.solana.tokenAccount(publisher.address),
        authority: reader.address,
      },
      PRICE,
    )
    for (const make of [async () => [plain, await toPublisher()], async () => [await toPublisher(), plain]]) {
      const { result, cost } = await shop.costOnSolana(async () => ask(await header('v2', reader, make)))
      expect(result.status).toBeGreaterThanOrEqual(400)
      expect(result.text).not.toContain(CONTENT)
      expect(cost).toEqual(NOTHING)
    }
  })

  test('precompiles that cost the fee payer a fee for each signature are not sent', async () => {
    const reader = await newReader()
    // No signature at all: what costs is their number.
    const data = new Uint8Array(2)
    const precompile: Instruction = { program: 'Ed25519SigVerify111111111111111111111111111', data }
    const { result, cost } = await shop.costOnSolana(async () =>
      ask(await header('v2', reader, async () => [await toPublisher(), precompile])),
    )
    expect(result.text).not.toContain(CONTENT)
    expect(cost).toEqual(NOTHING)
  })
})

describe('what has landed is served, whatever is said of it', () => {
  const LIES: [string, Lie][] = [
    ...[
      'invalid_exact_svm_smart_wallet_simulation_failed',
      'invalid_exact_svm_smart_wallet_no_transfer_in_simulation',
      'invalid_exact_svm_transaction_simulation_failed',
      'transaction_simulation_failed',
      'post_settlement_transfer_not_confirmed',
      'invalid_exact_svm_transaction_failed',
      'transaction_failed',
      'duplicate_settlement',
      'settlement_pending',
      'invalid_exact_svm_verification_failed',
      'unexpected_settle_error',
    ].flatMap((reason): [string, Lie][] => [
      [reason, () => failure(reason)],
      [`${reason}, named`, (transaction) => failure(reason, nameOf(transaction))],
    ]),
    ['drop', () => 'drop'],
    ['500', () => ({ status: 500, body: 'oops' })],
    ['garbage', () => ({ status: 200, body: '<html>' })],
    [
      'another signature',
      (transaction) => ({
        status: 200,
        body: {
          success: true,
          transaction: getBase58Decoder().decode(new Uint8Array(64).fill(7)),
          network: SOLANA_NETWORK,
          payer: nameOf(transaction).slice(0, 44),
        },
      }),
    ],
  ]
  test.concurrent.each(LIES)(
    '%s',
    async (_, say) => {
      const reader = await newReader()
      const headers = await header('v2', reader)
      let sendings = 0
      lies.set(reader.address, (transaction) => {
        sendings += 1
        if (sendings === 1) land(transaction)
        return say(transaction)
      })
      let answer = await ask(headers)
      const first = answer.status
      for (let i = 0; i < 3 && answer.status !== 200; i++) answer = await ask(headers)
      expect([first, answer.status, answer.text]).toEqual([200, 200, CONTENT])
      expect((await ask(headers, OTHER)).status).toBe(402)
    },
    120_000,
  )
})

test.concurrent('landed by somebody else before it is shown: it is served once', async () => {
  const reader = await newReader()
  const challenge = await shop.challengeOnSolana(PAGE)
  const transaction = await signSolana(shop.solana, challenge, reader, await vault.honest(challenge, reader))
  land(transaction)
  const answers = [
    await ask(wrapSolana('v2', challenge, transaction)),
    await ask(wrapSolana('v1', challenge, transaction)),
  ]
  expect(answers.map(({ status }) => status)).toEqual([200, 402])
}, 40_000)

test.concurrent('less than the price, landed by somebody else before it is shown: never served', async () => {
  const reader = await newReader()
  const challenge = await shop.challengeOnSolana(PAGE)
  const cheap = vault.paying(reader, [await toPublisher(1n)])
  const transaction = await signSolana(shop.solana, challenge, reader, cheap)
  land(transaction)
  for (const version of ['v2', 'v1', 'v2'] as const) {
    const answer = await ask(wrapSolana(version, challenge, transaction))
    expect(answer.text).not.toContain(CONTENT)
  }
  expect(await shop.ledger(reader.address)).toEqual([])
}, 60_000)

test.concurrent('two messages at once for one wish: one is sent', async () => {
  const reader = await newReader()
  const all = [await header('v2', reader), await header('v1', reader), await header('v2', reader)]
  const before = shop.solana.ledger.landed.length
  const answers = await Promise.all(all.map((one) => ask(one)))
  expect(answers.map(({ status }) => status)).toContain(200)
  const mine = shop.solana.ledger.landed
    .slice(before)
    .filter(({ transaction }) => transaction.keys.includes(reader.address))
  expect(mine.length).toBe(1)
}, 40_000)

test('the facilitator stops to say that it simulates, after the payment has landed and before it is served', async () => {
  const reader = await newReader()
  const headers = await header('v2', reader)
  const { rpcUrl } = shop.solana
  lies.set(reader.address, praise)
  const evm = shop.stack.chain.rpcUrl
  const rpcUrls = (solana: string) => ({ RPC_URLS: { [NETWORK]: evm, [SOLANA_NETWORK]: solana } })
  await shop.site.restart(rpcUrls('http://127.0.0.1:9'))
  const first = await ask(headers)
  expect([first.status, first.text.includes(CONTENT)]).toEqual([503, false])
  // A second payment for the same wish meanwhile is not sent.
  const second = await ask(await header('v2', reader))
  expect([second.status, second.text.includes(CONTENT)]).toEqual([503, false])
  isDenied = true
  await shop.site.kv.delete('newsstand:supported')
  await shop.site.restart(rpcUrls(rpcUrl))
  await shop.site.tick()
  await shop.site.restart({})
  const stranger = await ask(await header('v2', await newReader()))
  expect([stranger.status, stranger.error]).toEqual([402, 'invalid_exact_svm_payload_no_transfer_instruction'])
  const again = await ask(headers)
  expect([again.status, again.text]).toEqual([200, CONTENT])
  expect((await ask(headers, OTHER)).status).toBe(402)
  const landed = shop.solana.ledger.landed.filter(({ transaction }) => transaction.keys.includes(reader.address))
  expect(landed.length).toBe(1)
  isDenied = false
  await shop.site.kv.delete('newsstand:supported')
  await shop.site.restart({})
  await shop.site.tick()
  await shop.site.restart({})
}, 120_000)

test('what a purchase asks of the node', async () => {
  const reader = await newReader()
  const headers = await header('v2', reader)
  lies.set(reader.address, praise)
  const before = { ...shop.solana.calls }
  expect((await ask(headers)).status).toBe(200)
  const cost = Object.fromEntries(
    Object.entries(shop.solana.calls).map(([name, count]) => [name, count - (before[name] ?? 0)]),
  )
  console.log('calls', JSON.stringify(cost))
})
