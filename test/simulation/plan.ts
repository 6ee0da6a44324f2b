// The plan of a history, drawn from its seed before anything happens: readers, their moods, and faults.
import type { Facilitator, Settling } from './facilitator.ts'
import { beClever, crashAll, healRpc, healSolana, reorganise, reorganiseSolana, sendPast } from './faults.ts'
import type { Judge } from './judge.ts'
import { job, month, NETWORKS, type Product, page, pass, single } from './orders.ts'
import { createRandom, type Random } from './random.ts'
import type { RpcKnobs } from './rpc.ts'
import type { Memory } from './solana-facilitator.ts'
import type { SolanaKnobs } from './solana-rpc.ts'
import { chainOf, rpcOf, type Stage } from './stage.ts'
import type { Visit } from './worker.ts'

/** Faults happen within this time. */
export const FAULTS_MS = 120_000
export const MOST_VISITS = 5
/** As many payers of a kind that one in three histories or so has one. */
const ON_SOLANA = 0.35
/** The same of readers who pay by Permit2. */
const BY_PERMIT = 0.2

export type Reader = {
  payer: number
  startMs: number
  product: Product
  network: string
  byPermit: boolean
  identifier: string | null
  windowSeconds: number
  owner: 'key' | 'code'
  visits: Visit[]
  copies: number
  /** What the reader does after an answer that is no content: each is used once. */
  moods: ('again' | 'anew' | 'more' | 'less' | 'elsewhere' | 'away' | 'other page')[]
  pausesMs: number[]
}
export type Fault = { atMs: number; name: string; act: (stage: Stage, judge: Judge) => void }
export type Plan = {
  payers: bigint[]
  /** Which of them have their money on Solana; nobody has both. */
  onSolana: boolean[]
  /** What facilitators answer to a message that comes again. */
  memory: Memory
  readers: Reader[]
  faults: Fault[]
  facilitators: 1 | 2
  quickMs: number
  /** How bad things are, from 0 to 1: of settlements, of the ledger, of the object. */
  badness: { settle: number; ledger: number; crash: number }
}

export function drawPlan(seed: string): Plan {
  const random = createRandom(`${seed}/plan`)
  const payers = random.chance(0.15) ? 2 : 1
  const paths = random.chance(0.6) ? (['/a/1'] as const) : (['/a/1', '/a/2'] as const)
  const products = (): Product => {
    const path = random.pick(paths)
    return random.pick([
      () => single(path),
      () => single(path),
      () => page(path),
      () => pass(86_400, 500_000n, path),
      () => pass(600, 200_000n, path),
      () => month(path),
      () => job(),
    ])()
  }
  const solana = createRandom(`${seed}/plan/solana`)
  const onSolana = Array.from({ length: payers }, () => solana.chance(ON_SOLANA))
  const spread = random.pick([500, 3_000, 30_000, 60_000])
  const permits = createRandom(`${seed}/plan/permits`)
  const readers = Array.from(
    { length: random.between(2, 4) },
    (): Reader => ({ ...drawReader(random, payers, products(), spread), byPermit: permits.chance(BY_PERMIT) }),
  )
  return {
    payers: Array.from({ length: payers }, () => (random.chance(0.1) ? 100_000n : 10n ** 12n)),
    onSolana,
    memory: solana.pick(['remembers', 'waits', 'simulates'] as const),
    readers,
    faults: [...drawFaults(random), ...(onSolana.includes(true) ? drawSolanaFaults(solana) : [])],
    facilitators: random.chance(0.6) ? 2 : 1,
    quickMs: random.pick([250, 2_000]),
    badness: {
      settle: random.pick([0, 0.3, 0.7]),
      ledger: random.pick([0, 0, 0.5]),
      crash: random.pick([0, 0, 0.01, 0.03]),
    },
  }
}

