// The payload of `exact` on Solana (scheme_exact_svm.md): one transfer of tokens, read strictly from the bytes of a
// transaction. One payment has one spelling. Nothing is proven here: `networks/solana.ts` checks the signatures.
import { fail, ok, type Result } from '../errors.ts'
import { decodeBytes, encodePadded } from './base64.ts'
import { type Instruction, type Message, parseMessage, SIGNATURE_BYTES, splitTransaction } from './svm-message.ts'

/** A transfer of tokens on Solana, partially signed: well-formed, nothing about it proven. */
export type SvmTransfer = {
  kind: 'svm'
  /** What is signed: the message, in base64. */
  message: string
  /**
   * The signatures in base64, 64 bytes each in the order of the signers. The first, the fee payer's, is zeros: the
   * facilitator writes it.
   */
  signature: string
  /** Base58, account 0. */
  feePayer: string
  /** Base58: the authority of the transfer. */
  payer: string
  /** Base58: the token account it is taken from. */
  source: string
  mint: string
  /** A token account. */
  destination: string
  amount: bigint
  decimals: number
  /** Printable ASCII; '' where it carries none. */
  memo: string
  /** Place of the transfer among the instructions. */
  position: number
}

/** The classic token program. Token-2022 has fees and hooks, which change what a transfer is. */
export const TOKEN_PROGRAM = 'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA'
export const COMPUTE_BUDGET_PROGRAM = 'ComputeBudget111111111111111111111111111111'
/** The one memo program facilitators know. The older one has another address. */
export const MEMO_PROGRAM = 'MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr'
/** Wallets add its assertions, which let a transaction fail and never change what it does. */
export const LIGHTHOUSE_PROGRAM = 'L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95'

/** What fits into a packet of Solana's network. */
const LARGEST_TRANSACTION = 1232
/** 1,232 bytes in base64, padded. */
const LONGEST_BASE64 = 1644

const SET_COMPUTE_UNIT_LIMIT = 2
/** A u32 behind the kind. */
const LIMIT_BYTES = 5
const SET_COMPUTE_UNIT_PRICE = 3
/** A u64 behind the kind. */
const PRICE_BYTES = 9
/** Micro-lamports for a unit: what the reference facilitator pays at most. */
const HIGHEST_UNIT_PRICE = 5_000_000n
const TRANSFER_CHECKED = 12
/** The kind, a u64 and the decimals. */
const TRANSFER_BYTES = 10
/** Behind the two that set the compute budget. */
const TRANSFER_POSITION = 2
/** Instructions of wallets, and the memo, behind the transfer. */
const MOST_BEHIND = 4
/** Lighthouse's first two instructions, `MemoryWrite` and `MemoryClose`, create and close accounts. The rest assert. */
const FIRST_ASSERTION = 2
/** Printable ASCII, 100 at most. */
const MEMO = /^[\x20-\x7e]{1,100}$/

/** From the base64 of a transaction as a client sends it. The error says where it is wrong, and none of its values. */
export function readTransaction(base64: string): Result<SvmTransfer, string> {
  const bytes = bytesOf(base64)
  if (bytes === null) return fail('the transaction is not base64 of at most 1,232 bytes')
  const split = splitTransaction(bytes)
  return split.ok ? readParts(split.value.signatures, split.value.message) : split
}

/** From what is stored: the same checks, but that its signatures may be gone (''). */
export function readMessage(message: string, signature: string): Result<SvmTransfer, string> {
  const signed = bytesOf(message)
  if (signed === null) return fail('the message is not base64')
  if (signature === '') {
    const parsed = parseMessage(signed)
    return parsed.ok ? readSigned(signed, parsed.value, '') : parsed
  }
  const signatures = bytesOf(signature)
  return signatures === null ? fail('the signatures are not base64') : readParts(signatures, signed)
}

/** Base64 of the whole transaction, as a facilitator is sent it. */
export function transactionOf({ message, signature }: Pick<SvmTransfer, 'message' | 'signature'>): string {
  const signatures = storedBytes(signature)
  // The number of signatures is below 128, so that it is one byte.
  return encodePadded(Uint8Array.of(signatures.length / SIGNATURE_BYTES, ...signatures, ...storedBytes(message)))
}

/** The bytes that are signed. */
export const signedBytes = ({ message }: Pick<SvmTransfer, 'message'>): Uint8Array<ArrayBuffer> => storedBytes(message)

/** Each signer's address and signature; the fee payer is the first. */
export function signersOf({ message, signature }: Pick<SvmTransfer, 'message' | 'signature'>) {
  const signatures = storedBytes(signature)
  const parsed = parseMessage(storedBytes(message))
  if (!parsed.ok) throw new Error(NOT_READ_HERE)
  const { addresses, signers } = parsed.value
  return addresses.slice(0, signers).map((address, i) => ({
    address,
    signature: signatures.slice(i * SIGNATURE_BYTES, (i + 1) * SIGNATURE_BYTES),
  }))
}

const NOT_READ_HERE = 'a transfer was not made by readTransaction or readMessage; make it there'

function storedBytes(base64: string): Uint8Array<ArrayBuffer> {
  const bytes = bytesOf(base64)
  if (bytes === null) throw new Error(NOT_READ_HERE)
  return bytes
}

