// Readers with wallets of Solana where something does not work: what wallets and the site may say, and what they cannot. Each
// is told in words, nothing is charged, and there is a way on.
import { afterAll, describe, expect, test } from 'vitest'
import { BLOCKHASH_LIFE } from '../../../dev/stack/solana/clock.ts'
import { solanaWallets } from '../../../dev/stack/solana/wallets.ts'
import { SOLANA } from '../../../src/browser/solana.gen.ts'
import { LOOK } from '../../../src/checkout.ts'
import { hasArticle } from '../../browser/newsstand.ts'
import { countOf, fetchedOf, openSolanaNewsstand } from '../../browser/solana-newsstand.ts'
import { PRICE } from '../../world/shop.ts'
import type { SolanaBrowserWallet } from '../../world/solana-browser-wallet.ts'

const NOWHERE = 'http://127.0.0.1:1'
const { stack, open, visit, close } = await openSolanaNewsstand()
/** The same newspaper with nobody to ask about Solana. */
const cutOff = await open(NOWHERE)

afterAll(close)

describe('what the wallet may say', () => {
  test.each<[string, Partial<SolanaBrowserWallet>, RegExp]>([
    ['locked', { isLocked: true }, /Ghost is locked/],
    ['not-allowed', { refuses: { 'standard:connect': { code: 4100, message: 'no' } } }, /Ghost is locked/],
    ['asked-already', { refuses: { 'standard:connect': { code: -32002, message: 'no' } } }, /already asking you/],
    ['connection-declined', { refuses: { 'standard:connect': { code: 4001, message: 'no' } } }, /You said no/],
    ['signature-declined', { refuses: { 'solana:signTransaction': { code: 4001, message: 'no' } } }, /You said no/],
    [
      'declined-in-words',
      { refuses: { 'solana:signTransaction': { message: 'User rejected the request.' } } },
      /You said no/,
    ],
    [
      'declined-by-its-number',
      { refuses: { 'solana:signTransaction': { code: 4_001_000, message: '' } } },
      /You said no/,
    ],
    ['declined-in-words-alone', { refuses: { 'solana:signTransaction': 'Declined by its owner' } }, /You said no/],
    [
      'simulation-failed',
      // A node's number for it is EIP-1193's for a question that is open already.
      {
        refuses: {
          'solana:signTransaction': {
            code: -32002,
            message: 'Transaction simulation failed: custom program error: 0x1',
          },
        },
      },
      /cannot go through.*Nothing was charged/,
    ],
    [
      'blockhash-over',
      { refuses: { 'solana:signTransaction': 'Blockhash not found' } },
      /signed too late.*Nothing was charged/,
    ],
    ['cannot-sign', { refuses: { 'solana:signTransaction': { message: 'broken' } } }, /Ghost could not do that/],
    ['signs-nothing', { givesNothing: 'solana:signTransaction' }, /Ghost could not do that. Nothing was charged/],
    ['on-another-chain', { accountChains: ['solana:mainnet'] }, /account of Ghost cannot pay on Solana Devnet/],
  ])('%s: it is said, and there is a way on', async (state, change, said) => {
    const reader = await visit('/articles/tides', change)
    await reader.click('Pay $0.05')
    await reader.sees(said)
    await reader.page.getByRole('button', { name: 'Pay $0.05 with Ghost' }).waitFor()
    if (['signature-declined', 'simulation-failed', 'on-another-chain'].includes(state)) {
      await reader.look(`solana-${state}`)
    }
    expect(reader.fetched.filter((line) => line.endsWith('/articles/tides'))).toHaveLength(1)
    expect(await reader.paid()).toEqual([])
    await reader.close()
  })

  test('it does not answer: the reader starts again, and what it signs late is not sent', async () => {
    const late = Promise.withResolvers<void>()
    const reader = await visit('/articles/tides', { hangs: { feature: 'solana:signTransaction', until: late.promise } })
    await reader.click('Pay $0.05')
    await reader.sees(/sign it/)
    await reader.click('Start again')
    await reader.page.getByRole('button', { name: 'Pay $0.05' }).waitFor()
    late.resolve()
    await reader.page.evaluate(() => new Promise((done) => setTimeout(done)))
    expect(fetchedOf(reader, '/articles/tides')).toBe(1)
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([PRICE])
    await reader.close()
  })

  test('its blockhash is over when it has signed: it is said, nothing moves, and the next payment buys', async () => {
    const reader = await visit()
    const { clock } = stack.solana
    // What the site said when the wallet was opened; the chain is the other readers' too, and does not jump.
    await reader.page.route(`**${LOOK}?*`, async (route) => {
      const response = await route.fetch()
      const blockhash = clock.blockhash(clock.slot() - BLOCKHASH_LIFE - 2)
      await route.fulfill({ response, json: { ...(await response.json()), blockhash } })
    })
    await reader.click('Pay $0.05')
    await reader.sees(/cannot go through.*signed too late.*Nothing was charged/)
    await reader.look('solana-too-late')
    expect(await reader.paid()).toEqual([])
    await reader.page.unroute(`**${LOOK}?*`)
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([PRICE])
    expect(countOf(reader, 'solana:signTransaction')).toBe(2)
    await reader.close()
  })

  test('what it holds is frozen, which only a simulation finds out: it is said, and nothing moves', async () => {
    const reader = await visit()
    await reader.page.getByRole('button', { name: 'Pay $0.05' }).waitFor()
    await stack.solana.freeze(reader.account.address, true)
    await reader.click('Pay $0.05')
    await reader.sees(/cannot go through.*Nothing was charged/)
    expect(await reader.paid()).toEqual([])
    await stack.solana.freeze(reader.account.address, false)
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([PRICE])
    await reader.close()
  })

  test.each([
    ['settle_exact_svm_block_height_exceeded', /This offer had expired/],
    ['invalid_exact_svm_transaction_failed', /The payment did not go through. Nothing was charged/],
    ['invalid_exact_svm_payload_signature_invalid', /Another account signed/],
    ['a word that nobody knows', /The payment did not go through. Nothing was charged/],
  ])('the site answers %s: it is said, and there is a way on', async (error, said) => {
    const reader = await visit()
    await reader.page.route('**/articles/tides', async (route) => {
      if (route.request().headers()['payment-signature'] === undefined) return route.continue()
      await route.fulfill({ status: 402, json: { error } })
    })
    await reader.click('Pay $0.05')
    await reader.sees(said)
    await reader.page.unroute('**/articles/tides')
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([PRICE])
    await reader.close()
  })

  test('too little USDC: how much is missing, before anything is signed', async () => {
    const reader = await visit('/articles/tides', {}, { money: 20_000n })
    await reader.click('Pay $0.05')
    await reader.sees('short of $0.03 USDC on Solana Devnet')
    await reader.look('solana-too-little')
    expect(countOf(reader, 'solana:signTransaction')).toBe(0)
    await stack.solana.fund(reader.account.address, PRICE)
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    await reader.close()
  })

  test('the publisher’s own wallet is not asked to pay itself', async () => {
    const reader = await visit('/articles/tides', { account: solanaWallets.publisher })
    await reader.click('Pay $0.05')
    await reader.sees('cannot be accepted here')
    expect(countOf(reader, 'solana:signTransaction')).toBe(0)
    await reader.close()
  })
})