function drawReader(random: Random, payers: number, product: Product, spread: number): Omit<Reader, 'byPermit'> {
  const visits = Array.from({ length: MOST_VISITS }, (): Visit => {
    switch (random.between(0, 9)) {
      case 0:
        return { hangsUpAfterMs: random.between(0, 8_000) }
      case 1:
        return { diesAfterMs: random.between(0, 8_000) }
      case 2:
        return { originFails: true }
      case 3:
        return { streamMs: random.between(100, 100_000), leavesAfterMs: random.between(50, 60_000) }
      case 4:
        return { streamMs: random.between(40_000, 100_000) }
      case 5:
        return { isBlind: true }
      default:
        return {}
    }
  })
  const mood = () =>
    random.pick([
      'again',
      'again',
      'again',
      'again',
      'anew',
      'anew',
      'more',
      'less',
      'elsewhere',
      'away',
      'other page',
    ] as const)
  return {
    payer: random.between(0, payers - 1),
    startMs: random.between(0, spread),
    product,
    network: random.pick(NETWORKS),
    identifier: random.chance(0.25) ? random.hex(10) : null,
    windowSeconds: random.pick([40, 120, 300, 300, 900]),
    owner: random.chance(0.07) ? 'code' : 'key',
    visits,
    copies: random.chance(0.2) ? random.between(2, 3) : 1,
    moods: Array.from({ length: MOST_VISITS }, mood),
    pausesMs: Array.from({ length: MOST_VISITS }, () => random.pick([100, 3_000, 15_000, 40_000])),
  }
}

function drawFaults(random: Random): Fault[] {
  const faults: Fault[] = []
  const add = (name: string, act: Fault['act'], atMs = random.between(0, FAULTS_MS - 20_000)) =>
    faults.push({ atMs, name, act })
  const count = random.pick([0, 2, 4, 8])
  for (let i = 0; i < count; i++) {
    const network = random.pick(NETWORKS)
    const draw = random.fork(`fault ${i}`)
    switch (random.between(0, 9)) {
      case 0:
      case 1:
      case 2: {
        const knobs = drawRpc(draw)
        const atMs = random.chance(0.3) ? 0 : random.between(0, 60_000)
        add('the RPC changes', (stage) => void Object.assign(rpcOf(stage, network).knobs, knobs), atMs)
        add('the RPC recovers', (stage) => healRpc(rpcOf(stage, network).knobs), atMs + random.between(2_000, 59_000))
        break
      }
      case 3: {
        const which = random.between(0, 1)
        const state = draw.pick(['lost', 'silent', 'page'] as const)
        const atMs = random.between(0, 60_000)
        const set = (stage: Stage, to: Facilitator['state']) => {
          const found = stage.facilitators[which]
          if (found) found.state = to
        }
        add('a facilitator goes', (stage) => set(stage, state), atMs)
        add('a facilitator is back', (stage) => set(stage, 'up'), atMs + random.between(2_000, 59_000))
        break
      }
      case 4:
        add('the object dies', (stage) => crashAll(stage, draw))
        break
      case 5:
        add('the object is put away', (stage) => {
          for (const name of stage.objects.names()) stage.objects.evict(name)
        })
        break
      case 6:
      case 7:
        add('a chain thinks again', (stage, judge) => reorganise(chainOf(stage, network), judge, draw))
        break
      case 8:
        add('somebody sends a payment past us', (stage, judge) => sendPast(stage, judge, draw))
        break
      case 9:
        add('a wallet is clever', (stage, judge) => beClever(stage, judge, network, draw))
        break
    }
  }
  return faults
}

function drawRpc(random: Random): Partial<RpcKnobs> {
  switch (random.between(0, 8)) {
    case 0:
    case 1:
      return { state: random.pick(['lost', 'silent', 'busy', 'page'] as const) }
    case 2:
      return { lags: [0, random.between(1, 5)] }
    case 3:
      return { lags: [random.between(1, 4)], splitsBatches: true }
    case 4:
      return { lags: [0, 3, 1], splitsBatches: true }
    case 5:
      return { refusesBatches: true }
    case 6:
      return { mostBlocks: random.pick([10, 100, 1_000]) }
    case 7:
      return { dropsLogs: true }
    default:
      return { beyondHead: 'error' }
  }
}