function readParts(given: Uint8Array, signed: Uint8Array): Result<SvmTransfer, string> {
  const signatures = Uint8Array.from(given)
  if (1 + signatures.length + signed.length > LARGEST_TRANSACTION) {
    return fail('the transaction is larger than 1,232 bytes')
  }
  const parsed = parseMessage(signed)
  if (!parsed.ok) return parsed
  const { signers } = parsed.value
  if (signatures.length !== signers * SIGNATURE_BYTES) return fail('the message asks for another number of signatures')
  // Whoever sends the payment may write anything here, and it would be another spelling of the same payment.
  signatures.fill(0, 0, SIGNATURE_BYTES)
  for (let i = 1; i < signers; i += 1) {
    const own = signatures.subarray(i * SIGNATURE_BYTES, (i + 1) * SIGNATURE_BYTES)
    if (own.every((byte) => byte === 0)) return fail('a signer other than the fee payer has not signed')
  }
  return readSigned(signed, parsed.value, encodePadded(signatures))
}

function readSigned(signed: Uint8Array, message: Message, signature: string): Result<SvmTransfer, string> {
  const transfer = transferIn(message)
  return transfer.ok ? ok({ kind: 'svm', message: encodePadded(signed), signature, ...transfer.value }) : transfer
}

/** The one transfer, between a compute budget and a memo, where nothing else is done. */
function transferIn(message: Message): Result<Omit<SvmTransfer, 'kind' | 'message' | 'signature'>, string> {
  const { instructions, addresses, signers } = message
  const [limit, price] = instructions
  if (!limit || !isBudget(limit, SET_COMPUTE_UNIT_LIMIT, LIMIT_BYTES)) {
    return fail('instruction 0 is not SetComputeUnitLimit; write it first')
  }
  if (!price || !isBudget(price, SET_COMPUTE_UNIT_PRICE, PRICE_BYTES)) {
    return fail('instruction 1 is not SetComputeUnitPrice; write it second')
  }
  if (bigAt(price.data, 1) > HIGHEST_UNIT_PRICE) return fail('the compute unit price is above 5,000,000 micro-lamports')
  // The facilitator signs for the fee payer: an instruction that names it could spend what it has.
  if (instructions.some(({ accounts }) => accounts.includes(0))) return fail('an instruction names the fee payer')

  const transfer = instructions[TRANSFER_POSITION]
  if (!transfer || transfer.program !== TOKEN_PROGRAM) {
    return fail('instruction 2 is not of the classic token program; transfer there')
  }
  const { accounts, data } = transfer
  if (data[0] !== TRANSFER_CHECKED || data.length !== TRANSFER_BYTES)
    return fail('instruction 2 is not TransferChecked')
  const [source, mint, destination, authority] = accounts
  if (source === undefined || mint === undefined || destination === undefined || authority === undefined) {
    return fail('the transfer has fewer than four accounts')
  }
  if (accounts.length !== 4) return fail('the transfer has more than four accounts')
  // A transfer to where it comes from succeeds and moves nothing.
  if (new Set(accounts).size !== 4) return fail('the transfer names an account twice')
  if (authority >= signers) return fail('the authority of the transfer does not sign')
  if (!message.isWritable(source) || !message.isWritable(destination)) {
    return fail('a token account of the transfer is read-only')
  }
  const amount = bigAt(data, 1)
  if (amount === 0n) return fail('the transfer is of nothing')

  const memo = memoIn(instructions.slice(TRANSFER_POSITION + 1), signers)
  if (!memo.ok) return memo
  const named = (account: number) => addresses[account] ?? ''
  return ok({
    feePayer: named(0),
    payer: named(authority),
    source: named(source),
    mint: named(mint),
    destination: named(destination),
    amount,
    decimals: data[9] ?? 0,
    memo: memo.value,
    position: TRANSFER_POSITION,
  })
}

const isBudget = ({ program, accounts, data }: Instruction, kind: number, length: number): boolean =>
  program === COMPUTE_BUDGET_PROGRAM && data[0] === kind && data.length === length && accounts.length === 0

/** The memo among what follows the transfer, which is one memo and assertions of wallets. */
function memoIn(behind: readonly Instruction[], signers: number): Result<string, string> {
  if (behind.length > MOST_BEHIND) return fail('more than four instructions follow the transfer')
  const memos = behind.filter(({ program }) => program === MEMO_PROGRAM)
  for (const { program, data } of behind) {
    const isAssertion = program === LIGHTHOUSE_PROGRAM && (data[0] ?? 0) >= FIRST_ASSERTION
    if (program !== MEMO_PROGRAM && !isAssertion) {
      return fail('an instruction behind the transfer is neither a memo nor an assertion of Lighthouse')
    }
  }
  const [memo] = memos
  if (memos.length > 1) return fail('the transaction has more than one memo')
  // The legacy client writes none.
  if (memo === undefined) return ok('')
  // The memo program fails where an account has not signed, and does nothing else with it.
  if (memo.accounts.some((account) => account >= signers)) return fail('the memo names an account that does not sign')
  const text = String.fromCharCode(...memo.data)
  return MEMO.test(text) ? ok(text) : fail('the memo is not 1 to 100 characters of printable ASCII')
}

/** A u64 at this place, the least significant byte first. */
const bigAt = (data: Uint8Array, at: number): bigint =>
  new DataView(data.buffer, data.byteOffset, data.byteLength).getBigUint64(at, true)

/** Null for what is no base64, and for what is too long. */
const bytesOf = (base64: string): Uint8Array<ArrayBuffer> | null =>
  base64.length > LONGEST_BASE64 ? null : decodeBytes(base64)
