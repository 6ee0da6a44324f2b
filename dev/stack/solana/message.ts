// Transactions of Solana as bytes: puts a message together, and reads one. Knows no account and no chain.
import {
  getBase58Encoder,
  getCompiledTransactionMessageDecoder,
  getCompiledTransactionMessageEncoder,
  getShortU16Encoder,
  getTransactionDecoder,
} from '@solana/kit'

/** One account of an instruction. */
export type Meta = { address: string; isSigner?: boolean; isWritable?: boolean }
export type Instruction = { program: string; accounts?: readonly Meta[]; data: Uint8Array }
export type Plan = {
  version: 'legacy' | 0
  feePayer: string
  /** In the order in which they run. */
  instructions: readonly Instruction[]
  blockhash: string
}

/** A message to sign, and who signs it: the fee payer first, then the rest in this order. */
export type Compiled = { message: Uint8Array; signers: string[] }

const base58 = getBase58Encoder()
const short = getShortU16Encoder()

/** Puts a message together as wallets do: writable signers first, then other signers, writable accounts, the rest. */
export function compile({ version, feePayer, instructions, blockhash }: Plan): Compiled {
  const known = new Map<string, { isSigner: boolean; isWritable: boolean }>([
    [feePayer, { isSigner: true, isWritable: true }],
  ])
  for (const { program, accounts = [] } of instructions) {
    for (const { address, isSigner = false, isWritable = false } of [...accounts, { address: program }]) {
      const other = known.get(address)
      known.set(address, {
        isSigner: isSigner || (other?.isSigner ?? false),
        isWritable: isWritable || (other?.isWritable ?? false),
      })
    }
  }
  const pick = (isSigner: boolean, isWritable: boolean) =>
    [...known].filter(([, one]) => one.isSigner === isSigner && one.isWritable === isWritable).map(([key]) => key)
  const readOnlySigners = pick(true, false)
  const signers = [...pick(true, true), ...readOnlySigners]
  const readOnly = pick(false, false)
  const keys = [...signers, ...pick(false, true), ...readOnly]
  const message = Buffer.concat([
    Uint8Array.from([
      ...(version === 0 ? [0x80] : []),
      signers.length,
      readOnlySigners.length,
      readOnly.length,
      ...short.encode(keys.length),
    ]),
    ...keys.map((key) => Uint8Array.from(base58.encode(key))),
    Uint8Array.from(base58.encode(blockhash)),
    Uint8Array.from(short.encode(instructions.length)),
    ...instructions.map(({ program, accounts = [], data }) =>
      Uint8Array.from([
        keys.indexOf(program),
        ...short.encode(accounts.length),
        ...accounts.map(({ address }) => keys.indexOf(address)),
        ...short.encode(data.length),
        ...data,
      ]),
    ),
    // No lookup tables.
    Uint8Array.from(version === 0 ? [0] : []),
  ])
  return { message: new Uint8Array(message), signers }
}

/** A transaction: its signatures in the order of the signers, then the message. */
export const assemble = (signatures: readonly Uint8Array[], message: Uint8Array): Uint8Array =>
  new Uint8Array(Buffer.concat([Uint8Array.from(short.encode(signatures.length)), ...signatures, message]))

/** A signature that is not there yet. */
export const UNSIGNED = new Uint8Array(64)

/** A transaction, read. */
export type Transaction = {
  bytes: Uint8Array
  signatures: Uint8Array[]
  messageBytes: Uint8Array
  version: 'legacy' | 0
  header: { signers: number; readOnlySigners: number; readOnly: number }
  keys: string[]
  blockhash: string
  instructions: { program: number; accounts: number[]; data: Uint8Array }[]
  lookupTables: number
}

/** Reads a message alone. Throws where it is none. */
export function readMessage(bytes: Uint8Array): Omit<Transaction, 'bytes' | 'signatures'> {
  const message = getCompiledTransactionMessageDecoder().decode(bytes)
  if (message.version !== 'legacy' && message.version !== 0) throw new Error('not a version of today')
  const { header, staticAccounts, instructions } = message
  return {
    // As a node writes it again: what stands behind it, or is spelt otherwise, was not signed by anybody.
    messageBytes: Uint8Array.from(getCompiledTransactionMessageEncoder().encode(message)),
    version: message.version,
    header: {
      signers: header.numSignerAccounts,
      readOnlySigners: header.numReadonlySignerAccounts,
      readOnly: header.numReadonlyNonSignerAccounts,
    },
    keys: [...staticAccounts],
    blockhash: message.lifetimeToken,
    instructions: instructions.map(({ programAddressIndex, accountIndices = [], data = [] }) => ({
      program: programAddressIndex,
      accounts: [...accountIndices],
      data: Uint8Array.from(data),
    })),
    lookupTables: 'addressTableLookups' in message ? (message.addressTableLookups?.length ?? 0) : 0,
  }
}

/** Reads a transaction as a node does. Throws where it is none. */
export function readTransaction(bytes: Uint8Array): Transaction {
  const message = readMessage(Uint8Array.from(getTransactionDecoder().decode(bytes).messageBytes))
  const count = bytes[0] ?? 0
  const signatures = Array.from({ length: count }, (_, i) => bytes.slice(1 + i * 64, 65 + i * 64))
  return { bytes, signatures, ...message }
}

/** Whether the transaction may write to the account at this place. */
export function isWritable({ header, keys }: Pick<Transaction, 'header' | 'keys'>, place: number): boolean {
  const { signers, readOnlySigners, readOnly } = header
  return place < signers ? place < signers - readOnlySigners : place < keys.length - readOnly
}