function drawSolanaFaults(random: Random): Fault[] {
  const faults: Fault[] = []
  const add = (name: string, act: Fault['act'], atMs = random.between(0, FAULTS_MS - 20_000)) =>
    faults.push({ atMs, name, act })
  for (let i = random.pick([0, 1, 2, 4]); i > 0; i--) {
    const draw = random.fork(`fault ${i}`)
    switch (random.between(0, 4)) {
      case 0:
      case 1: {
        const knobs = drawSolanaRpc(draw)
        const atMs = random.chance(0.3) ? 0 : random.between(0, 60_000)
        add('the RPC of Solana changes', ({ solana }) => void Object.assign(solana.rpc.knobs, knobs), atMs)
        add(
          'the RPC of Solana recovers',
          ({ solana }) => healSolana(solana.rpc.knobs),
          atMs + draw.between(2_000, 59_000),
        )
        break
      }
      case 2:
      case 3:
        add('Solana thinks again', ({ solana }, judge) => reorganiseSolana(solana.chain, judge, draw))
        break
      default:
        add('a stranger sends dust', ({ solana }, judge) => {
          for (const { order } of judge.cases.values())
            if (order.kind === 'svm') solana.chain.dust(order.transfer.source, draw.between(1, 12))
        })
    }
  }
  return faults
}

function drawSolanaRpc(random: Random): Partial<SolanaKnobs> {
  switch (random.between(0, 7)) {
    case 0:
      return { state: 'lost' }
    case 1:
      return { state: random.pick(['silent', 'busy', 'page'] as const) }
    case 2:
      return { lags: [random.pick([5, 50, 500])] }
    case 3:
      return { lags: [0, 8, 40] }
    case 4:
      return { leavesOutMemos: true }
    case 5:
      return { hasNoTimes: true }
    case 6:
      return { keepsSlots: random.pick([20, 200]) }
    default:
      return { mostListed: 1 }
  }
}

/** As on EVM; and what would be a lie there is none where a facilitator cannot know better. */
export function drawMessageSettling(random: Random): Settling {
  switch (random.between(0, 3)) {
    case 0:
      return {
        kind: 'refuses',
        reason: random.pick([
          'transaction_failed',
          'invalid_exact_svm_transaction_failed',
          'settle_exact_svm_block_height_exceeded',
          'duplicate_settlement',
          'unexpected_settle_error',
        ] as const),
        ...(random.chance(0.6) ? { settlesAfterMs: random.pick([0, 3_000, 20_000]) } : {}),
      }
    case 1:
      return { kind: 'refuses', reason: 'invalid_exact_svm_transaction_simulation_failed' }
    default:
      return drawSettling(random)
  }
}

/** As of an authorization; and what a facilitator says of permits alone. */
export function drawPermitSettling(random: Random): Settling {
  switch (random.between(0, 4)) {
    case 0:
      return {
        kind: 'refuses',
        reason: random.pick(['permit2_simulation_failed', 'unexpected_settle_error', 'permit2_invalid_nonce'] as const),
        ...(random.chance(0.5) ? { settlesAfterMs: random.pick([0, 3_000, 20_000]) } : {}),
      }
    case 1:
      return { kind: 'refuses', reason: 'permit2_allowance_required' }
    default:
      return drawSettling(random)
  }
}

export function drawSettling(random: Random): Settling {
  switch (random.between(0, 11)) {
    case 0:
    case 1:
    case 2:
      return {
        kind: 'settles, but',
        reply: random.pick(['lost', 'silent', 'page'] as const),
        afterMs: random.pick([0, 4_000, 20_000]),
      }
    case 3:
    case 4:
      return {
        kind: 'nothing',
        reply: random.pick<Extract<Settling, { kind: 'nothing' }>['reply']>([
          'lost',
          'silent',
          { status: 502 },
          { status: 504 },
          { status: 429 },
        ]),
      }
    case 5:
      return { kind: 'refuses', reason: random.pick(['insufficient_funds', 'invalid_payload', 'blocked'] as const) }
    case 6:
      return { kind: 'refuses', reason: 'insufficient_funds', settlesAfterMs: random.between(0, 30_000) }
    case 7:
      return { kind: 'pending', names: random.chance(0.5), afterMs: random.pick([0, 10_000, 40_000]) }
    case 8:
      return { kind: 'pending', names: false, reason: 'unexpected_timed_out_waiting' }
    case 9:
      return { kind: 'fails on chain' }
    case 10:
      return { kind: 'refuses', reason: random.pick(['node_failure', 'transaction_simulation_failed'] as const) }
    default:
      return { kind: 'answers before it settles', afterMs: random.between(0, 4_000) }
  }
}
