// A paying client for Solana written by hand from the protocol's text. It shares no code with the worker, and with the stock
// packages only how addresses are spelt. It can do any one thing wrong.
import * as z from 'zod'
import { assemble, compile, type Instruction, type Meta, UNSIGNED } from '../../dev/stack/solana/message.ts'
import { MEMO_PROGRAM, TOKEN_PROGRAM } from '../../dev/stack/solana/shapes.ts'
import { type SolanaWallet, solanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK, SOLANA_USDC, type Solana } from '../../dev/stack/solana.ts'
import { type Answer, decodeHeader } from './answer.ts'
import { HEADERS, type Version } from './payer.ts'

const digits = z.string().regex(/^(?:0|[1-9][0-9]*)$/)
const terms = {
  scheme: z.literal('exact'),
  network: z.string(),
  asset: z.string(),
  payTo: z.string(),
  maxTimeoutSeconds: z.number(),
  extra: z.looseObject({ feePayer: z.string(), memo: z.string().optional() }),
}
const termsV2 = z.looseObject({ ...terms, amount: digits })
const termsV1 = z.looseObject({ ...terms, maxAmountRequired: digits })
const onSolana = ({ network }: { network: string }) => network.startsWith('solana')
const offers = z.array(z.looseObject({ network: z.string() })).transform((all) => all.filter(onSolana))
const named = z.looseObject({ info: z.looseObject({}) })
const challengeV2 = z.looseObject({
  x402Version: z.literal(2),
  resource: z.looseObject({ url: z.string() }),
  accepts: offers.pipe(z.array(termsV2)),
  extensions: z.record(z.string(), named).default({}),
})
const challengeV1 = z.looseObject({
  x402Version: z.literal(1),
  accepts: offers.pipe(z.array(termsV1)),
  paymentId: z.string().optional(),
})

/** What a 402 offers on Solana, in both versions. */
export type SolanaChallenge = { v1: z.infer<typeof challengeV1>; v2: z.infer<typeof challengeV2> }

/** Reads the offers on Solana of a 402. */
export const solanaChallenge = (answer: Answer): SolanaChallenge => ({
  v1: challengeV1.parse(answer.json),
  v2: challengeV2.parse(decodeHeader(answer.header('PAYMENT-REQUIRED') ?? '')),
})

/** A challenge that no site made: this amount of USDC to the publisher, with the first fee payer. */
export function solanaTerms(amount: bigint, memo = 'a memo of no site'): SolanaChallenge {
  const shared = {
    scheme: 'exact' as const,
    asset: SOLANA_USDC,
    payTo: solanaWallets.publisher.address,
    maxTimeoutSeconds: 60,
    extra: { feePayer: solanaWallets.feePayers[0].address, memo },
  }
  const resource = { url: 'https://news.example/articles/hello', description: 'An article', mimeType: 'text/html' }
  const v2 = { ...shared, network: SOLANA_NETWORK, amount: amount.toString() }
  const v1 = { ...shared, network: 'solana-devnet', maxAmountRequired: amount.toString(), outputSchema: {} }
  return {
    v2: { x402Version: 2, resource, accepts: [v2], extensions: {} },
    v1: { x402Version: 1, accepts: [{ ...v1, ...resource, resource: resource.url }] },
  }
}

/** What an honest client would not do. Each knob changes one thing. */
export type SolanaChange = {
  /** Which of the offers on Solana to pay; the first. */
  offer?: number
  amount?: bigint
  decimals?: number
  mint?: string
  /** Token accounts. */
  source?: string
  destination?: string
  /** Whose money it is; the reader's. */
  authority?: string
  feePayer?: string
  /** `null`: no memo. */
  memo?: string | Uint8Array | null
  unitLimit?: number
  unitPrice?: bigint
  /** A v0 message, unless told otherwise. */
  message?: 'legacy' | 0
  blockhash?: string
  /** Instructions put in, left out or moved about. The honest ones: limit, price, transfer, memo. */
  instructions?: (honest: Instruction[]) => Instruction[]
  /** Who signs, of those who have to; the reader. */
  signers?: readonly SolanaWallet[]
  /** The message, changed before it is signed. */
  signed?: (honest: Uint8Array) => Uint8Array
  /** The whole transaction, changed after it was signed. */
  sent?: (honest: Uint8Array) => Uint8Array
  /** Fields of `accepted` (v2), or of the payment itself (v1), which are what the client says it agreed to. */
  accepted?: Record<string, unknown>
  /** Fields of the payment; `undefined` removes one. */
  payment?: Record<string, unknown>
  /** What goes out as the header; standard base64 otherwise. */
  encode?: (json: string) => string
  /** Whether the quote is echoed: `extensions` in v2, `paymentId` in v1. It is. */
  echo?: boolean
  /** `payment-identifier`. */
  identifier?: string
}

const COMPUTE_BUDGET = 'ComputeBudget111111111111111111111111111111'
/** As the stock clients have them. */
const UNIT_LIMIT = 20_000
const UNIT_PRICE = 1n

function limitUnits(units: number): Instruction {
  const data = Buffer.alloc(5)
  data[0] = 2
  data.writeUInt32LE(units, 1)
  return { program: COMPUTE_BUDGET, data }
}

function priceUnits(microLamports: bigint): Instruction {
  const data = Buffer.alloc(9)
  data[0] = 3
  data.writeBigUInt64LE(microLamports, 1)
  return { program: COMPUTE_BUDGET, data }
}

