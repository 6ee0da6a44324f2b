// A chain with one EIP-3009 token, which Permit2 moves too: blocks by the clock, transactions of several calls, receipts, logs
// and reorganisations. It proves no signatures: what has been authorized is a set. What is true on it, a judge asks here.

import { EXACT_PROXY } from '../../src/networks/permit2.ts'
import { chainIdOf } from '../../src/x402/assets.ts'
import type { Authorization, Permit } from '../../src/x402/payment.ts'
import { usdcOn } from '../world/usdc.ts'
import type { World } from './clock.ts'

const USED = '0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5'
const CANCELED = '0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81'
const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'

/** One call of a transaction. `isTry`: if it fails, the others stand. */
export type Call =
  | { kind: 'pay'; authorization: Authorization; isTry?: boolean }
  | { kind: 'cancel'; from: string; nonce: string; isTry?: boolean }
  /** A permit, used by the exact proxy. `isWrapped`: another contract calls it, and nobody can read that. */
  | { kind: 'permit'; permit: Permit; isWrapped?: boolean; isTry?: boolean }
  /** Permit2's bit of a nonce is set by something else, and no log tells of it. */
  | { kind: 'spend'; from: string; nonce: bigint; isTry?: boolean }
  /** An ordinary transfer, which spends no nonce. */
  | { kind: 'transfer'; from: string; to: string; value: bigint; isTry?: boolean }
  /** A log of any contract; without an address it is the token's. */
  | { kind: 'log'; address?: string; topics: string[]; data?: string; isTry?: boolean }
  | { kind: 'revert'; isTry?: boolean }

export type Log = { address: string; topics: string[]; data: string }
export type PlacedLog = Log & {
  logIndex: number
  blockNumber: number
  blockHash: string
  transactionHash: string
  transactionIndex: number
}
export type Block = { number: number; hash: string; timestampSeconds: number; transactions: string[] }
export type Receipt = {
  transactionHash: string
  transactionIndex: number
  blockNumber: number
  blockHash: string
  isSuccess: boolean
  logs: PlacedLog[]
}

/** What became of an authorization's nonce. `position`: where its log stands among all logs of the receipt. */
export type Fate =
  | { kind: 'unused' }
  | { kind: 'moved'; to: string; value: bigint; transaction: string; position: number; block: number }
  | { kind: 'cancelled'; transaction: string; position: number; block: number }

/** Where a transaction of a dropped block goes: a block of the new branch, back to the pool, or nowhere. */
export type Place = number | 'pool' | 'lost'

export type ChainOptions = {
  /** CAIP-2; its token is the one of `src/x402/assets.ts`. */
  network: string
  blockMs: number
  /** How many blocks there are when the world begins. */
  startBlock?: number
  /** The chain's clock less ours, in seconds. */
  skewSeconds?: number
  /** A strange token: its logs of one payment in another order. */
  isReversed?: boolean
}

type Transaction = { hash: string; calls: Call[]; block: number | null; timer: { cancel(): void } | null }
type Executed = { hash: string; index: number; isSuccess: boolean; logs: PlacedLog[] }
type Use = {
  kind: 'moved' | 'cancelled'
  to: string
  value: bigint
  transaction: string
  position: number
  block: number
}

export type Chain = ReturnType<typeof createChain>

/** `settle` of the exact proxy; `settleWithPermit` has an approval of five words in front. */
const SETTLE = '0x13cd3b53'
const SETTLE_WITH_PERMIT = '0xfa340378'
const APPROVAL = '7'.repeat(5 * 64)
/** Some contract that calls others. */
const ROUTER = `0x${'dd'.repeat(20)}`
const PROXY_EVENT = `0x${'5e'.repeat(32)}`

const START_BLOCK = 1_000_000
const word = (hex: string) => hex.slice(2).toLowerCase().padStart(64, '0')
const topic = (hex: string) => `0x${word(hex)}`
const amount = (value: bigint) => topic(`0x${value.toString(16)}`)
const useKey = (from: string, nonce: string) => `${from}|${nonce}`.toLowerCase()
/** What tells a permit from others of its payer on a chain, and from an authorization. */
export const permitMark = (nonce: bigint) => `permit ${nonce}`

