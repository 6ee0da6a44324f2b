// One world with everything in it: two EVM chains and a Solana, their RPCs, two facilitators, the ledger and the payers' objects.
import { Payer } from '../../src/payer/payer.ts'
import { type Chain, createChain } from './chain.ts'
import { createWorld, type World } from './clock.ts'
import { type Facilitator, serveFacilitator } from './facilitator.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { createNamespace, type Namespace, type ObjectContext } from './objects.ts'
import { NETWORKS, PAY_TO, SITE } from './orders.ts'
import { type Rpc, type ServedKnobs, serveRpc } from './rpc.ts'
import { createSolanaChain, SOLANA, type SolanaChain } from './solana-chain.ts'
import { SOLANA_PAY_TO } from './solana-orders.ts'
import { type SolanaRpc, serveSolanaRpc } from './solana-rpc.ts'

export type StageOptions = {
  seed: string
  keepsLines?: boolean
  /** Milliseconds from block to block, by network. */
  blockMs?: Readonly<Record<string, number>>
  facilitators?: 1 | 2
  /** A strange token on every chain. */
  isReversed?: boolean
  sleepsAfterMs?: number | null
}

/** `env` of worker and object: plain values, of which a story may change some. */
export type StageEnv = Record<string, unknown>

export type Stage = {
  world: World
  /** May be replaced by another one: what begins from then on is configured so. */
  env: StageEnv
  chains: ReadonlyMap<string, Chain>
  rpcs: ReadonlyMap<string, Rpc>
  solana: { chain: SolanaChain; rpc: SolanaRpc }
  facilitators: readonly Facilitator[]
  ledger: Ledger
  objects: Namespace
  /** What was logged: the event, and the payment where one was named. */
  logged: { event: string; payment: string }[]
}

const BLOCK_MS: Readonly<Record<string, number>> = { 'eip155:8453': 2_000, 'eip155:137': 2_000 }

export function createStage(options: StageOptions): Stage {
  const { seed, keepsLines = false, blockMs = {}, isReversed = false, sleepsAfterMs = 10_000 } = options
  const world = createWorld({ seed, keepsLines })
  const chains = new Map(
    NETWORKS.map((network) => [
      network as string,
      createChain(world, { network, blockMs: blockMs[network] ?? BLOCK_MS[network] ?? 2_000, isReversed }),
    ]),
  )
  const rpcs = new Map(
    [...chains].map(([network, chain]) => [network, serveRpc(world, chain, `https://rpc-${chain.chainId}.example/`)]),
  )
  const solanaChain = createSolanaChain(world)
  const solana = { chain: solanaChain, rpc: serveSolanaRpc(world, solanaChain, 'https://rpc-solana.example/') }
  const urls = ['https://one.example', 'https://two.example'].slice(0, options.facilitators ?? 2)
  const facilitators = urls.map((url) => serveFacilitator(world, [...chains.values()], url, solanaChain))
  const ledger = createLedger(world)
  const env: StageEnv = {
    SITE_URL: SITE,
    PAY_TO: { eip155: PAY_TO, solana: SOLANA_PAY_TO },
    NETWORKS: [...NETWORKS, SOLANA],
    FACILITATORS: urls,
    RPC_URLS: Object.fromEntries([...rpcs, [SOLANA, solana.rpc] as const].map(([network, { url }]) => [network, url])),
    PASS_SECRET: 'a secret for tests, long enough',
    ROUTES: [{ path: '/a/*', content: 'kv', price: '$0.05' }],
    CONTENT_KV: {},
    LEDGER_DB: ledger.binding,
  }
  const objects = createNamespace({ world, label: 'payer', create: (ctx) => newPayer(ctx, stage.env), sleepsAfterMs })
  env.PAYERS = objects.binding
  const stage: Stage = { world, env, chains, rpcs, solana, facilitators, ledger, objects, logged: [] }
  listen(stage)
  return stage
}

/** The object takes the imitated platform for the real one. */
const newPayer = (ctx: ObjectContext, env: StageEnv): object => Reflect.construct(Payer, [ctx, env])

/** What is logged is heard, and not printed; until the world closes. */
function listen({ world, logged }: Stage): void {
  const real = console.error
  console.error = (...given: unknown[]) => {
    const line: unknown = typeof given[0] === 'string' ? read(given[0]) : null
    const said = typeof line === 'object' && line !== null ? new Map(Object.entries(line)) : new Map<string, unknown>()
    const event = { event: String(said.get('event') ?? given[0]), payment: String(said.get('payment') ?? '') }
    logged.push(event)
    world.note(`logs ${event.event} ${event.payment}`)
  }
  world.closing.push(() => {
    console.error = real
  })
}

function read(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}

/** The chain of a network of the stage. */
export function chainOf({ chains }: Stage, network: string): Chain {
  const chain = chains.get(network)
  if (!chain) throw new Error(`no chain for ${network}`)
  return chain
}

/** The RPC of a network of the stage. */
export function rpcOf({ rpcs }: Stage, network: string): Rpc {
  const rpc = rpcs.get(network)
  if (!rpc) throw new Error(`no RPC for ${network}`)
  return rpc
}

/** The name of a payer's object. */
export const objectOf = (address: string) =>
  address.startsWith('0x') ? `eip155:${address.toLowerCase()}` : `solana:${address}`

/** How each RPC is. */
export const knobsOf = ({ rpcs, solana }: Stage): ServedKnobs[] =>
  [...rpcs.values(), solana.rpc].map(({ knobs }) => knobs)

/** A payer's rows as they are on disk, or about to be; none where there are no tables. */
export function rowsOf({ objects }: Stage, address: string): Record<string, unknown>[] {
  const name = objectOf(address)
  if (!objects.names().includes(name)) return []
  const disk = objects.disk(name)
  const hasTable = disk.read("SELECT 1 FROM sqlite_master WHERE name = 'payments'").length > 0
  return hasTable ? disk.read('SELECT * FROM payments ORDER BY seq') : []
}
