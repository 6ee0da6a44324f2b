// How a node writes accounts and transactions in JSON. Only what is asked about payments is parsed; the rest stays bytes.
import { getBase58Decoder } from '@solana/kit'
import { AccountState, getMintDecoder, getTokenDecoder } from '@solana-program/token'
import type { Landed } from './ledger.ts'
import { isWritable, type Transaction } from './message.ts'
import type { Account } from './vm.ts'

export const TOKEN_PROGRAM = 'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA'
export const TOKEN_2022_PROGRAM = 'TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb'
export const MEMO_PROGRAM = 'MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr'
const MEMO_PROGRAMS = [MEMO_PROGRAM, 'Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo']
const TOKEN_ACCOUNT_BYTES = 165
const MINT_BYTES = 82
/** What nodes answer for accounts that pay no rent. */
const NO_RENT_EPOCH = 18_446_744_073_709_551_615n
const TRANSFER_CHECKED = 12

export const ENCODINGS = ['base58', 'base64', 'jsonParsed'] as const
export type Encoding = (typeof ENCODINGS)[number]
export type Slice = { offset: number; length: number }

const base58 = (bytes: Uint8Array): string => getBase58Decoder().decode(bytes)
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** The decimals of a mint, as far as this chain has it. */
export type Decimals = (mint: string) => number

export function readToken(account: Account | null) {
  if (account === null || account.data.length !== TOKEN_ACCOUNT_BYTES) return undefined
  if (account.owner !== TOKEN_PROGRAM && account.owner !== TOKEN_2022_PROGRAM) return undefined
  const token = getTokenDecoder().decode(account.data)
  return token.state === AccountState.Uninitialized ? undefined : token
}

export function readMint(account: Account | null) {
  if (account === null || account.data.length !== MINT_BYTES) return undefined
  if (account.owner !== TOKEN_PROGRAM && account.owner !== TOKEN_2022_PROGRAM) return undefined
  return getMintDecoder().decode(account.data)
}

/** An amount in each of the ways nodes write it. */
export function tokenAmount(amount: bigint, decimals: number) {
  const digits = amount.toString().padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '')
  const text = fraction === '' ? whole : `${whole}.${fraction}`
  return { amount: amount.toString(), decimals, uiAmount: Number(text), uiAmountString: text }
}

const optional = (option: { __option: 'None' } | { __option: 'Some'; value: string }) =>
  option.__option === 'Some' ? option.value : null

function parsed(account: Account, decimals: Decimals): object | undefined {
  const program = account.owner === TOKEN_PROGRAM ? 'spl-token' : 'spl-token-2022'
  const space = account.data.length
  const token = readToken(account)
  if (token) {
    const info = {
      isNative: token.isNative.__option === 'Some',
      mint: token.mint,
      owner: token.owner,
      state: token.state === AccountState.Frozen ? 'frozen' : 'initialized',
      tokenAmount: tokenAmount(token.amount, decimals(token.mint)),
    }
    return { program, parsed: { info, type: 'account' }, space }
  }
  const mint = readMint(account)
  if (!mint) return undefined
  const info = {
    decimals: mint.decimals,
    freezeAuthority: optional(mint.freezeAuthority),
    isInitialized: mint.isInitialized,
    mintAuthority: optional(mint.mintAuthority),
    supply: mint.supply.toString(),
  }
  return { program, parsed: { info, type: 'mint' }, space }
}

/** The answer about one account; what cannot be parsed comes as base64. */
export function accountJson(account: Account, encoding: Encoding | undefined, slice: Slice | undefined, of: Decimals) {
  const { data, owner, lamports, executable } = account
  const bytes = slice ? data.slice(slice.offset, slice.offset + slice.length) : data
  const content =
    encoding === 'jsonParsed'
      ? (parsed(account, of) ?? [base64(bytes), 'base64'])
      : encoding === 'base64'
        ? [base64(bytes), 'base64']
        : encoding === 'base58'
          ? [base58(bytes), 'base58']
          : base58(bytes)
  return { data: content, executable, lamports, owner, rentEpoch: NO_RENT_EPOCH, space: data.length }
}

/** The memos of a transaction as `getSignaturesForAddress` has them: each with its length in front. */
export function memosOf({ keys, instructions }: Transaction): string | null {
  const memos = instructions
    .filter(({ program }) => MEMO_PROGRAMS.includes(keys[program] ?? ''))
    .map(({ data }) => `[${data.length}] ${textOf(data) ?? '(unparseable)'}`)
  return memos.length === 0 ? null : memos.join('; ')
}

