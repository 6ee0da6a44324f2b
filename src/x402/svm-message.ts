// A transaction of Solana as bytes: its signatures, and its message with the accounts and instructions. Strict and canonical: one
// transaction has one spelling. What the instructions do is not known here.
import { fail, ok, type Result } from '../errors.ts'
import { encodeBase58 } from './base58.ts'

/** More leave no room for a transfer. */
const MOST_SIGNERS = 12
export const SIGNATURE_BYTES = 64
const KEY_BYTES = 32
/** The first byte of a message of version 0; a legacy message begins with its number of signers, which is below. */
const VERSION_0 = 0x80

/** The accounts are places in the message's list of addresses. */
export type Instruction = { program: string; accounts: readonly number[]; data: Uint8Array }

export type Message = {
  /** Accounts before this place sign. */
  signers: number
  addresses: readonly string[]
  isWritable: (account: number) => boolean
  instructions: readonly Instruction[]
}

/** Where the signatures end and the message begins. Whether it is a message is not looked at. */
export function splitTransaction(bytes: Uint8Array): Result<{ signatures: Uint8Array; message: Uint8Array }, string> {
  const cursor = { bytes, at: 0 }
  const count = takeCount(cursor)
  const signatures = count === null ? null : take(cursor, count * SIGNATURE_BYTES)
  if (signatures === null) return fail('the transaction ends within its signatures')
  return ok({ signatures, message: bytes.subarray(cursor.at) })
}

/** A legacy message or one of version 0 without lookup tables. The error says where it is wrong. */
export function parseMessage(bytes: Uint8Array): Result<Message, string> {
  const isVersioned = (bytes[0] ?? 0) >= VERSION_0
  if (isVersioned && bytes[0] !== VERSION_0) return fail('the message is neither legacy nor version 0')
  const cursor = { bytes, at: isVersioned ? 1 : 0 }
  const [signers, readOnlySigners, readOnlyOthers] = take(cursor, 3) ?? []
  const addresses = takeEach(cursor, (at) => take(at, KEY_BYTES))?.map(encodeBase58)
  const blockhash = take(cursor, KEY_BYTES)
  const instructions = takeEach(cursor, takeInstruction)
  const isShort = !addresses || !blockhash || !instructions
  if (isShort || signers === undefined || readOnlySigners === undefined || readOnlyOthers === undefined) {
    return fail('the message ends too early, or a length in it is longer than it needs to be')
  }
  if (isVersioned && take(cursor, 1)?.[0] !== 0) {
    return fail('the message names address lookup tables, or does not say that it has none')
  }
  if (cursor.at !== bytes.length) return fail('bytes follow the message')

  if (signers < 1 || signers > MOST_SIGNERS) return fail('the message has no signer, or more than 12')
  if (readOnlySigners >= signers) return fail('the header makes the fee payer read-only')
  if (signers + readOnlyOthers > addresses.length) return fail('the header counts more accounts than there are')
  if (new Set(addresses).size < addresses.length) return fail('an account stands twice in the message')
  const named: Instruction[] = []
  for (const { programAt, accounts, data } of instructions) {
    const program = addresses[programAt]
    if (program === undefined || accounts.some((account) => account >= addresses.length)) {
      return fail('an instruction names an account that is not there')
    }
    // The fee payer, account 0, is one of them. Nobody holds the key of a program, so none has signed.
    if (programAt < signers) return fail('an instruction calls a signer as its program')
    named.push({ program, accounts, data })
  }
  const isWritable = (account: number) =>
    account < signers ? account < signers - readOnlySigners : account < addresses.length - readOnlyOthers
  return ok({ signers, addresses, isWritable, instructions: named })
}

/** Where reading stands. Each step returns null where the bytes end too early, and moves on where they do not. */
type Cursor = { readonly bytes: Uint8Array; at: number }

function take(cursor: Cursor, count: number): Uint8Array | null {
  const end = cursor.at + count
  if (end > cursor.bytes.length) return null
  const taken = cursor.bytes.subarray(cursor.at, end)
  cursor.at = end
  return taken
}

/**
 * A compact-u16: seven bits a byte, the lowest first. Null where it is longer than its number needs. One above 65,535 counts
 * more than there are bytes, which is refused where they are taken.
 */
function takeCount(cursor: Cursor): number | null {
  let count = 0
  for (const shift of [0, 7, 14]) {
    const byte = take(cursor, 1)?.[0]
    if (byte === undefined || (byte === 0 && shift > 0)) return null
    count |= (byte & 0x7f) << shift
    if (byte < 0x80) return count
  }
  return null
}

/** As many as the number in front says. */
function takeEach<Part>(cursor: Cursor, takePart: (cursor: Cursor) => Part | null): Part[] | null {
  const count = takeCount(cursor)
  if (count === null) return null
  const taken: Part[] = []
  while (taken.length < count) {
    const part = takePart(cursor)
    if (part === null) return null
    taken.push(part)
  }
  return taken
}

function takeInstruction(cursor: Cursor): { programAt: number; accounts: number[]; data: Uint8Array } | null {
  const programAt = take(cursor, 1)?.[0]
  const accounts = takeBytes(cursor)
  const data = takeBytes(cursor)
  if (programAt === undefined || accounts === null || data === null) return null
  return { programAt, accounts: [...accounts], data }
}

function takeBytes(cursor: Cursor): Uint8Array | null {
  const count = takeCount(cursor)
  return count === null ? null : take(cursor, count)
}
