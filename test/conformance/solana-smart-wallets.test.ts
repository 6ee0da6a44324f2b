// Payments on Solana that a program makes for its owner: nobody sees in the bytes what is moved. They are taken where the
// facilitator looks at what the program does, and served once the chain shows that the price has arrived.
import { getBase58Decoder } from '@solana/kit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import type { FacilitatorHook } from '../../dev/stack/facilitator.ts'
import { assemble, type Instruction, readTransaction } from '../../dev/stack/solana/message.ts'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK, SOLANA_USDC, VAULT_PROGRAM } from '../../dev/stack/solana.ts'
import type { Answer } from '../world/answer.ts'
import { HEADERS, VERSIONS, type Version } from '../world/payer.ts'
import { NOTHING, ONE_SALE, PRICE } from '../world/shop.ts'
import { paySolana, type SolanaChange, signSolana, solanaChallenge, wrapSolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'
import { signInOnSolana, solanaSignInOf } from '../world/solana-sign-in.ts'
import { openVault, type Vault } from '../world/solana-vault.ts'

const PAGE = '/articles/hello'
const OTHER = '/articles/other'
const CONTENT = 'the whole article'
const { publisher, feePayers } = solanaWallets
const sent = z.looseObject({
  paymentPayload: z.looseObject({ payload: z.looseObject({ transaction: z.base64() }) }),
})

let shop: SolanaShop
let vault: Vault
type Lie = (transaction: Uint8Array) => object
/** What becomes of a reader's settlement in place of what the reference facilitator makes of it. */
const lies = new Map<string, Lie>()

const hook: FacilitatorHook = async ({ path, body }, proceed) => {
  const settled = path === '/settle' ? sent.safeParse(body).data : undefined
  if (!settled) return proceed()
  const transaction = new Uint8Array(Buffer.from(settled.paymentPayload.payload.transaction, 'base64'))
  const lie = lies.get(readTransaction(transaction).keys[1] ?? '')
  return lie ? { status: 200, body: JSON.stringify(lie(transaction)) } : proceed()
}

beforeAll(async () => {
  shop = await openSolanaShop({}, { solana: { vault: true, simulates: true }, hook })
  vault = await openVault(shop.solana)
  for (const path of [PAGE, OTHER]) await shop.site.kv.put(path, CONTENT)
  await shop.solana.fund(vault.address, 1_000_000_000n)
})
afterAll(() => shop.close())
/** Puts a transaction onto the chain with its fee payer's signature, and calls it a success whatever it has moved. */
function landAndPraise(transaction: Uint8Array): object {
  const read = readTransaction(transaction)
  const payer = feePayers.find(({ address }) => address === read.keys[0])
  if (!payer) throw new Error('that is no fee payer of this facilitator')
  const signature = payer.sign(read.messageBytes)
  const problem = shop.solana.land(assemble([signature, ...read.signatures.slice(1)], read.messageBytes))
  if (problem !== null) throw new Error(`it did not land: ${JSON.stringify(problem)}`)
  return {
    success: true,
    transaction: getBase58Decoder().decode(signature),
    network: SOLANA_NETWORK,
    payer: vault.address,
  }
}

/** A reader who has nothing herself: what she pays is in the vault. */
const newReader = () => shop.readerOnSolana(0n)

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
const passOf = (answer: Answer) => ({ Cookie: answer.headers.getSetCookie()[0]?.split(';')[0] ?? '' })

describe.each(VERSIONS)('in %s', (version) => {
  test('it is settled once, named by who has signed, and in the ledger as it was sold', async () => {
    const reader = await newReader()
    const headers = await header(version, reader)
    const { result: answer, cost } = await shop.costOnSolana(() => ask(headers))
    expect([answer.status, answer.text]).toEqual([200, CONTENT])
    expect(cost).toEqual(ONE_SALE)
    expect(answer.receipt).toMatchObject({ success: true, network: SOLANA_NETWORK, payer: reader.address })
    expect((await ask(passOf(answer))).text).toBe(CONTENT)
    await expect
      .poll(() => shop.ledger(reader.address))
      .toMatchObject([{ network: SOLANA_NETWORK, asset: SOLANA_USDC, amount: `${PRICE}`, position: 2, remark: null }])
  })

  test('the same payment again, here and elsewhere, buys nothing and is not sent', async () => {
    const reader = await newReader()
    const headers = await header(version, reader)
    expect((await ask(headers)).status).toBe(200)
    const { result: answers, cost } = await shop.costOnSolana(async () => [
      await ask(headers),
      await ask(headers, OTHER),
    ])
    expect(answers.map(({ status, error }) => [status, error])).toEqual([
      [402, 'payment_already_used'],
      [402, 'payment_already_used'],
    ])
    expect(cost).toEqual(NOTHING)
  })
})

test('the same message in the other version is the same payment', async () => {
  const reader = await newReader()
  const challenge = await shop.challengeOnSolana(PAGE)
  const transaction = await signSolana(shop.solana, challenge, reader, await vault.honest(challenge, reader))
  expect((await ask(wrapSolana('v2', challenge, transaction))).status).toBe(200)
  const { result: again, cost } = await shop.costOnSolana(() => ask(wrapSolana('v1', challenge, transaction)))
  expect([again.status, again.error]).toEqual([402, 'payment_already_used'])
  expect(cost).toEqual(NOTHING)
})

test('two at once are settled once, and each gets an answer that is true', async () => {
  const reader = await newReader()
  const headers = await header('v2', reader)
  const { result: answers, cost } = await shop.costOnSolana(() => Promise.all([ask(headers), ask(headers)]))
  expect(answers.map(({ status }) => status)).toContain(200)
  expect(cost).toEqual(ONE_SALE)
})

test('who owns it already is not charged for a second one, and may sign in with the key that signed', async () => {
  const reader = await newReader()
  expect((await ask(await header('v2', reader))).status).toBe(200)
  const second = await header('v2', reader)
  const { result: again, cost } = await shop.costOnSolana(() => ask(second))
  expect([again.status, again.text]).toEqual([200, CONTENT])
  expect(cost).toEqual(NOTHING)
  const signedIn = await ask(signInOnSolana(solanaSignInOf(await shop.ask(PAGE)), reader))
  expect([signedIn.status, signedIn.text]).toEqual([200, CONTENT])
  // The vault has no key that could sign, and somebody else's key opens nothing.
  const stranger = await ask(signInOnSolana(solanaSignInOf(await shop.ask(PAGE)), await newReader()))
  expect([stranger.status, stranger.error]).toEqual([402, 'sign_in_nothing_bought'])
})

const toPublisher = (amount: bigint) => vault.move(publisher.address, amount)
const CHEATS: [string, () => Promise<Instruction[]>][] = [
  ['a unit less', async () => [await toPublisher(PRICE - 1n)]],
  ['all of it to somebody else', async () => [await vault.move(solanaWallets.bob.address, PRICE)]],
  ['half of it twice', async () => [await toPublisher(PRICE / 2n), await toPublisher(PRICE / 2n - 1n)]],
  ['to itself', async () => [await vault.move(vault.address, PRICE)]],
]

describe('what does not arrive is not served', () => {
  beforeAll(async () => {
    await shop.solana.fund(solanaWallets.bob.address, 0n)
    // The publisher has let the vault take from her account: the worst that can be.
    await shop.solana.delegate(publisher.address, vault.address, 1_000_000_000n)
  })

  test.each(CHEATS)('the facilitator refuses a program that moves %s', async (_, cheat) => {
    const reader = await newReader()
    const headers = await header('v2', reader, cheat)
    const { result: answer, cost } = await shop.costOnSolana(() => ask(headers))
    expect([answer.status, answer.receipt?.success]).toEqual([402, false])
    expect(answer.text).not.toContain(CONTENT)
    expect(cost).toEqual({ ...NOTHING, settles: 1 })
    expect(await shop.ledger(reader.address)).toEqual([])
  })

  const TAKEN_BACK: (typeof CHEATS)[number] = [
    'and takes it back',
    async () => [await toPublisher(PRICE), await vault.move(vault.address, PRICE, publisher.address)],
  ]
  test.concurrent.each([...CHEATS, TAKEN_BACK])(
    'where a facilitator has put it on the chain and calls it paid, the chain is believed: %s',
    async (_, cheat) => {
      const reader = await newReader()
      const headers = await header('v2', reader, cheat)
      lies.set(reader.address, landAndPraise)
      const answer = await ask(headers)
      expect([answer.status, answer.error]).toEqual([402, 'invalid_exact_svm_transaction_failed'])
      expect(answer.text).not.toContain(CONTENT)
      expect(answer.header('Set-Cookie')).toBeNull()
      // Nor later, here or elsewhere.
      const again = await ask(headers)
      expect(again.status).toBe(402)
      expect(again.text).not.toContain(CONTENT)
      expect(await shop.ledger(reader.address)).toEqual([])
    },
    40_000,
  )

  test.concurrent('a success that nobody has sent is no outcome', async () => {
    const reader = await newReader()
    const headers = await header('v2', reader)
    lies.set(reader.address, (transaction) => {
      const { keys, messageBytes } = readTransaction(transaction)
      const payer = feePayers.find(({ address }) => address === keys[0])
      const signature = getBase58Decoder().decode(payer?.sign(messageBytes) ?? new Uint8Array(64))
      return { success: true, transaction: signature, network: SOLANA_NETWORK, payer: vault.address }
    })
    const answer = await ask(headers)
    expect([answer.status, answer.error]).toEqual([503, 'settlement_pending'])
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(answer.text).not.toContain(CONTENT)
  }, 40_000)
})

test.each<[string, () => Promise<Instruction[]>]>([
  ['by several moves', async () => [await toPublisher(PRICE / 2n), await toPublisher(PRICE / 2n)]],
  ['more than the price', async () => [await toPublisher(PRICE + 1n)]],
])('what has arrived is served, whatever the facilitator would have said of it: %s', async (_, moves) => {
  const reader = await newReader()
  const headers = await header('v2', reader, moves)
  lies.set(reader.address, landAndPraise)
  const answer = await ask(headers)
  expect([answer.status, answer.text]).toEqual([200, CONTENT])
})

describe('refused before anybody is asked', () => {
  const refused = async (headers: Record<string, string>, status: number, error: string, path = PAGE) => {
    const { result: answer, cost } = await shop.costOnSolana(() => ask(headers, path))
    expect([answer.status, answer.error]).toEqual([status, error])
    expect(answer.text).not.toContain(CONTENT)
    expect(cost).toEqual(NOTHING)
  }

  test('a memo of another resource, of nobody, and none', async () => {
    const reader = await newReader()
    const mismatch = 'invalid_exact_svm_payload_memo_mismatch'
    await refused(await header('v1', reader), 402, mismatch, OTHER)
    await refused(await header('v2', reader, () => null, { memo: 'mine' }), 402, mismatch)
  })

  test('the fee payer as an account of the call', async () => {
    const reader = await newReader()
    const feePayer = (await shop.challengeOnSolana(PAGE)).v2.accepts[0]?.extra.feePayer ?? ''
    const naming = async () => {
      const call = await toPublisher(PRICE)
      return [{ ...call, accounts: [...(call.accounts ?? []), { address: feePayer }] }]
    }
    await refused(await header('v2', reader, naming), 400, 'invalid_payload')
  })

  test('nobody who signs but the fee payer', async () => {
    const reader = await newReader()
    await refused(await header('v2', reader, () => null, { memo: null }), 400, 'invalid_payload')
  })

  test('another signature than the reader’s', async () => {
    const reader = await newReader()
    const sentBytes = (honest: Uint8Array) => {
      const { signatures, messageBytes } = readTransaction(honest)
      const [own = new Uint8Array(64)] = signatures
      return assemble([own, solanaWallets.bob.sign(messageBytes)], messageBytes)
    }
    const headers = await header('v2', reader, () => null, { sent: sentBytes })
    await refused(headers, 402, 'invalid_exact_svm_payload_signature_invalid')
  })

  test('terms that v2 says it accepts, and nobody offers', async () => {
    const reader = await newReader()
    const headers = await header('v2', reader, () => null, { accepted: { amount: '1' } })
    await refused(headers, 402, 'invalid_payment_requirements')
  })
})

test('a program that facilitators do not know is refused by them', async () => {
  const reader = await newReader()
  const elsewhere = async () => [{ ...(await toPublisher(PRICE)), program: solanaWallets.carol.address }]
  const answer = await ask(await header('v2', reader, elsewhere))
  expect([answer.status, answer.error]).toEqual([402, 'invalid_exact_svm_payload_no_transfer_instruction'])
  expect(VAULT_PROGRAM).not.toBe(solanaWallets.carol.address)
})

test('where the facilitator does not look at what programs do, it is told so, and nothing is claimed', async () => {
  const plain = await openSolanaShop({}, { solana: { vault: true } })
  await plain.site.kv.put(PAGE, CONTENT)
  const itsVault = await openVault(plain.solana)
  await plain.solana.fund(itsVault.address, 1_000_000n)
  const reader = await plain.readerOnSolana(0n)
  for (const version of VERSIONS) {
    const challenge = solanaChallenge(await plain.ask(PAGE))
    const paying = await itsVault.honest(challenge, reader)
    const headers = await paySolana(version, plain.solana, challenge, reader, paying)
    expect(Object.keys(headers)).toEqual([HEADERS[version]])
    const { result: answer, cost } = await plain.costOnSolana(() => plain.ask(PAGE, { headers }))
    expect([answer.status, answer.error]).toEqual([402, 'invalid_exact_svm_payload_no_transfer_instruction'])
    expect(cost).toEqual(NOTHING)
  }
  await plain.close()
})
