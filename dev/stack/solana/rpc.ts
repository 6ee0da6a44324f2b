// The JSON-RPC of the local Solana: what a node says of it, method by method, with a node's own errors. What a node does
// wrong is set in `Faults`.
import { getBase58Decoder } from '@solana/kit'
import * as z from 'zod'
import {
  accountConfig,
  bankConfig,
  decode,
  historyConfig,
  invalid,
  pubkey,
  RpcError,
  read,
  readWire,
  sendConfig,
  signatureText,
  simulateConfig,
  slotNumber,
  transactionConfig,
} from './asked.ts'
import { type Clock, COMMITMENTS, type Commitment } from './clock.ts'
import { feeOf, isSigned, type Landed, type Ledger } from './ledger.ts'
import { readMessage, type Transaction } from './message.ts'
import {
  accountJson,
  type Decimals,
  errorSentence,
  memosOf,
  readMint,
  readToken,
  TOKEN_2022_PROGRAM,
  TOKEN_PROGRAM,
  tokenAmount,
  transactionJson,
} from './shapes.ts'
import type { Account, Vm } from './vm.ts'

/** What the node does wrong. Each can be set while it runs. */
export type Faults = {
  /** So many slots behind: all its answers are as of then. What it is sent reaches the chain all the same. */
  lag: number
  /** Transactions and blocks of older slots are gone from it. */
  prunedBelow: number
  /** It keeps no history of transactions at all: -32011. */
  keepsNoHistory: boolean
  leavesOutMemos: boolean
  /** What it is sent stays with it until `release`. */
  holdsBack: boolean
}

export type Node = {
  clock: Clock
  ledger: Ledger
  vm: Vm
  faults: Faults
  /** Sent, and held back. */
  held: Transaction[]
  airdrop(address: string, lamports: bigint): string
}

/** devnet's, by which wallets and `doctor` know the network. */
export const GENESIS_HASH = 'EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG'
const VERSION = '3.1.8'
const SLOTS_IN_EPOCH = 432_000
/** A node that is further behind says that it is unhealthy. */
const HEALTHY_SLOTS_BEHIND = 128
/** Without `searchTransactionHistory` only the newest slots are looked at. */
const RECENT_SLOTS = 300
/** An hour before the chain began: whoever asks whether all of the last minutes is kept has to hear that it is. */
const SLOTS_BEFORE = 9_000
const MAX_SIGNATURES_ASKED = 256
const MAX_ACCOUNTS_ASKED = 100
const MAX_BASE58_BYTES = 128

export type Methods = Record<string, (params: unknown[]) => unknown>

