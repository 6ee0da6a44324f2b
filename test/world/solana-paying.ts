// How one pays on each kind of network, for tests that say the same of both: who the buyer is, what is signed once and may be
// sent in either version, and how the network writes things.
import { getBase58Decoder } from '@solana/kit'
import { registerExactEvmScheme } from '@x402/evm/exact/client'
import { wrapFetchWithPayment as wrapV2, x402Client } from '@x402/fetch'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { expect } from 'vitest'
import { createSigner, wrapFetchWithPayment as wrapV1 } from 'x402-fetch'
import * as z from 'zod'
import { assemble, readTransaction } from '../../dev/stack/solana/message.ts'
import { memosOf } from '../../dev/stack/solana/shapes.ts'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK, SOLANA_USDC } from '../../dev/stack/solana.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import type { Answer, Challenge, Question } from './answer.ts'
import { broadcast } from './on-chain.ts'
import { authorize, type Change, pack, sign, VERSIONS, type Version, wrap } from './payer.ts'
import { NETWORK } from './shop.ts'
import { signIn, signInOf } from './sign-in.ts'
import { landSilently } from './solana-on-chain.ts'
import { type SolanaChallenge, type SolanaChange, signSolana, solanaChallenge, wrapSolana } from './solana-payer.ts'
import type { SolanaShop } from './solana-shop.ts'
import { signInOnSolana, solanaSignInOf } from './solana-sign-in.ts'
import { SOLANA_V1_NAME, stockSolanaClient } from './solana-stock.ts'

/** What a client of either kind may write around what it signed. */
export type Wrapping = Pick<Change & SolanaChange, 'accepted' | 'payment' | 'encode' | 'echo' | 'identifier'>

/** Something signed once, as the header of either version. */
export type Signed = (version: Version, change?: Wrapping) => Record<string, string>

export type Buyer = {
  /** As receipts and the ledger write it. */
  address: string
  balance(): Promise<bigint>
  /** Signs one of the offers of a 402 on this network. `less`: by how much too little. */
  sign(version: Version, unpaid: Answer, change?: { offer?: number; less?: bigint }): Promise<Signed>
  /** Asks without paying, and signs what is asked for. */
  pay(version: Version, path: string, change?: Wrapping, question?: Question): Promise<Record<string, string>>
  /** Asks, pays, and asks with the payment. */
  buy(version: Version, path: string, change?: Wrapping): Promise<Answer>
  /** Signs in with what a 402 declares. */
  signIn(unpaid: Answer): Promise<Record<string, string>>
}

/** The client that people use. */
export type StockBuyer = { address: string; fetch: (url: string, init?: RequestInit) => Promise<Response> }

export type Kind = {
  /** CAIP-2. */
  network: string
  v1Name: string
  /** As people know the network. */
  title: string
  asset: string
  payTo: string
  /** Another payee, by one of the keys that everybody has. */
  otherPayee: string
  /** The longest that an offer is good for. */
  maxTimeoutSeconds: number
  /** What an offer says beside its terms. */
  extra: object
  /** How a transaction is written. */
  transaction: RegExp
  /** Where people look a transaction up. */
  explorer(transaction: string): string
  /** What a payment of another amount is refused with. */
  amountMismatch: string
  /** What a payment of an empty wallet is refused with. */
  insufficient: string
  /** What a payment with somebody else's signature is refused with. */
  invalidSignature: string
  /** What a 402 offers on this kind of network. */
  challengeOf(unpaid: Answer): Challenge | SolanaChallenge
  /** Somebody nobody has seen before, with a dollar or with what is given. */
  reader(shop: SolanaShop, atomicUnits?: bigint): Promise<Buyer>
  topUp(shop: SolanaShop, buyer: Buyer, atomicUnits: bigint): Promise<void>
  stock(shop: SolanaShop, version: Version, atomicUnits?: bigint): Promise<StockBuyer>
  /** Somebody puts a payment that they have seen on the chain, and tells nobody: whether it landed. */
  land(shop: SolanaShop, headers: Record<string, string>): Promise<boolean>
  /** The same payment under a signature of somebody else. */
  forged(headers: Record<string, string>): Promise<Record<string, string>>
  /** What of a payment may stand in no log. */
  secrets(headers: Record<string, string>): string[]
}