export function createChain(world: World, options: ChainOptions) {
  const { network, blockMs, startBlock = START_BLOCK, skewSeconds = 0, isReversed = false } = options
  const asset = usdcOn(network)
  const token = asset.asset.toLowerCase()
  const startMs = world.now()
  const chance = world.random.fork(`chain ${network}`)

  const authorized = new Set<string>()
  const permitted = new Set<string>()
  const funded = new Map<string, bigint>()
  const known = new Map<string, Transaction>()
  /** What has been decided, by block; most blocks are empty and not in here. */
  let decided = new Map<number, { transactions: Executed[]; logs: number }>()
  let executed = new Map<string, { block: number; done: Executed }>()
  let balances = new Map<string, bigint>()
  let uses = new Map<string, Use>()
  /** From which block on the hashes are those of which branch. */
  const branches: { from: number; name: string }[] = [{ from: 0, name: '00' }]
  const waiting = new Map<string, ((receipt: Receipt) => void)[]>()

  const headNumber = () => startBlock + Math.floor((world.now() - startMs) / blockMs)
  const timeOf = (number: number) => Math.floor((startMs + (number - startBlock) * blockMs) / 1000) + skewSeconds
  const hashOf = (number: number) => {
    const branch = branches.findLast(({ from }) => from <= number)?.name ?? '00'
    return `0x${branch}${number.toString(16).padStart(62, '0')}`
  }

  const keyOf = ({ from, to, value, validAfter, validBefore, nonce }: Authorization) =>
    [from, to, value, validAfter, validBefore, nonce].join('|').toLowerCase()

  const permitKey = ({ from, asset, value, spender, nonce, deadline, to, validAfter }: Permit) =>
    [from, asset, value, spender, nonce, deadline, to, validAfter].join('|').toLowerCase()
  const inputOf = ({ asset, value, nonce, deadline, from, to, validAfter }: Permit) => {
    const number = (value: bigint) => word(`0x${value.toString(16)}`)
    const words = [
      word(asset),
      number(value),
      number(nonce),
      number(deadline),
      word(from),
      word(to),
      number(validAfter),
    ]
    // Some facilitators bring an approval along.
    const start = nonce % 3n === 0n ? SETTLE_WITH_PERMIT + APPROVAL : SETTLE
    return `${start}${words.join('')}${'0'.repeat(64)}`
  }

  /** What a call leaves behind; null when it reverts. Nothing is changed before all of it is known. */
  const effectOf = (
    call: Call,
    seconds: number,
    hash: string,
    number: number,
  ): { logs: Log[]; apply: (position: number) => void } | null => {
    const balance = (address: string) => balances.get(address.toLowerCase()) ?? 0n
    const move = (from: string, to: string, value: bigint) => {
      balances.set(from.toLowerCase(), balance(from) - value)
      balances.set(to.toLowerCase(), balance(to) + value)
    }
    const transferLog = (from: string, to: string, value: bigint): Log => ({
      address: token,
      topics: [TRANSFER, topic(from), topic(to)],
      data: amount(value),
    })
    switch (call.kind) {
      case 'revert':
        return null
      case 'log': {
        const { address = token, topics, data = '0x' } = call
        return { logs: [{ address, topics, data }], apply: () => {} }
      }
      case 'transfer': {
        const { from, to, value } = call
        if (balance(from) < value) return null
        return { logs: [transferLog(from, to, value)], apply: () => move(from, to, value) }
      }
      case 'cancel': {
        const key = useKey(call.from, call.nonce)
        if (uses.has(key)) return null
        const log = { address: token, topics: [CANCELED, topic(call.from), call.nonce.toLowerCase()], data: '0x' }
        const use = { kind: 'cancelled' as const, to: '', value: 0n, transaction: hash, block: number }
        return { logs: [log], apply: (position) => uses.set(key, { ...use, position }) }
      }
      case 'pay': {
        const { from, to, value, validAfter, validBefore, nonce } = call.authorization
        const key = useKey(from, nonce)
        const isInTime = BigInt(seconds) > validAfter && BigInt(seconds) < validBefore
        if (uses.has(key) || !isInTime || balance(from) < value || !authorized.has(keyOf(call.authorization)))
          return null
        const used = { address: token, topics: [USED, topic(from), nonce.toLowerCase()], data: '0x' }
        const logs = isReversed ? [transferLog(from, to, value), used] : [used, transferLog(from, to, value)]
        const use = { kind: 'moved' as const, to: to.toLowerCase(), value, transaction: hash, block: number }
        return {
          logs,
          apply(position) {
            uses.set(key, { ...use, position: position + logs.indexOf(used) })
            move(from, to, value)
          },
        }
      }
      case 'spend': {
        const key = useKey(call.from, permitMark(call.nonce))
        if (uses.has(key)) return null
        const use = { kind: 'cancelled' as const, to: '', value: 0n, transaction: hash, block: number }
        return { logs: [], apply: (position) => uses.set(key, { ...use, position }) }
      }
      case 'permit': {
        const { from, to, value, nonce, deadline, validAfter } = call.permit
        const key = useKey(from, permitMark(nonce))
        const isInTime = BigInt(seconds) >= validAfter && BigInt(seconds) <= deadline
        if (uses.has(key) || !isInTime || balance(from) < value || !permitted.has(permitKey(call.permit))) return null
        // By the rules of the room a call that nobody can read pays for nothing.
        const kind = call.isWrapped ? ('cancelled' as const) : ('moved' as const)
        const use = { kind, to: to.toLowerCase(), value, transaction: hash, block: number }
        const event = { address: EXACT_PROXY, topics: [PROXY_EVENT], data: '0x' }
        return {
          logs: [transferLog(from, to, value), event],
          apply(position) {
            uses.set(key, { ...use, position })
            move(from, to, value)
          },
        }
      }
    }
  }

  const execute = (transaction: Transaction, number: number) => {
    const block = decided.get(number) ?? { transactions: [], logs: 0 }
    decided.set(number, block)
    const { hash } = transaction
    const index = block.transactions.length
    const before = { uses: new Map(uses), balances: new Map(balances) }
    let logs: Log[] = []
    let isSuccess = true
    for (const call of transaction.calls) {
      const effect = effectOf(call, timeOf(number), hash, number)
      if (effect) {
        effect.apply(logs.length)
        logs.push(...effect.logs)
      } else if (!call.isTry) {
        isSuccess = false
        logs = []
        uses = before.uses
        balances = before.balances
        break
      }
    }
    const placed = logs.map((log, i) => ({
      ...log,
      logIndex: block.logs + i,
      blockNumber: number,
      blockHash: hashOf(number),
      transactionHash: hash,
      transactionIndex: index,
    }))
    block.logs += logs.length
    const done = { hash, index, isSuccess, logs: placed }
    block.transactions.push(done)
    executed.set(hash, { block: number, done })
    transaction.block = number
    world.note(`${network} block ${number}: ${hash} ${isSuccess ? 'succeeds' : 'reverts'}`)
    for (const tell of waiting.get(hash)?.splice(0) ?? []) tell(receiptOf(hash) ?? lostReceipt(hash))
  }

  /** Puts a transaction into a block some time from now; at least into the next one. */
  const include = (transaction: Transaction, afterMs: number) => {
    const number = startBlock + Math.floor((world.now() + afterMs - startMs) / blockMs) + 1
    const atMs = startMs + (number - startBlock) * blockMs
    transaction.block = null
    transaction.timer = world.after(atMs - world.now(), `${network} includes ${transaction.hash}`, () => {
      transaction.timer = null
      execute(transaction, number)
    })
  }

  const receiptOf = (hash: string): Receipt | null => {
    const found = executed.get(hash.toLowerCase())
    if (!found) return null
    const { block, done } = found
    return {
      transactionHash: done.hash,
      transactionIndex: done.index,
      blockNumber: block,
      blockHash: hashOf(block),
      isSuccess: done.isSuccess,
      logs: done.logs,
    }
  }
  const lostReceipt = (hash: string): Receipt => {
    throw new Error(`${hash} was executed and has no receipt`)
  }

  const fateOf = (from: string, nonce: string): Fate => {
    const use = uses.get(useKey(from, nonce))
    if (!use) return { kind: 'unused' }
    const { transaction, position, block } = use
    if (use.kind === 'cancelled') return { kind: 'cancelled', transaction, position, block }
    return { kind: 'moved', to: use.to, value: use.value, transaction, position, block }
  }

  return {
    network,
    chainId: chainIdOf(network),
    blockMs,
    /** The token's address, in lower case. */
    token,
    /** Gives tokens out of nowhere; they outlast reorganisations. */
    fund(address: string, value: bigint): void {
      const key = address.toLowerCase()
      funded.set(key, (funded.get(key) ?? 0n) + value)
      balances.set(key, (balances.get(key) ?? 0n) + value)
    },
    balance: (address: string) => balances.get(address.toLowerCase()) ?? 0n,
    /** Its `from` has signed this: anybody may send it. One nonce may be signed more than once. */
    authorize(authorization: Authorization): void {
      authorized.add(keyOf(authorization))
    },
    isAuthorized: (authorization: Authorization) => authorized.has(keyOf(authorization)),
    /** The same for a permit. */
    permit(permit: Permit): void {
      permitted.add(permitKey(permit))
    },
    isPermitted: (permit: Permit) => permitted.has(permitKey(permit)),
    /** Sends a transaction, which is in a block `afterMs` from now at the earliest. Its hash, at once. */
    send(calls: Call[], afterMs = 0): string {
      const hash = chance.hex(32)
      const transaction: Transaction = { hash, calls, block: null, timer: null }
      known.set(hash, transaction)
      world.note(`${network} gets ${hash}: ${calls.map(({ kind }) => kind).join(' ')}`)
      include(transaction, afterMs)
      return hash
    },
    /** Resolves when a transaction is in a block for the first time; never, for one that is lost. */
    included: (hash: string): Promise<Receipt> =>
      new Promise((resolve) => {
        const receipt = receiptOf(hash)
        if (receipt) return resolve(receipt)
        const told = waiting.get(hash) ?? []
        told.push(resolve)
        waiting.set(hash, told)
      }),
    headNumber,
    block: (number: number): Block | null =>
      number < 0 || number > headNumber()
        ? null
        : {
            number,
            hash: hashOf(number),
            timestampSeconds: timeOf(number),
            transactions: (decided.get(number)?.transactions ?? []).map(({ hash }) => hash),
          },
    /** Whether a nonce was used or cancelled as of a block. */
    isUsed(from: string, nonce: string, atBlock: number): boolean {
      const use = uses.get(useKey(from, nonce))
      return use !== undefined && use.block <= atBlock
    },
    /** 256 nonces of Permit2 as of a block: the bits that are set. */
    nonceBits(from: string, place: bigint, atBlock: number): bigint {
      let bits = 0n
      for (const [key, { block }] of uses) {
        const [owner, mark = ''] = key.split('|')
        const nonce = /^permit (\d+)$/.exec(mark)?.[1]
        if (owner !== from.toLowerCase() || nonce === undefined || block > atBlock) continue
        if (BigInt(nonce) >> 8n === place) bits |= 1n << (BigInt(nonce) & 255n)
      }
      return bits
    },
    /** What a transaction calls; null for one that is in no block. */
    called(hash: string): { to: string; input: string } | null {
      const [call, ...more] = executed.has(hash.toLowerCase()) ? (known.get(hash.toLowerCase())?.calls ?? []) : []
      if (!call) return null
      if (call.kind !== 'permit' || more.length > 0) return { to: ROUTER, input: '0x' }
      // A contract may be called with the very words, and do something else.
      return { to: call.isWrapped ? ROUTER : EXACT_PROXY, input: inputOf(call.permit) }
    },
    receipt: receiptOf,
    logs(fromBlock: number, toBlock: number): PlacedLog[] {
      const blocks = [...decided.keys()]
        .filter((number) => number >= fromBlock && number <= toBlock)
        .sort((a, b) => a - b)
      return blocks.flatMap((number) => decided.get(number)?.transactions.flatMap(({ logs }) => logs) ?? [])
    },
    /**
     * Drops the last blocks, and makes others at the same heights. `place` says where each of their transactions goes;
     * a block it names lies behind the fork and is not later than the head.
     */
    reorganise(depth: number, place: (hash: string, block: number) => Place): void {
      const fork = headNumber() - depth
      branches.push({ from: fork + 1, name: branches.length.toString(16).padStart(2, '0') })
      world.note(`${network} drops ${depth} blocks`)
      const moved: { transaction: Transaction; to: number }[] = []
      for (const [number, { transactions }] of [...decided].sort(([a], [b]) => a - b)) {
        for (const { hash } of transactions) {
          const transaction = known.get(hash)
          if (!transaction) continue
          if (number <= fork) {
            moved.push({ transaction, to: number })
            continue
          }
          const to = place(hash, number)
          transaction.block = null
          if (typeof to === 'number') moved.push({ transaction, to: Math.min(Math.max(to, fork + 1), headNumber()) })
          else if (to === 'pool') include(transaction, 0)
        }
      }
      decided = new Map()
      executed = new Map()
      uses = new Map()
      balances = new Map(funded)
      for (const { transaction, to } of moved.sort((a, b) => a.to - b.to)) execute(transaction, to)
    },
    /** What is true, for a judge. */
    truth: {
      fateOf,
      /** Everything that moved, by nonce. */
      moves: (): {
        from: string
        nonce: string
        to: string
        value: bigint
        transaction: string
        position: number
        block: number
      }[] =>
        [...uses].flatMap(([key, use]) => {
          const [from = '', nonce = ''] = key.split('|')
          const { to, value, transaction, position, block } = use
          return use.kind === 'moved' ? [{ from, nonce, to, value, transaction, position, block }] : []
        }),
      /** Whether an authorization could still be used in a later block. */
      mayLand: ({ from, nonce, validBefore }: Authorization) =>
        fateOf(from, nonce).kind === 'unused' && BigInt(timeOf(headNumber() + 1)) < validBefore,
      mayPermitLand: ({ from, nonce, deadline }: Permit) =>
        fateOf(from, permitMark(nonce)).kind === 'unused' && BigInt(timeOf(headNumber() + 1)) <= deadline,
    },
  }
}