describe('what the site cannot say', () => {
  test('nobody knows what the chain holds: nothing is signed, and the other wallet pays', async () => {
    const reader = await visit('/articles/tides', {}, { at: cutOff, evm: ['Fox'] })
    await reader.click('Pay $0.05 with Ghost')
    await reader.sees('could not be prepared just now, and nothing was charged')
    await reader.look('solana-unprepared')
    expect(countOf(reader, 'solana:signTransaction')).toBe(0)
    await reader.click('Pay $0.05 with Fox')
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([])
    await reader.close()
  })

  test.each(['is lost', 'cannot be read', 'names no blockhash'])(
    'what it says %s: nothing is signed',
    async (fault) => {
      const reader = await visit()
      await reader.page.route(`**${LOOK}?*`, async (route) => {
        if (fault === 'is lost') return route.abort()
        const response = await route.fetch()
        const json = { ...(await response.json()), blockhash: 'none' }
        await route.fulfill(fault === 'cannot be read' ? { response, body: '<html>' } : { response, json })
      })
      await reader.click('Pay $0.05')
      await reader.sees(/could not be prepared just now, and nothing was charged/)
      expect(countOf(reader, 'solana:signTransaction')).toBe(0)
      await reader.page.unroute(`**${LOOK}?*`)
      await reader.click('Pay $0.05')
      await hasArticle(reader)
      await reader.close()
    },
  )

  test('the part for Solana does not come: the same', async () => {
    const reader = await visit()
    await reader.page.route(`**${SOLANA.path}`, (route) => route.fulfill({ status: 404 }))
    await reader.click('Pay $0.05')
    await reader.sees('could not be prepared just now')
    expect(reader.asked).toEqual([])
    await reader.close()
  })
})