/** The rest of a buyer follows from how one signs. */
function buyerOf(shop: SolanaShop, own: Pick<Buyer, 'address' | 'balance' | 'sign' | 'signIn'>): Buyer {
  const pay: Buyer['pay'] = async (version, path, change, question) =>
    (await own.sign(version, await shop.ask(path, question)))(version, change)
  return {
    ...own,
    pay,
    buy: async (version, path, change) => shop.ask(path, { headers: await pay(version, path, change) }),
  }
}

const sent = z.looseObject({ payload: z.unknown() })

/** The payload in the header of a payment, and the header with another one. */
function opened(headers: Record<string, string>) {
  const [[name, header] = ['', '']] = Object.entries(headers)
  const json = sent.parse(JSON.parse(Buffer.from(header, 'base64').toString()))
  return { payload: json.payload, with: (payload: unknown) => ({ [name]: pack({ ...json, payload }) }) }
}

const hex = z.templateLiteral(['0x', z.string()])
const digits = z.string().transform((text) => BigInt(text))
const authorized = z.looseObject({
  signature: hex,
  authorization: z.object({
    from: hex,
    to: hex,
    value: digits,
    validAfter: digits,
    validBefore: digits,
    nonce: hex,
  }),
})

const EVM: Kind = {
  network: NETWORK,
  v1Name: 'base-sepolia',
  title: 'Base Sepolia',
  asset: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
  payTo: wallets.publisher.address,
  otherPayee: wallets.carol.address,
  maxTimeoutSeconds: 300,
  extra: { name: 'USDC', version: '2' },
  transaction: /^0x[0-9a-f]{64}$/,
  explorer: (transaction) => `https://sepolia.basescan.org/tx/${transaction}`,
  amountMismatch: 'invalid_exact_evm_payload_authorization_value_mismatch',
  insufficient: 'insufficient_funds',
  invalidSignature: 'invalid_exact_evm_payload_signature',
  challengeOf: ({ challenge }) => challenge,
  async reader(shop, atomicUnits) {
    const account = await shop.reader(atomicUnits)
    return buyerOf(shop, {
      address: account.address.toLowerCase(),
      balance: () => shop.stack.chain.balance(account.address),
      async sign(version, { challenge }, { offer = 0, less = 0n } = {}) {
        const value = BigInt(challenge.v2.accepts[offer]?.amount ?? 0) - less
        const signed = await sign(version, challenge, account, { offer, signed: { value } })
        return (as, change) => wrap(as, challenge, signed, { offer, ...change })
      },
      signIn: ({ challenge }) => signIn(signInOf(challenge), account),
    })
  },
  topUp: async (shop, { address }, atomicUnits) =>
    shop.stack.chain.fund(`0x${address.slice('0x'.length)}`, atomicUnits),
  async stock(shop, version, atomicUnits = 1_000_000n) {
    const key = generatePrivateKey()
    const account = privateKeyToAccount(key)
    if (atomicUnits > 0n) await shop.stack.chain.fund(account.address, atomicUnits)
    const address = account.address.toLowerCase()
    if (version === 'v1') return { address, fetch: wrapV1(fetch, await createSigner('base-sepolia', key)) }
    const client = new x402Client()
    registerExactEvmScheme(client, { signer: account })
    return { address, fetch: wrapV2(fetch, client) }
  },
  land: (shop, headers) =>
    broadcast(shop.stack.chain, authorized.parse(opened(headers).payload)).then(
      () => true,
      () => false,
    ),
  async forged(headers) {
    const was = opened(headers)
    const { authorization } = authorized.parse(was.payload)
    const stranger = privateKeyToAccount(generatePrivateKey())
    return was.with({ ...Object(was.payload), signature: (await authorize(stranger, authorization)).signature })
  },
  secrets(headers) {
    const { signature, authorization } = authorized.parse(opened(headers).payload)
    return [signature, authorization.nonce].flatMap((hex) => [hex, hex.slice(2, 20)])
  },
}

