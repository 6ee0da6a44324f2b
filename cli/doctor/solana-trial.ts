// A payment on Solana that is good but for the money: the transaction of a stock client, from a key that is forgotten at once.
import { generateKeyPairSync, sign } from 'node:crypto'
import * as z from 'zod'
import { associatedTokenAccount } from '../../src/networks/solana.ts'
import type { SignedPayment } from '../../src/replies.ts'
import type { SvmAsset } from '../../src/x402/assets.ts'
import { decodeBase58, encodeBase58 } from '../../src/x402/base58.ts'
import type { Offer } from '../../src/x402/payment.ts'
import { COMPUTE_BUDGET_PROGRAM, MEMO_PROGRAM, readTransaction, TOKEN_PROGRAM } from '../../src/x402/svm.ts'
import { ask, jsonIn, type Surroundings } from './asking.ts'

const latest = z.object({ result: z.object({ value: z.object({ blockhash: z.string() }) }) })

/** Null where the endpoint does not tell. */
export async function latestBlockhash(url: string, surroundings: Surroundings): Promise<string | null> {
  const json = { jsonrpc: '2.0', id: 1, method: 'getLatestBlockhash', params: [{ commitment: 'confirmed' }] }
  const reply = await ask(url, { json }, surroundings)
  return (reply.ok && latest.safeParse(jsonIn(reply.value.text)).data?.result.value.blockhash) || null
}

/** Where a public key stands in its DER form. */
const SPKI_HEAD = 12
/** What stock clients ask for. */
const UNIT_LIMIT = 20_000
const VERSION_0 = 0x80
/** Two signers; the second, and the last four accounts, are only read. */
const HEADER = [2, 1, 4]
/** The places of the accounts in the message. */
const PAYER = 1
const SOURCE = 2
const TARGET = 3
const MINT = 4
const TOKENS = 5
const BUDGET = 6
const MEMO = 7

/** The key is forgotten at once, so that nobody can ever fund it. */
export async function emptySolanaPayment(
  offer: Offer,
  { decimals }: Pick<SvmAsset, 'decimals'>,
  feePayer: string,
  blockhash: string,
): Promise<SignedPayment> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const payer = encodeBase58(publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_HEAD))
  const [source, target] = await Promise.all(
    [payer, offer.payTo].map((owner) => associatedTokenAccount(owner, offer.asset)),
  )
  const accounts = [feePayer, payer, source, target, offer.asset, TOKEN_PROGRAM, COMPUTE_BUDGET_PROGRAM, MEMO_PROGRAM]
  const message = Buffer.from([
    VERSION_0,
    ...HEADER,
    ...[accounts.length, ...accounts.flatMap(bytesOf)],
    ...bytesOf(blockhash),
    4,
    ...instruction(BUDGET, [], [2, ...littleEndian(BigInt(UNIT_LIMIT), 4)]),
    ...instruction(BUDGET, [], [3, ...littleEndian(1n, 8)]),
    ...instruction(TOKENS, [SOURCE, MINT, TARGET, PAYER], [12, ...littleEndian(offer.amount, 8), decimals]),
    ...instruction(MEMO, [], [...Buffer.from('a trial of doctor')]),
    // No lookup tables.
    0,
  ])
  const signatures = [new Uint8Array(64), sign(null, message, privateKey)]
  const transaction = Buffer.concat([Buffer.of(signatures.length), ...signatures, message])
  const transfer = readTransaction(transaction.toString('base64'))
  if (!transfer.ok) throw new Error(`the trial payment is none: ${transfer.error}`)
  return { payer, transfer: transfer.value, offer, bought: null }
}

const bytesOf = (address: string | undefined): number[] => [...(decodeBase58(address ?? '') ?? [])]

/** Everything here is shorter than 128, so that each length is one byte. */
const instruction = (program: number, accounts: readonly number[], data: readonly number[]): number[] => [
  program,
  accounts.length,
  ...accounts,
  data.length,
  ...data,
]

const littleEndian = (value: bigint, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))
