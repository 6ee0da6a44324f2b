// A local Solana that looks like devnet to a payment: LiteSVM with the real programs, USDC and EURC at their own addresses,
// and a node's JSON-RPC. Everything on it is worthless and gone when it stops.
import { address, getBase58Decoder } from '@solana/kit'
import {
  AccountState,
  findAssociatedTokenPda,
  getMintEncoder,
  getTokenEncoder,
  TOKEN_PROGRAM_ADDRESS,
} from '@solana-program/token'
import { agreeable } from './solana/agreeable.ts'
import { RpcError } from './solana/asked.ts'
import { type Clock, startClock } from './solana/clock.ts'
import { serve } from './solana/http.ts'
import { type Landed, type Ledger, startLedger } from './solana/ledger.ts'
import { assemble, compile, readTransaction } from './solana/message.ts'
import { type Faults, methodsOf, type Node } from './solana/rpc.ts'
import { readMint, readToken, TOKEN_PROGRAM } from './solana/shapes.ts'
import { type Account, startVm, type TransactionError, whyNoVm } from './solana/vm.ts'
import { solanaWallets } from './solana/wallets.ts'

/** devnet, by its genesis hash (CAIP-2). */
export const SOLANA_NETWORK = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'
/** USDC of devnet. */
export const SOLANA_USDC = '4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU'
/** EURC of mainnet: devnet has none that clients know. */
export const SOLANA_EURC = 'HzwqbKZw8HxMN6bF2yFZNrht3c2iXXzpKcFu7uBEDKtr'
/** Guards of wallets. What stands here, where a test asks for it, is no Lighthouse: it agrees to everything. */
export const LIGHTHOUSE = 'L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95'

/** A running chain and its node. Amounts are atomic units: 1,000,000 are one dollar. */
export type Solana = {
  rpcUrl: string
  /** What the node does wrong, from the next call on. */
  faults: Faults
  clock: Clock
  ledger: Ledger
  /** How often each method was called. */
  calls: Record<string, number>
  /** Gives tokens to an address, in its associated account, as if it had always had them. */
  fund(owner: string, atomicUnits: bigint, mint?: string): Promise<void>
  balance(owner: string, mint?: string): Promise<bigint>
  tokenAccount(owner: string, mint?: string): Promise<string>
  /** What a token account holds is stuck from now on, or free again. */
  freeze(owner: string, isFrozen: boolean, mint?: string): Promise<void>
  /** Puts a transaction into a block, or says why it cannot land. */
  land(transaction: Uint8Array): TransactionError | null
  /** What the node holds back reaches the chain: why each could not land, or null. */
  release(): (TransactionError | null)[]
  /** Takes back what landed in this slot or later, for `land` to bring again or not. Blocks from there on are others. */
  fork(since: number): Landed[]
  stop(): Promise<void>
}

/** `slots`: 400 ms each by the clock (the default), or by hand: see `startClock`. */
export type SolanaOptions = {
  port?: number
  slots?: 'by hand' | 'by clock'
  /** How many slots pass before a transaction is confirmed; none by default. */
  confirmedAfter?: number
  /** Puts a program that agrees to everything where Lighthouse is. For tests. */
  lighthouse?: boolean
}

const LAMPORTS_PER_WALLET = 1_000_000_000_000n
const SYSTEM_PROGRAM = '11111111111111111111111111111111'

