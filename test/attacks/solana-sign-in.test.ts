// Signing in with a wallet of Solana to what somebody else paid for; and what passes and receipts of one kind of network do
// beside payments of the other.
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import { type Answer, served } from '../world/answer.ts'
import { authorize, headerOf, pack, paying } from '../world/payer.ts'
import { NETWORK, NOTHING, ONE_SALE, PRICE, SITE } from '../world/shop.ts'
import { NOBODY, signAnew, signAsNobody, withLargeS } from '../world/solana-ed25519.ts'
import { paySolana, signSolana, wrapSolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'
import { type SolanaSignInChange, signInOnSolana, solanaSignInOf } from '../world/solana-sign-in.ts'

const ARTICLE = '/articles/hello'
const OTHER = '/articles/other'
const CONTENT = 'the whole article'
const MAINNET = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp'
const { alice } = solanaWallets
let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop()
  await shop.site.kv.put(ARTICLE, CONTENT)
  await shop.site.kv.put(OTHER, 'another article')
})
afterAll(() => shop.close())

const declared = async (path = ARTICLE) => solanaSignInOf(await shop.ask(path))

const signedIn = async (wallet: Pick<SolanaWallet, 'address' | 'sign'>, change?: SolanaSignInChange) =>
  signInOnSolana(await declared(), wallet, change)

/** A reader who has bought the article. */
async function owner(): Promise<SolanaWallet> {
  const reader = await shop.readerOnSolana()
  expect((await shop.buyOnSolana('v2', ARTICLE, reader)).text).toBe(CONTENT)
  return reader
}

function expectRefused(answer: Answer, code: string, status = 402) {
  expect([answer.status, answer.error]).toEqual([status, code])
  expect(served([answer], CONTENT) + served([answer], 'another article')).toBe(0)
  expect(answer.header('Set-Cookie')).toBeNull()
}

/** A base58 text with the case of one letter changed, which is another address. */
function inAnotherCase(address: string): string {
  const place = [...address].findIndex((letter) => /[a-hjkmnp-z]/.test(letter))
  return address.slice(0, place) + (address[place] ?? '').toUpperCase() + address.slice(place + 1)
}

