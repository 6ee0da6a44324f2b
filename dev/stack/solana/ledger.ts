// What has landed on the chain, in order, with the state before and after each transaction: so the chain can be shown as
// of any slot, and a fork can take transactions back.
import { createHash, createPublicKey, verify } from 'node:crypto'
import { getBase58Decoder, getBase58Encoder } from '@solana/kit'
import type { Clock } from './clock.ts'
import { isWritable, type Transaction } from './message.ts'
import type { Account, Outcome, TransactionError, Vm } from './vm.ts'

/** A transaction that is in a block. `before` and `after`: the accounts it names, in its order. */
export type Landed = Outcome & {
  transaction: Transaction
  /** The first signature, which names it. */
  signature: string
  slot: number
  fee: bigint
  before: (Account | null)[]
  after: (Account | null)[]
}

export type Ledger = {
  /** All that has landed, the oldest first. */
  landed: readonly Landed[]
  /** The state as of the end of this slot. */
  account(address: string, slot: number): Account | null
  /** Why this transaction cannot land at this slot, by a node that knows everything up to it. */
  problem(transaction: Transaction, slot: number): TransactionError | null
  /** What would become of it as of this slot; its signatures are not looked at. */
  simulate(transaction: Transaction, slot: number): Outcome & { after: Map<string, Account | null> }
  /** Puts it into a block, or says why it cannot land. */
  land(transaction: Transaction): TransactionError | null
  /** Gives an account something, as if it had always had it. */
  amend(address: string, change: (account: Account | null) => Account): void
  /** Takes back whatever landed in this slot or later. */
  fork(since: number): Landed[]
}

export function startLedger(vm: Vm, clock: Clock): Ledger {
  const landed: Landed[] = []

  function account(address: string, slot: number): Account | null {
    for (const one of landed) {
      if (one.slot <= slot) continue
      const place = one.transaction.keys.indexOf(address)
      if (place !== -1) return one.before[place] ?? null
    }
    return vm.account(address)
  }

  function problem(transaction: Transaction, slot: number): TransactionError | null {
    const validUntil = clock.lastValidHeight(transaction.blockhash, slot)
    if (validUntil === null || clock.height(slot) > validUntil) return 'BlockhashNotFound'
    const message = messageHash(transaction)
    const isKnown = landed.some((one) => one.slot <= slot && messageHash(one.transaction) === message)
    return isKnown ? 'AlreadyProcessed' : null
  }

  const states = ({ keys }: Transaction) => keys.map((key) => vm.account(key))

  const ledger: Ledger = {
    landed,
    account,
    problem,
    simulate(transaction, slot) {
      const since = landed.filter((one) => one.slot > slot)
      const changed = transaction.keys
        .filter((key) => since.some((one) => one.transaction.keys.includes(key)))
        .map((key) => ({ key, now: vm.account(key), asOf: account(key, slot) }))
        .filter(({ now }) => !now?.executable)
      vm.setTime(slot, clock.time(slot))
      for (const { key, asOf } of changed) vm.setAccount(key, asOf)
      try {
        return vm.simulate(transaction.bytes, transaction.version)
      } finally {
        for (const { key, now } of changed) vm.setAccount(key, now)
      }
    },
    land(transaction) {
      if (!isSigned(transaction)) return 'SignatureFailure'
      if (transaction.lookupTables > 0) return 'AddressLookupTableNotFound'
      const slot = clock.next()
      const wrong = problem(transaction, slot)
      if (wrong !== null) return wrong
      const before = states(transaction)
      vm.setTime(slot, clock.time(slot))
      const outcome = vm.execute(transaction.bytes, transaction.version)
      const after = states(transaction)
      const paid = (before[0]?.lamports ?? 0n) > (after[0]?.lamports ?? 0n)
      // What fails before it runs pays nothing, and is in no block.
      if (outcome.err !== null && !paid) return outcome.err
      const [first] = transaction.signatures
      const signature = getBase58Decoder().decode(first ?? new Uint8Array())
      landed.push({ ...outcome, transaction, signature, slot: clock.open(), fee: feeOf(transaction), before, after })
      return null
    },
    amend(address, change) {
      for (const { transaction, before, after } of landed) {
        const place = transaction.keys.indexOf(address)
        if (place === -1) continue
        before[place] = change(before[place] ?? null)
        after[place] = change(after[place] ?? null)
      }
      vm.setAccount(address, change(vm.account(address)))
    },
    fork(since) {
      const lost = landed.filter(({ slot }) => slot >= since)
      for (const { transaction, before } of lost.toReversed()) {
        for (const [place, key] of transaction.keys.entries()) {
          if (isWritable(transaction, place)) vm.setAccount(key, before[place] ?? null)
        }
      }
      landed.splice(landed.length - lost.length)
      clock.fork(since)
      return lost
    },
  }
  return ledger
}

const LAMPORTS_PER_SIGNATURE = 5_000n
const COMPUTE_BUDGET = 'ComputeBudget111111111111111111111111111111'
/** Without a limit of its own each instruction but those of the compute budget is counted with so many units. */
const UNITS_PER_INSTRUCTION = 200_000n
const MICRO_LAMPORTS = 1_000_000n

/** The fee of a transaction in lamports: by its signatures, and by the price it offers for each unit of its limit. */
export function feeOf({ header, keys, instructions }: Pick<Transaction, 'header' | 'keys' | 'instructions'>): bigint {
  let price = 0n
  let limit: bigint | undefined
  const others = instructions.filter(({ program }) => keys[program] !== COMPUTE_BUDGET).length
  for (const { program, data } of instructions) {
    if (keys[program] !== COMPUTE_BUDGET) continue
    const bytes = Buffer.from(data)
    if (bytes[0] === 2 && bytes.length === 5) limit = BigInt(bytes.readUInt32LE(1))
    if (bytes[0] === 3 && bytes.length === 9) price = bytes.readBigUInt64LE(1)
  }
  const units = limit ?? BigInt(others) * UNITS_PER_INSTRUCTION
  return BigInt(header.signers) * LAMPORTS_PER_SIGNATURE + (price * units + MICRO_LAMPORTS - 1n) / MICRO_LAMPORTS
}

const hashes = new WeakMap<Transaction, string>()

/** By this a chain knows that it has processed a transaction: what is signed, and not by which signatures. */
function messageHash(transaction: Transaction): string {
  const known = hashes.get(transaction)
  if (known !== undefined) return known
  const hash = createHash('sha256').update(transaction.messageBytes).digest('hex')
  hashes.set(transaction, hash)
  return hash
}

/** Whether each signer has signed, the fee payer too. Real nodes refuse keys of small order as well. */
export function isSigned({ signatures, messageBytes, keys }: Transaction): boolean {
  return signatures.every((signature, place) => {
    const x = Buffer.from(getBase58Encoder().encode(keys[place] ?? '')).toString('base64url')
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    return verify(null, messageBytes, key, signature)
  })
}