/** `TransferChecked` of the token program. */
export function transferChecked(
  { source, mint, destination, authority }: Record<'source' | 'mint' | 'destination' | 'authority', string>,
  amount: bigint,
  decimals = 6,
): Instruction {
  const data = Buffer.alloc(10)
  data[0] = 12
  data.writeBigUInt64LE(amount, 1)
  data[9] = decimals
  const accounts: Meta[] = [
    { address: source, isWritable: true },
    { address: mint },
    { address: destination, isWritable: true },
    { address: authority, isSigner: true },
  ]
  return { program: TOKEN_PROGRAM, accounts, data }
}

/** A memo, as an instruction of its own. */
export const memoOf = (text: string | Uint8Array): Instruction => ({
  program: MEMO_PROGRAM,
  data: typeof text === 'string' ? new TextEncoder().encode(text) : text,
})

const latest = z.object({ result: z.object({ value: z.object({ blockhash: z.string() }) }) })

/** The blockhash that a wallet would take from this node. */
export async function latestBlockhash(rpcUrl: string): Promise<string> {
  const body = '{"jsonrpc":"2.0","id":1,"method":"getLatestBlockhash","params":[{"commitment":"confirmed"}]}'
  const reply = await fetch(rpcUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return latest.parse(await reply.json()).result.value.blockhash
}

/** Builds and signs the transaction for one of the offers: as it is sent, with the fee payer's signature left open. */
export async function signSolana(
  chain: Pick<Solana, 'rpcUrl' | 'tokenAccount'>,
  challenge: SolanaChallenge,
  reader: SolanaWallet,
  change: SolanaChange = {},
): Promise<Uint8Array> {
  const wanted = challenge.v2.accepts[change.offer ?? 0]
  if (!wanted) throw new Error(`the challenge has no offer ${change.offer ?? 0} on Solana`)
  const { mint = wanted.asset, memo = wanted.extra.memo ?? 'a memo of the client' } = change
  const accounts = {
    source: change.source ?? (await chain.tokenAccount(reader.address, mint)),
    mint,
    destination: change.destination ?? (await chain.tokenAccount(wanted.payTo, mint)),
    authority: change.authority ?? reader.address,
  }
  const honest = [
    limitUnits(change.unitLimit ?? UNIT_LIMIT),
    priceUnits(change.unitPrice ?? UNIT_PRICE),
    transferChecked(accounts, change.amount ?? BigInt(wanted.amount), change.decimals),
    ...(memo === null ? [] : [memoOf(memo)]),
  ]
  const { message, signers } = compile({
    version: change.message ?? 0,
    feePayer: change.feePayer ?? wanted.extra.feePayer,
    instructions: change.instructions?.(honest) ?? honest,
    blockhash: change.blockhash ?? (await latestBlockhash(chain.rpcUrl)),
  })
  const toSign = change.signed?.(message) ?? message
  const wallets = change.signers ?? [reader]
  const signatures = signers.map(
    (signer) => wallets.find(({ address }) => address === signer)?.sign(toSign) ?? UNSIGNED,
  )
  const transaction = assemble(signatures, toSign)
  return change.sent?.(transaction) ?? transaction
}

/** The JSON of a payment with this transaction. */
export function paymentOf(
  version: Version,
  { v1, v2 }: SolanaChallenge,
  transaction: Uint8Array,
  { offer = 0, accepted, payment, echo = true, identifier }: SolanaChange = {},
): Record<string, unknown> {
  const payload = { transaction: Buffer.from(transaction).toString('base64') }
  const named = v2.extensions['payment-identifier']
  const own =
    identifier === undefined ? {} : { 'payment-identifier': { ...named, info: { ...named?.info, id: identifier } } }
  if (version === 'v1') {
    return {
      x402Version: 1,
      scheme: 'exact',
      network: v1.accepts[offer]?.network,
      ...accepted,
      payload,
      ...(echo && v1.paymentId !== undefined ? { paymentId: v1.paymentId } : {}),
      ...(identifier === undefined ? {} : { extensions: own }),
      ...payment,
    }
  }
  return {
    x402Version: 2,
    resource: v2.resource,
    accepted: { ...v2.accepts[offer], ...accepted },
    payload,
    extensions: { ...(echo ? v2.extensions : {}), ...own },
    ...payment,
  }
}

/** The header of a payment with this transaction. */
export function wrapSolana(
  version: Version,
  challenge: SolanaChallenge,
  transaction: Uint8Array,
  change: SolanaChange = {},
): Record<string, string> {
  const json = JSON.stringify(paymentOf(version, challenge, transaction, change))
  const encode = change.encode ?? ((text: string) => Buffer.from(text).toString('base64'))
  return { [HEADERS[version]]: encode(json) }
}

/** Signs and wraps: the header that pays for what was asked. */
export async function paySolana(
  version: Version,
  chain: Pick<Solana, 'rpcUrl' | 'tokenAccount'>,
  challenge: SolanaChallenge,
  reader: SolanaWallet,
  change: SolanaChange = {},
): Promise<Record<string, string>> {
  return wrapSolana(version, challenge, await signSolana(chain, challenge, reader, change), change)
}

let readers = 0

/** A reader nobody has seen before, with a dollar or with what is given: the first of every run is the same. */
export async function solanaReader(
  chain: Pick<Solana, 'fund'>,
  atomicUnits = 1_000_000n,
  mint = SOLANA_USDC,
): Promise<SolanaWallet> {
  readers += 1
  const wallet = solanaWallet(`reader ${readers}`)
  if (atomicUnits > 0n) await chain.fund(wallet.address, atomicUnits, mint)
  return wallet
}