describe('a sign-in with Solana', () => {
  test('opens what its payer has bought, and nothing else', async () => {
    const reader = await owner()
    const back = await shop.ask(ARTICLE, { headers: await signedIn(reader) })
    expect(back.text).toBe(CONTENT)
    expectRefused(await shop.ask(OTHER, { headers: await signedIn(reader) }), 'sign_in_nothing_bought')
    expect((await shop.ask(OTHER, { headers: { Cookie: back.pass } })).status).toBe(402)
  })

  test.each<[string, (reader: SolanaWallet) => SolanaSignInChange]>([
    ['is of another address', () => ({ sent: { address: alice.address } })],
    ['is of an address in another case', (reader) => ({ sent: { address: inAnotherCase(reader.address) } })],
    [
      'is of an address in small letters',
      (reader) => ({ sent: { address: reader.address.toLowerCase().replaceAll('l', 'm') } }),
    ],
    ['was signed for another address', () => ({ signed: { address: alice.address } })],
    ['names more than was signed', () => ({ sent: { resources: [SITE + OTHER] } })],
    ['names another page than was signed', () => ({ sent: { uri: `${SITE}/` } })],
    ['was signed for another cluster', () => ({ text: (text) => text.replace(/Chain ID: .*/, 'Chain ID: mainnet') })],
    ['was signed as for Ethereum', () => ({ text: (text) => text.replace('Solana account', 'Ethereum account') })],
    ['was signed with the empty line of EIP-4361', () => ({ text: (text) => text.replace('\n\nURI', '\n\n\nURI') })],
    [
      'was signed with the prefix of EIP-191',
      () => ({ text: (text) => `\x19Ethereum Signed Message:\n${text.length}${text}` }),
    ],
    ['has a signature of nothing', () => ({ signature: () => new Uint8Array(64) })],
    ['has an s that is too large', () => ({ signature: (own) => withLargeS(own) })],
  ])('that %s opens nothing', async (_, change) => {
    const reader = await owner()
    expectRefused(
      await shop.ask(ARTICLE, { headers: await signedIn(reader, change(reader)) }),
      'invalid_siwx_signature',
    )
    expect((await shop.ask(ARTICLE, { headers: await signedIn(reader) })).text).toBe(CONTENT)
  })

  test.each<[string, string, number, (reader: SolanaWallet) => SolanaSignInChange]>([
    ['is of another cluster', 'invalid_siwx_unsupported_chain', 402, () => ({ signed: { chainId: MAINNET } })],
    ['is of Solana at large', 'invalid_siwx_unsupported_chain', 402, () => ({ signed: { chainId: 'solana:*' } })],
    ['is of the type of EVM', 'invalid_siwx_unsupported_chain', 402, () => ({ sent: { type: 'eip191' } })],
    ['is of no type', 'invalid_payload', 400, () => ({ sent: { type: undefined } })],
    ['is of a chain of EVM', 'invalid_payload', 400, () => ({ sent: { chainId: NETWORK } })],
    [
      'is of a chain of EVM, and of its type',
      'invalid_payload',
      400,
      () => ({ sent: { chainId: NETWORK, type: 'eip191' } }),
    ],
    ['has an address of EVM', 'invalid_payload', 400, () => ({ sent: { address: `0x${'ab'.repeat(20)}` } })],
    ['has a signature in hexadecimal', 'invalid_payload', 400, () => ({ sent: { signature: `0x${'ab'.repeat(64)}` } })],
    ['is for another site', 'invalid_siwx_domain_mismatch', 402, () => ({ signed: { domain: 'other.example' } })],
    [
      'is for an address of another site',
      'invalid_siwx_uri_mismatch',
      402,
      () => ({ signed: { uri: 'https://other.example/' } }),
    ],
    ['has a nonce of its own', 'invalid_siwx_nonce', 402, () => ({ signed: { nonce: '0'.repeat(32) } })],
    ['is of the past', 'invalid_siwx_expired', 402, () => ({ signed: { issuedAt: '2024-01-01T00:00:00Z' } })],
  ])('that %s opens nothing', async (_, code, status, change) => {
    const reader = await owner()
    expectRefused(await shop.ask(ARTICLE, { headers: await signedIn(reader, change(reader)) }), code, status)
  })

  test('of keys that nobody needs to hold, and of accounts without a key, opens nothing and stores nothing', async () => {
    const stores = await shop.site.objects()
    const account = await shop.solana.tokenAccount(alice.address)
    const wallets = [NOBODY, account, '1'.repeat(32), shop.solana.ledger.landed[0]?.transaction.keys.at(-1) ?? '']
    for (const address of wallets) {
      const headers = await signedIn({ address, sign: signAsNobody })
      expectRefused(await shop.ask(ARTICLE, { headers }), 'invalid_siwx_signature')
    }
    expect(await shop.site.objects()).toBe(stores)
  })

  test('opens once, whatever other signature of its wallet is sent with its nonce, and wherever', async () => {
    const reader = await owner()
    const at = await declared()
    expect((await shop.ask(ARTICLE, { headers: signInOnSolana(at, reader) })).text).toBe(CONTENT)
    const anew = (_: Uint8Array, text: string) => signAnew(reader, new TextEncoder().encode(text))
    for (const change of [{}, { signature: anew }, { signed: { uri: `${SITE}/` } }]) {
      const headers = signInOnSolana(at, reader, change)
      for (const path of [ARTICLE, OTHER]) expectRefused(await shop.ask(path, { headers }), 'invalid_siwx_nonce')
    }
  })

  test('of many at once with one nonce lets one in', async () => {
    const headers = await signedIn(await owner())
    const answers = await Promise.all(Array.from({ length: 20 }, () => shop.ask(ARTICLE, { headers })))
    expect(served(answers, CONTENT)).toBe(1)
    expect(answers.filter((answer) => answer.headers.has('Set-Cookie'))).toHaveLength(1)
  })

  test('of a stranger learns and opens nothing, stores nothing and asks nobody', async () => {
    await owner()
    const before = { objects: await shop.site.objects(), calls: { ...shop.solana.calls } }
    const { result: answers, cost } = await shop.costOnSolana(async () => {
      const got: Answer[] = []
      for (let i = 0; i < 10; i += 1) {
        got.push(await shop.ask(ARTICLE, { headers: await signedIn(await shop.readerOnSolana(0n)) }))
      }
      return got
    })
    for (const answer of answers) expectRefused(answer, 'sign_in_nothing_bought')
    expect(cost).toEqual(NOTHING)
    expect({ objects: await shop.site.objects(), calls: shop.solana.calls }).toEqual(before)
  })

  test('is not made by the signature under a payment', async () => {
    const reader = await owner()
    const challenge = await shop.challengeOnSolana(ARTICLE)
    const transaction = await signSolana(shop.solana, challenge, reader)
    const own = transaction.slice(65, 129)
    const headers = await signedIn(reader, { signature: () => own })
    expectRefused(await shop.ask(ARTICLE, { headers }), 'invalid_siwx_signature')
  })
})