/** Starts the chain and resolves when its node answers: a fraction of a second. Throws where LiteSVM cannot run. */
export async function startSolana(options: SolanaOptions = {}): Promise<Solana> {
  const vm = await startVm()
  const clock = startClock({ slots: options.slots ?? 'by clock', confirmedAfter: options.confirmedAfter ?? 0 })
  const ledger = startLedger(vm, clock)
  const faults: Faults = { lag: 0, prunedBelow: 0, keepsNoHistory: false, leavesOutMemos: false, holdsBack: false }
  const node: Node = { clock, ledger, vm, faults, held: [], airdrop }
  const { feePayers, ...named } = solanaWallets
  for (const wallet of [...feePayers, ...Object.values(named)]) {
    vm.setAccount(wallet.address, { ...NOTHING, lamports: LAMPORTS_PER_WALLET })
  }
  for (const mint of [SOLANA_USDC, SOLANA_EURC]) vm.setAccount(mint, newMint(vm.rent))
  if (options.lighthouse) vm.addProgram(LIGHTHOUSE, agreeable())

  function airdrop(to: string, lamports: bigint): string {
    const { faucet } = solanaWallets
    const data = Buffer.alloc(12)
    data.writeUInt32LE(2)
    data.writeBigUInt64LE(lamports, 4)
    const accounts = [
      { address: faucet.address, isSigner: true, isWritable: true },
      { address: to, isWritable: true },
    ]
    const { message } = compile({
      version: 'legacy',
      feePayer: faucet.address,
      instructions: [{ program: SYSTEM_PROGRAM, accounts, data }],
      blockhash: clock.blockhash(clock.slot()),
    })
    const signature = faucet.sign(message)
    const problem = ledger.land(readTransaction(assemble([signature], message)))
    if (problem !== null) throw new RpcError(-32603, 'Internal error')
    return getBase58Decoder().decode(signature)
  }

  const chain: Omit<Solana, 'rpcUrl' | 'stop' | 'calls'> = {
    faults,
    clock,
    ledger,
    tokenAccount: (owner, mint = SOLANA_USDC) => associatedAccount(owner, mint),
    async fund(owner, atomicUnits, mint = SOLANA_USDC) {
      ledger.amend(await associatedAccount(owner, mint), (account) =>
        withTokens(account ?? newTokenAccount(owner, mint, vm.rent), { more: atomicUnits }),
      )
      ledger.amend(mint, (account) => withSupply(account, atomicUnits))
    },
    async balance(owner, mint = SOLANA_USDC) {
      return readToken(vm.account(await associatedAccount(owner, mint)))?.amount ?? 0n
    },
    async freeze(owner, isFrozen, mint = SOLANA_USDC) {
      const state = isFrozen ? AccountState.Frozen : AccountState.Initialized
      ledger.amend(await associatedAccount(owner, mint), (account) =>
        withTokens(account ?? newTokenAccount(owner, mint, vm.rent), { state }),
      )
    },
    land: (transaction) => ledger.land(readTransaction(transaction)),
    release: () => node.held.splice(0).map((transaction) => ledger.land(transaction)),
    fork(since) {
      const finalized = clock.slotAt('finalized')
      if (since <= finalized) throw new Error(`slot ${since} is finalized (up to ${finalized}): fork a later one`)
      return ledger.fork(since)
    },
  }
  const calls: Record<string, number> = {}
  const { url, stop } = await serve(methodsOf(node), calls, options.port)
  return { ...chain, calls, rpcUrl: url, stop }
}

/** Starts it, or says in one sentence why this machine cannot. Where `CI` is `true`, that is an error. */
export async function startSolanaIfPossible(
  options: SolanaOptions = {},
): Promise<{ solana: Solana } | { missing: string }> {
  const missing = await whyNoVm()
  if (missing === null) return { solana: await startSolana(options) }
  if (process.env.CI === 'true') throw new Error(missing)
  return { missing }
}

async function associatedAccount(owner: string, mint: string): Promise<string> {
  const [found] = await findAssociatedTokenPda({
    owner: address(owner),
    mint: address(mint),
    tokenProgram: TOKEN_PROGRAM_ADDRESS,
  })
  return found
}

const NOTHING: Account = { lamports: 0n, owner: SYSTEM_PROGRAM, data: new Uint8Array(), executable: false }
type Rent = (bytes: number) => bigint

function newMint(rent: Rent): Account {
  const issuer = address(solanaWallets.issuer.address)
  const data = getMintEncoder().encode({
    mintAuthority: issuer,
    supply: 0n,
    decimals: 6,
    isInitialized: true,
    freezeAuthority: issuer,
  })
  return { ...NOTHING, owner: TOKEN_PROGRAM, lamports: rent(data.length), data: Uint8Array.from(data) }
}

function newTokenAccount(owner: string, mint: string, rent: Rent): Account {
  const data = getTokenEncoder().encode({
    mint: address(mint),
    owner: address(owner),
    amount: 0n,
    delegate: null,
    state: AccountState.Initialized,
    isNative: null,
    delegatedAmount: 0n,
    closeAuthority: null,
  })
  return { ...NOTHING, owner: TOKEN_PROGRAM, lamports: rent(data.length), data: Uint8Array.from(data) }
}

function withTokens(account: Account, { more = 0n, state }: { more?: bigint; state?: AccountState }): Account {
  const token = readToken(account)
  if (!token) throw new Error('there is something else where the token account should be')
  const data = getTokenEncoder().encode({ ...token, amount: token.amount + more, state: state ?? token.state })
  return { ...account, data: Uint8Array.from(data) }
}

function withSupply(account: Account | null, more: bigint): Account {
  const mint = readMint(account)
  if (!account || !mint) throw new Error('this chain has no such mint')
  return { ...account, data: Uint8Array.from(getMintEncoder().encode({ ...mint, supply: mint.supply + more })) }
}
