// What a node is asked: parameters are read here, and refused in a node's own words.
import { getBase58Encoder } from '@solana/kit'
import * as z from 'zod'
import { COMMITMENTS } from './clock.ts'
import { assemble, readTransaction, type Transaction } from './message.ts'
import { ENCODINGS, TRANSACTION_ENCODINGS } from './shapes.ts'

const MAX_TRANSACTION_BYTES = 1_232
const MAX_LIMIT = 1_000

/** An answer that is an error. */
export class RpcError extends Error {
  readonly code: number
  readonly data: unknown
  constructor(code: number, message: string, data?: unknown) {
    super(message)
    this.code = code
    this.data = data
  }
}

export const invalid = (message: string) => new RpcError(-32602, message)

const base58Of = (length: number, what: string) =>
  z.string().refine((text) => {
    try {
      return getBase58Encoder().encode(text).length === length
    } catch {
      return false
    }
  }, `Invalid param: ${what}`)
export const pubkey = base58Of(32, 'Invalid')
export const signatureText = base58Of(64, 'Invalid')
export const slotNumber = z.int().nonnegative()
const config = { commitment: z.enum(COMMITMENTS).default('finalized'), minContextSlot: slotNumber.optional() }
export const bankConfig = z.object(config).prefault({})
export const accountConfig = z
  .object({
    ...config,
    encoding: z.enum(ENCODINGS).optional(),
    dataSlice: z.object({ offset: slotNumber, length: slotNumber }).optional(),
  })
  .prefault({})
const wireEncoding = z.enum(['base58', 'base64']).default('base58')
export const sendConfig = z
  .object({
    encoding: wireEncoding,
    skipPreflight: z.boolean().default(false),
    preflightCommitment: config.commitment,
    minContextSlot: config.minContextSlot,
    maxRetries: slotNumber.optional(),
  })
  .prefault({})
export const simulateConfig = z
  .object({
    ...config,
    encoding: wireEncoding,
    sigVerify: z.boolean().default(false),
    replaceRecentBlockhash: z.boolean().default(false),
    innerInstructions: z.boolean().default(false),
    accounts: z.object({ addresses: z.array(pubkey), encoding: z.enum(ENCODINGS).optional() }).optional(),
  })
  .prefault({})
export const historyConfig = z
  .object({
    ...config,
    limit: z.int().min(1).max(MAX_LIMIT).default(MAX_LIMIT),
    before: signatureText.optional(),
    until: signatureText.optional(),
  })
  .prefault({})
const plainTransactionConfig = z.object({
  commitment: config.commitment,
  encoding: z.enum(TRANSACTION_ENCODINGS).default('json'),
  maxSupportedTransactionVersion: z.int().optional(),
})

const DEFAULTS: z.infer<typeof plainTransactionConfig> = { commitment: 'finalized', encoding: 'json' }

/** The encoding alone may stand where the options do. */
const textAsConfig = z
  .enum(TRANSACTION_ENCODINGS)
  .transform((encoding) => ({ ...DEFAULTS, encoding, maxSupportedTransactionVersion: undefined }))

export const transactionConfig = z.union([plainTransactionConfig, textAsConfig]).default(DEFAULTS)

export function read<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const result = schema.safeParse(value ?? undefined)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const where = issue && issue.path.length > 0 ? ` (${issue.path.join('.')})` : ''
  throw invalid(`${issue?.message ?? 'Invalid params'}${where}`)
}

export function decode(text: string, encoding: 'base58' | 'base64'): Transaction {
  const bytes = readWire(() =>
    encoding === 'base64'
      ? Buffer.from(z.base64().parse(text), 'base64')
      : Uint8Array.from(getBase58Encoder().encode(text)),
  )
  if (bytes.length > MAX_TRANSACTION_BYTES) {
    const limit = `${bytes.length} bytes (max: ${MAX_TRANSACTION_BYTES} bytes)`
    throw invalid(`decoded solana_transaction::versioned::VersionedTransaction too large: ${limit}`)
  }
  const transaction = readWire(() => readTransaction(new Uint8Array(bytes)))
  const { header, signatures, keys, lookupTables, instructions, messageBytes } = transaction
  const isSound =
    signatures.length === header.signers &&
    header.signers > header.readOnlySigners &&
    header.signers + header.readOnly <= keys.length &&
    new Set(keys).size === keys.length &&
    instructions.every(({ program, accounts }) => program > 0 && [program, ...accounts].every((at) => at < keys.length))
  if (!isSound) throw invalid('invalid transaction: Transaction failed to sanitize accounts offsets correctly')
  if (lookupTables > 0) {
    throw invalid("invalid transaction: Transaction loads an address table account that doesn't exist")
  }
  return { ...transaction, bytes: assemble(signatures, messageBytes) }
}

export function readWire<Value>(decodeIt: () => Value): Value {
  try {
    return decodeIt()
  } catch {
    throw invalid('failed to deserialize solana_transaction::versioned::VersionedTransaction')
  }
}