describe('beside the other kind of network', () => {
  test('a key of EVM signs in nobody who has paid on Solana, nor the other way round', async () => {
    const account = privateKeyToAccount(generatePrivateKey())
    const reader = await owner()
    const { info } = await declared()
    const text = (address: string, kind: string, chain: string, between: string[]) =>
      [
        `${info.domain} wants you to sign in with your ${kind} account:`,
        address,
        '',
        ...between,
        `URI: ${info.uri}`,
        `Version: ${info.version}`,
        `Chain ID: ${chain}`,
        `Nonce: ${info.nonce}`,
        `Issued At: ${info.issuedAt}`,
      ].join('\n')
    const asSolana = await account.signMessage({ message: text(reader.address, 'Solana', SOLANA_NETWORK.slice(7), []) })
    const asEvm = await account.signMessage({ message: text(reader.address, 'Ethereum', '84532', ['']) })
    for (const [signature, chain, status, code] of [
      [asSolana, { chainId: SOLANA_NETWORK, type: 'ed25519' }, 400, 'invalid_payload'],
      [asEvm, { chainId: NETWORK, type: 'eip191' }, 400, 'invalid_payload'],
    ] as const) {
      const headers = { 'SIGN-IN-WITH-X': pack({ ...info, ...chain, address: reader.address, signature }) }
      expectRefused(await shop.ask(ARTICLE, { headers }), code, status)
    }
  })

  test('what was paid on one is not got by signing in on the other, and each has a pass of its own', async () => {
    const account = await shop.reader()
    const signed = await authorize(account, { value: PRICE })
    const paid = await shop.ask(OTHER, paying(headerOf(signed)))
    expect(paid.text).toBe('another article')
    const reader = await owner()
    expectRefused(await shop.ask(OTHER, { headers: await signedIn(reader) }), 'sign_in_nothing_bought')
    expect((await shop.ask(ARTICLE, { headers: { Cookie: paid.pass } })).status).toBe(402)
  })

  test('a payment on Solana beside the pass of somebody on EVM is not taken, and stays good', async () => {
    const signed = await authorize(await shop.reader(), { value: PRICE })
    const { pass } = await shop.ask(ARTICLE, paying(headerOf(signed)))
    const reader = await shop.readerOnSolana()
    const headers = await paySolana('v2', shop.solana, await shop.challengeOnSolana(ARTICLE), reader)
    const stores = await shop.site.objects()
    const held = await shop.costOnSolana(() => shop.ask(ARTICLE, { headers: { ...headers, Cookie: pass } }))
    expect([held.result.text, held.cost]).toEqual([CONTENT, NOTHING])
    expect(await shop.site.objects()).toBe(stores)
    const bought = await shop.costOnSolana(() => shop.ask(ARTICLE, { headers }))
    expect([bought.result.text, bought.cost]).toEqual([CONTENT, ONE_SALE])
  })

  test('a payment beside its own payer’s pass is used up, and never sent', async () => {
    const reader = await shop.readerOnSolana()
    const { pass } = await shop.buyOnSolana('v2', ARTICLE, reader)
    const challenge = await shop.challengeOnSolana(ARTICLE)
    const headers = wrapSolana('v2', challenge, await signSolana(shop.solana, challenge, reader))
    const held = await shop.costOnSolana(() => shop.ask(ARTICLE, { headers: { ...headers, Cookie: pass } }))
    expect([held.result.text, held.cost]).toEqual([CONTENT, NOTHING])
    const alone = await shop.costOnSolana(() => shop.ask(ARTICLE, { headers }))
    expect([alone.result.error, alone.cost]).toEqual(['payment_already_used', NOTHING])
  })
})

describe('receipts and answers', () => {
  const purchases = z.looseObject({ purchases: z.array(z.looseObject({ receipt: z.string() })) })

  test('a receipt is for its payer alone, in its own spelling', async () => {
    const [reader, stranger] = [await shop.readerOnSolana(), await shop.readerOnSolana()]
    const bought = await shop.buyOnSolana('v2', ARTICLE, reader)
    const theirs = await shop.buyOnSolana('v2', ARTICLE, stranger)
    const evm = await shop.ask(ARTICLE, paying(headerOf(await authorize(await shop.reader(), { value: PRICE }))))
    const { transaction = '' } = bought.receipt ?? {}
    const at = (name: string, { pass }: Answer) =>
      shop.ask(`/_newsstand/receipts/${name}`, { headers: { Cookie: pass, Accept: 'application/json' } })
    await expect.poll(async () => (await at(transaction, bought)).status, { timeout: 10_000 }).toBe(200)
    for (const other of [theirs, evm]) {
      const refused = await at(transaction, other)
      const none = await at(`${transaction.slice(0, -1)}${transaction.endsWith('2') ? '3' : '2'}`, other)
      expect([refused.status, refused.text]).toEqual([404, none.text])
    }
    expect((await at(inAnotherCase(transaction), bought)).status).toBe(404)
    const listed = await shop.ask('/_newsstand/receipts', {
      headers: { Cookie: theirs.pass, Accept: 'application/json' },
    })
    expect(purchases.parse(listed.json).purchases.map(({ receipt }) => receipt)).toEqual([
      `/_newsstand/receipts/${theirs.receipt?.transaction}`,
    ])
  })

  test('what was paid on Solana, or opened by a sign-in, is kept by no shared cache', async () => {
    const reader = await shop.readerOnSolana()
    const bought = await shop.buyOnSolana('v1', ARTICLE, reader)
    const opened = await shop.ask(ARTICLE, { headers: await signedIn(reader) })
    for (const answer of [bought, opened]) {
      expect(answer.text).toBe(CONTENT)
      expect(answer.header('Cache-Control')).toBe('private, no-store')
      for (const name of [
        'CDN-Cache-Control',
        'Cloudflare-CDN-Cache-Control',
        'Surrogate-Control',
        'ETag',
        'Expires',
      ]) {
        expect(answer.header(name)).toBeNull()
      }
    }
    expect((await shop.ask(ARTICLE)).header('Cache-Control')).toBe('no-store')
  })
})