/** The methods of a node, by name. Each reads its own parameters; what is wrong with them is -32602. */
export function methodsOf(node: Node): Methods {
  const { clock, ledger, vm, faults } = node

  const bank = (commitment: Commitment, minContextSlot = 0): number => {
    const slot = clock.slotAt(commitment, faults.lag)
    if (slot < minContextSlot) {
      throw new RpcError(-32016, 'Minimum context slot has not been reached', { contextSlot: slot })
    }
    return slot
  }
  const bankOf = (params: unknown[], place: number) => {
    const { commitment, minContextSlot } = read(bankConfig, params[place])
    return bank(commitment, minContextSlot)
  }
  const inContext = (slot: number, value: unknown) => ({ context: { apiVersion: VERSION, slot }, value })
  const firstBlock = () => Math.max(clock.firstSlot - SLOTS_BEFORE, faults.prunedBelow)
  const decimals: Decimals = (mint) => readMint(vm.account(mint))?.decimals ?? 0

  function history(commitment: Commitment, minContextSlot?: number): Landed[] {
    if (faults.keepsNoHistory) throw new RpcError(-32011, 'Transaction history is not available from this node')
    if (commitment === 'processed') throw invalid('Method does not support commitment below `confirmed`')
    const newest = bank(commitment, minContextSlot)
    return ledger.landed.filter(({ slot }) => slot <= newest && slot >= faults.prunedBelow)
  }

  const statusOf = (slot: number): Commitment =>
    COMMITMENTS.findLast((commitment) => slot <= clock.slotAt(commitment, faults.lag)) ?? 'processed'

  function checkHealth(): void {
    if (faults.lag <= HEALTHY_SLOTS_BEHIND) return
    throw new RpcError(-32005, `Node is behind by ${faults.lag} slots`, { numSlotsBehind: faults.lag })
  }

  const accountAnswer = (account: Account | null, options: z.infer<typeof accountConfig>) => {
    if (account === null) return null
    const { encoding, dataSlice } = options
    const isLong = (dataSlice?.length ?? account.data.length) > MAX_BASE58_BYTES
    if (isLong && (encoding === undefined || encoding === 'base58')) {
      const message = 'Encoded binary (base 58) data should be less than 128 bytes, please use Base64 encoding.'
      throw new RpcError(-32600, message)
    }
    return accountJson(account, encoding, dataSlice, decimals)
  }

  function tokenAccount(address: string, slot: number) {
    const token = readToken(ledger.account(address, slot))
    if (!token) throw invalid('Invalid param: could not find account')
    return token
  }

  /** What a transaction comes to as of a slot: its lifetime and the chain's memory first, then the programs. */
  function simulate(transaction: Transaction, slot: number, checksLifetime: boolean) {
    const err = checksLifetime ? ledger.problem(transaction, slot) : null
    return err === null
      ? ledger.simulate(transaction, slot)
      : { err, logs: [], units: 0, inner: [], after: new Map<string, Account | null>() }
  }

  return {
    getHealth() {
      checkHealth()
      return 'ok'
    },
    getVersion: () => ({ 'feature-set': 3_640_012_085, 'solana-core': VERSION }),
    getGenesisHash: () => GENESIS_HASH,
    getSlot: (params) => bankOf(params, 0),
    getBlockHeight: (params) => clock.height(bankOf(params, 0)),
    getEpochInfo(params) {
      const absoluteSlot = bankOf(params, 0)
      return {
        absoluteSlot,
        blockHeight: clock.height(absoluteSlot),
        epoch: Math.floor(absoluteSlot / SLOTS_IN_EPOCH),
        slotIndex: absoluteSlot % SLOTS_IN_EPOCH,
        slotsInEpoch: SLOTS_IN_EPOCH,
        transactionCount: ledger.landed.length,
      }
    },
    getBlockTime([first]) {
      const slot = read(slotNumber, first)
      if (slot < firstBlock()) {
        const message = `Block ${slot} cleaned up, does not exist on node. First available block: ${firstBlock()}`
        throw new RpcError(-32001, message)
      }
      if (slot > bank('processed')) throw new RpcError(-32004, `Block not available for slot ${slot}`)
      if (clock.isSkipped(slot)) {
        throw new RpcError(-32007, `Slot ${slot} was skipped, or missing due to ledger jump to recent snapshot`)
      }
      return clock.time(slot)
    },
    getFirstAvailableBlock: firstBlock,
    minimumLedgerSlot: firstBlock,
    getLatestBlockhash(params) {
      const slot = bankOf(params, 0)
      const blockhash = clock.blockhash(slot)
      return inContext(slot, { blockhash, lastValidBlockHeight: clock.lastValidHeight(blockhash, slot) })
    },
    isBlockhashValid(params) {
      const slot = bankOf(params, 1)
      const validUntil = clock.lastValidHeight(read(pubkey, params[0]), slot)
      return inContext(slot, validUntil !== null && clock.height(slot) <= validUntil)
    },
    getAccountInfo([first, second]) {
      const options = read(accountConfig, second)
      const slot = bank(options.commitment, options.minContextSlot)
      return inContext(slot, accountAnswer(ledger.account(read(pubkey, first), slot), options))
    },
    getMultipleAccounts([first, second]) {
      const options = read(accountConfig, second)
      const slot = bank(options.commitment, options.minContextSlot)
      const addresses = read(z.array(pubkey), first)
      if (addresses.length > MAX_ACCOUNTS_ASKED) {
        throw invalid(`Too many inputs provided; max ${MAX_ACCOUNTS_ASKED}`)
      }
      const accounts = addresses.map((address) => accountAnswer(ledger.account(address, slot), options))
      return inContext(slot, accounts)
    },
    getBalance(params) {
      const slot = bankOf(params, 1)
      return inContext(slot, ledger.account(read(pubkey, params[0]), slot)?.lamports ?? 0n)
    },
    getTokenAccountBalance(params) {
      const slot = bankOf(params, 1)
      const { amount, mint } = tokenAccount(read(pubkey, params[0]), slot)
      return inContext(slot, tokenAmount(amount, decimals(mint)))
    },
    getTokenAccountsByOwner([first, second, third]) {
      const owner = read(pubkey, first)
      const filter = read(z.union([z.object({ mint: pubkey }), z.object({ programId: pubkey })]), second)
      const options = read(accountConfig, third)
      const slot = bank(options.commitment, options.minContextSlot)
      const programs = 'programId' in filter ? [filter.programId] : [TOKEN_PROGRAM, TOKEN_2022_PROGRAM]
      const found = programs
        .flatMap((program) => vm.accountsOf(program))
        .flatMap((address) => {
          const account = ledger.account(address, slot)
          const token = readToken(account)
          const fits = token?.owner === owner && (!('mint' in filter) || token.mint === filter.mint)
          return fits ? [{ account: accountAnswer(account, options), pubkey: address }] : []
        })
      return inContext(slot, found)
    },
    getMinimumBalanceForRentExemption: ([first]) => vm.rent(read(slotNumber, first)),
    getFeeForMessage(params) {
      const slot = bankOf(params, 1)
      const message = readWire(() => readMessage(Buffer.from(read(z.base64(), params[0]), 'base64')))
      const isAlive = clock.lastValidHeight(message.blockhash, slot) !== null
      return inContext(slot, isAlive ? feeOf(message) : null)
    },
    requestAirdrop: ([first, second]) => node.airdrop(read(pubkey, first), BigInt(read(slotNumber, second))),
    simulateTransaction([first, second]) {
      const options = read(simulateConfig, second)
      const slot = bank(options.commitment, options.minContextSlot)
      if (options.sigVerify && options.replaceRecentBlockhash) {
        throw invalid('sigVerify may not be used with replaceRecentBlockhash')
      }
      const transaction = decode(read(z.string(), first), options.encoding)
      const isForged = options.sigVerify && !isSigned(transaction)
      const result = isForged
        ? { err: 'SignatureFailure', logs: [], units: 0, inner: [], after: new Map<string, Account | null>() }
        : simulate(transaction, slot, !options.replaceRecentBlockhash)
      const blockhash = clock.blockhash(slot)
      const { accounts } = options
      const asked = accounts?.addresses.map((address) => {
        const account = result.after.get(address) ?? ledger.account(address, slot)
        return accountAnswer(account, { commitment: 'finalized', encoding: accounts.encoding ?? 'base64' })
      })
      return inContext(slot, {
        accounts: result.err === null ? (asked ?? null) : null,
        err: result.err,
        innerInstructions: options.innerInstructions ? innerOf(result.inner) : null,
        logs: result.logs,
        replacementBlockhash: options.replaceRecentBlockhash
          ? { blockhash, lastValidBlockHeight: clock.lastValidHeight(blockhash, slot) }
          : null,
        returnData: null,
        unitsConsumed: result.units,
      })
    },
    sendTransaction([first, second]) {
      const options = read(sendConfig, second)
      const transaction = decode(read(z.string(), first), options.encoding)
      const slot = bank(options.preflightCommitment, options.minContextSlot)
      if (!options.skipPreflight) {
        if (!isSigned(transaction)) throw new RpcError(-32003, 'Transaction signature verification failure')
        checkHealth()
        const { err, logs, units, inner } = simulate(transaction, slot, true)
        if (err !== null) {
          const data = { accounts: null, err, innerInstructions: null, logs, returnData: null, unitsConsumed: units }
          const message = `Transaction simulation failed: ${errorSentence(err)}`
          throw new RpcError(-32002, message, {
            ...data,
            ...(inner.length > 0 && { innerInstructions: innerOf(inner) }),
          })
        }
      }
      // A node passes on what it is sent, and answers with its name: whether it lands is another question.
      if (faults.holdsBack) node.held.push(transaction)
      else ledger.land(transaction)
      return getBase58Decoder().decode(transaction.signatures[0] ?? new Uint8Array())
    },
    getSignatureStatuses([first, second]) {
      const signatures = read(z.array(signatureText), first)
      const { searchTransactionHistory } = read(
        z.object({ searchTransactionHistory: z.boolean().default(false) }).prefault({}),
        second,
      )
      if (signatures.length > MAX_SIGNATURES_ASKED) {
        throw invalid(`Too many inputs provided; max ${MAX_SIGNATURES_ASKED}`)
      }
      if (searchTransactionHistory && faults.keepsNoHistory) {
        throw new RpcError(-32011, 'Transaction history is not available from this node')
      }
      const newest = bank('processed')
      const value = signatures.map((signature) => {
        const found = ledger.landed.find((one) => one.signature === signature && one.slot <= newest)
        if (!found) return null
        const isRecent = found.slot > newest - RECENT_SLOTS
        if (!isRecent && (!searchTransactionHistory || found.slot < faults.prunedBelow)) return null
        const { slot, err } = found
        const confirmationStatus = statusOf(slot)
        const confirmations = confirmationStatus === 'finalized' ? null : newest - slot
        return { confirmationStatus, confirmations, err, slot, status: err === null ? { Ok: null } : { Err: err } }
      })
      return inContext(newest, value)
    },
    getSignaturesForAddress([first, second]) {
      const address = read(pubkey, first)
      const options = read(historyConfig, second)
      const all = history(options.commitment, options.minContextSlot).toReversed()
      const start = options.before === undefined ? 0 : all.findIndex((one) => one.signature === options.before) + 1
      // Nothing is older than a transaction that this node does not know.
      if (options.before !== undefined && start === 0) return []
      const end = options.until === undefined ? -1 : all.findIndex((one) => one.signature === options.until)
      return all
        .slice(start, end === -1 ? undefined : end)
        .filter(({ transaction }) => transaction.keys.includes(address))
        .slice(0, options.limit)
        .map(({ signature, slot, err, transaction }) => ({
          blockTime: clock.time(slot),
          confirmationStatus: statusOf(slot),
          err,
          memo: faults.leavesOutMemos ? null : memosOf(transaction),
          signature,
          slot,
        }))
    },
    getTransaction([first, second]) {
      const options = read(transactionConfig, second)
      const signature = read(signatureText, first)
      const found = history(options.commitment).find((one) => one.signature === signature)
      if (!found) return null
      const { encoding, maxSupportedTransactionVersion: most } = options
      const { version } = found.transaction
      if (version !== 'legacy' && (most === undefined || version > most)) {
        const message =
          `Transaction version (${version}) is not supported by the requesting client. Please try the request again ` +
          `with the following configuration parameter: "maxSupportedTransactionVersion": ${version}`
        throw new RpcError(-32015, message)
      }
      const blockTime = clock.time(found.slot)
      return transactionJson(found, encoding, { blockTime, asksVersions: most !== undefined, decimals })
    },
  }
}

const innerOf = (inner: Landed['inner']) =>
  inner.map(({ index, instructions }) => ({
    index,
    instructions: instructions.map(({ program, accounts, data, stackHeight }) => ({
      accounts,
      data: getBase58Decoder().decode(data),
      programIdIndex: program,
      stackHeight,
    })),
  }))