/** Bytes as UTF-8; undefined where they are none. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

const tokenBalances = (accounts: readonly (Account | null)[], decimals: Decimals) =>
  accounts.flatMap((account, accountIndex) => {
    const token = readToken(account)
    if (!account || !token) return []
    const { mint, owner, amount } = token
    const uiTokenAmount = tokenAmount(amount, decimals(mint))
    return [{ accountIndex, mint, owner, programId: account.owner, uiTokenAmount }]
  })

type InstructionBytes = { program: number; accounts: number[]; data: Uint8Array; stackHeight?: number }

const plainInstruction = ({ program, accounts, data, stackHeight }: InstructionBytes) => ({
  accounts,
  data: base58(data),
  programIdIndex: program,
  stackHeight: stackHeight ?? 1,
})

function parsedInstruction(keys: readonly string[], { program, accounts, data, stackHeight = 1 }: InstructionBytes) {
  const programId = keys[program] ?? ''
  const named = accounts.map((place) => keys[place] ?? '')
  const memo = MEMO_PROGRAMS.includes(programId) ? textOf(data) : undefined
  if (memo !== undefined) return { parsed: memo, program: 'spl-memo', programId, stackHeight }
  const isToken = programId === TOKEN_PROGRAM || programId === TOKEN_2022_PROGRAM
  const [source, mint, destination, authority] = named
  if (isToken && data[0] === TRANSFER_CHECKED && data.length === 10 && named.length === 4) {
    const bytes = Buffer.from(data)
    const amount = tokenAmount(bytes.readBigUInt64LE(1), bytes[9] ?? 0)
    const info = { authority, destination, mint, source, tokenAmount: amount }
    const name = programId === TOKEN_PROGRAM ? 'spl-token' : 'spl-token-2022'
    return { parsed: { info, type: 'transferChecked' }, program: name, programId, stackHeight }
  }
  return { accounts: named, data: base58(data), programId, stackHeight }
}

function messageJson(transaction: Transaction, isParsed: boolean) {
  const { keys, header, blockhash, instructions, version } = transaction
  const tables = version === 0 ? { addressTableLookups: [] } : {}
  if (isParsed) {
    const accountKeys = keys.map((pubkey, place) => ({
      pubkey,
      signer: place < header.signers,
      source: 'transaction',
      writable: isWritable(transaction, place),
    }))
    const parsed = instructions.map((one) => parsedInstruction(keys, one))
    return { accountKeys, instructions: parsed, recentBlockhash: blockhash, ...tables }
  }
  return {
    accountKeys: keys,
    header: {
      numReadonlySignedAccounts: header.readOnlySigners,
      numReadonlyUnsignedAccounts: header.readOnly,
      numRequiredSignatures: header.signers,
    },
    instructions: instructions.map(plainInstruction),
    recentBlockhash: blockhash,
    ...tables,
  }
}

export const TRANSACTION_ENCODINGS = ['base58', 'base64', 'json', 'jsonParsed'] as const
export type TransactionEncoding = (typeof TRANSACTION_ENCODINGS)[number]

/** What `getTransaction` says of one that landed. `version`: whether the client asked for versions at all. */
export function transactionJson(
  landed: Landed,
  encoding: TransactionEncoding,
  { blockTime, asksVersions, decimals }: { blockTime: number; asksVersions: boolean; decimals: Decimals },
) {
  const { transaction, slot, err, fee, logs, units, before, after } = landed
  const { keys, bytes, signatures, version } = transaction
  const isParsed = encoding === 'jsonParsed'
  const inner = landed.inner.map(({ index, instructions }) => ({
    index,
    instructions: instructions.map((one) => (isParsed ? parsedInstruction(keys, one) : plainInstruction(one))),
  }))
  const lamports = (accounts: readonly (Account | null)[]) => accounts.map((account) => account?.lamports ?? 0n)
  return {
    blockTime,
    meta: {
      computeUnitsConsumed: units,
      err,
      fee,
      innerInstructions: inner,
      ...(isParsed ? {} : { loadedAddresses: { readonly: [], writable: [] } }),
      logMessages: logs,
      postBalances: lamports(after),
      postTokenBalances: tokenBalances(after, decimals),
      preBalances: lamports(before),
      preTokenBalances: tokenBalances(before, decimals),
      rewards: [],
      status: err === null ? { Ok: null } : { Err: err },
    },
    slot,
    transaction:
      encoding === 'base64'
        ? [base64(bytes), 'base64']
        : encoding === 'base58'
          ? [base58(bytes), 'base58']
          : { message: messageJson(transaction, isParsed), signatures: signatures.map(base58) },
    ...(asksVersions ? { version } : {}),
  }
}

/** Errors of transactions as nodes word them; others go by their name. */
const SENTENCES: Record<string, string> = {
  AccountNotFound: 'Attempt to debit an account but found no record of a prior credit.',
  AddressLookupTableNotFound: "Transaction loads an address table account that doesn't exist",
  AlreadyProcessed: 'This transaction has already been processed',
  BlockhashNotFound: 'Blockhash not found',
  InsufficientFundsForFee: 'Insufficient funds for fee',
  SignatureFailure: 'Transaction did not pass signature verification',
}

export function errorSentence(err: Landed['err']): string {
  if (typeof err === 'string') return SENTENCES[err] ?? err
  const failed = err?.InstructionError
  if (!Array.isArray(failed)) return JSON.stringify(err)
  const [index, what]: unknown[] = failed
  const code = typeof what === 'object' && what !== null && 'Custom' in what ? Number(what.Custom) : undefined
  const why = code === undefined ? String(what) : `custom program error: 0x${code.toString(16)}`
  return `Error processing Instruction ${String(index)}: ${why}`
}
