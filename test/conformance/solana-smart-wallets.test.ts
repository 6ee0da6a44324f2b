// Payments on Solana that a program makes for its owner: nobody sees in the bytes what is moved. They are taken where the
// facilitator looks at what the program does, and served once the chain shows that the price has arrived. What a facilitator
// that lies can do is in `test/long/solana-smart-wallets`.
import { afterAll, describe, expect, test } from 'vitest'
import { assemble, type Instruction, readTransaction } from '../../dev/stack/solana/message.ts'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK, SOLANA_USDC, VAULT_PROGRAM } from '../../dev/stack/solana.ts'
import type { Answer } from '../world/answer.ts'
import { HEADERS, VERSIONS } from '../world/payer.ts'
import { NOTHING, ONE_SALE, PRICE } from '../world/shop.ts'
import { paySolana, signSolana, solanaChallenge, wrapSolana } from '../world/solana-payer.ts'
import { openSolanaShop } from '../world/solana-shop.ts'
import { signInOnSolana, solanaSignInOf } from '../world/solana-sign-in.ts'
import { openVault } from '../world/solana-vault.ts'
import { CONTENT, OTHER, openVaultShop, PAGE } from '../world/solana-vault-shop.ts'

const { shop, vault, newReader, header, ask, toPublisher, cheats, lie, landAndPraise } = await openVaultShop()

afterAll(() => shop.close())

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

test.each(cheats)('the facilitator refuses a program that moves %s', async (_, cheat) => {
  const reader = await newReader()
  const headers = await header('v2', reader, cheat)
  const { result: answer, cost } = await shop.costOnSolana(() => ask(headers))
  expect([answer.status, answer.receipt?.success]).toEqual([402, false])
  expect(answer.text).not.toContain(CONTENT)
  expect(cost).toEqual({ ...NOTHING, settles: 1 })
  expect(await shop.ledger(reader.address)).toEqual([])
})

test.each<[string, () => Promise<Instruction[]>]>([
  ['by several moves', async () => [await toPublisher(PRICE / 2n), await toPublisher(PRICE / 2n)]],
  ['more than the price', async () => [await toPublisher(PRICE + 1n)]],
])('what has arrived is served, whatever the facilitator would have said of it: %s', async (_, moves) => {
  const reader = await newReader()
  const headers = await header('v2', reader, moves)
  lie(reader, landAndPraise)
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