const transacted = z.object({
  transaction: z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64'))),
})

/** One client speaks both versions on Solana: without the header of the newer one it reads the body. */
const fetchV1: typeof fetch = async (input, init) => {
  const { status, headers: all, body } = await fetch(input, init)
  const headers = new Headers(all)
  headers.delete('PAYMENT-REQUIRED')
  return new Response(body, { status, headers })
}

const SOLANA: Kind = {
  network: SOLANA_NETWORK,
  v1Name: SOLANA_V1_NAME,
  title: 'Solana Devnet',
  asset: SOLANA_USDC,
  payTo: solanaWallets.publisher.address,
  otherPayee: solanaWallets.carol.address,
  maxTimeoutSeconds: 60,
  extra: {
    feePayer: expect.toBeOneOf(solanaWallets.feePayers.map(({ address }) => address)),
    memo: expect.stringMatching(/^[A-Za-z0-9._-]{40,100}$/),
  },
  transaction: /^[1-9A-HJ-NP-Za-km-z]{80,88}$/,
  explorer: (transaction) => `https://explorer.solana.com/tx/${transaction}?cluster=devnet`,
  amountMismatch: 'invalid_exact_svm_payload_amount_mismatch',
  insufficient: 'invalid_exact_svm_transaction_simulation_failed',
  invalidSignature: 'invalid_exact_svm_payload_signature_invalid',
  challengeOf: solanaChallenge,
  async reader(shop, atomicUnits) {
    const wallet = await shop.readerOnSolana(atomicUnits)
    return buyerOf(shop, {
      address: wallet.address,
      balance: () => shop.solana.balance(wallet.address),
      async sign(_, unpaid, { offer = 0, less = 0n } = {}) {
        const challenge = solanaChallenge(unpaid)
        const amount = BigInt(challenge.v2.accepts[offer]?.amount ?? 0) - less
        const transaction = await signSolana(shop.solana, challenge, wallet, { offer, amount })
        return (as, change) => wrapSolana(as, challenge, transaction, { offer, ...change })
      },
      signIn: async (unpaid) => signInOnSolana(solanaSignInOf(unpaid), wallet),
    })
  },
  topUp: (shop, { address }, atomicUnits) => shop.solana.fund(address, atomicUnits),
  async stock(shop, version, atomicUnits) {
    const wallet = await shop.readerOnSolana(atomicUnits)
    const client = await stockSolanaClient(wallet, shop.solana.rpcUrl)
    return { address: wallet.address, fetch: wrapV2(version === 'v1' ? fetchV1 : fetch, client) }
  },
  land: async (shop, headers) =>
    landSilently(shop.solana, transacted.parse(opened(headers).payload).transaction) === null,
  async forged(headers) {
    const was = opened(headers)
    const { signatures, messageBytes } = readTransaction(transacted.parse(was.payload).transaction)
    const [feePayer = new Uint8Array(64)] = signatures
    const forged = assemble([feePayer, solanaWallets.alice.sign(messageBytes)], messageBytes)
    return was.with({ transaction: Buffer.from(forged).toString('base64') })
  },
  secrets(headers) {
    const { transaction } = transacted.parse(opened(headers).payload)
    const read = readTransaction(transaction)
    return [
      ...[transaction, read.messageBytes].map((bytes) => Buffer.from(bytes).toString('base64').slice(-40)),
      ...read.signatures.slice(1).map((signature) => getBase58Decoder().decode(signature).slice(0, 40)),
      ...(memosOf(read)?.split('] ').slice(1) ?? []),
    ]
  },
}

/** The one list: a further kind of network is one more entry. */
export const KIND = { eip155: EVM, solana: SOLANA } as const

/** Every kind of network. */
export const KINDS = (['eip155', 'solana'] as const).map((name) => ({ name, kind: KIND[name] }))

/** Every version on every kind of network. */
export const CELLS = KINDS.flatMap((each) => VERSIONS.map((version) => ({ version, ...each })))
