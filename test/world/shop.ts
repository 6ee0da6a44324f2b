// The shop of every test: a chain, a facilitator and the built worker, with the questions most tests ask of them.
import type { Address } from 'viem'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { wallets } from '../../dev/stack/wallets.ts'
import { type Answer, type Challenge, type Question, send } from './answer.ts'
import { type Change, pay, type Signer, type Version } from './payer.ts'
import { type Json, type Site, type SiteOptions, startSite, type Vars } from './site.ts'
import { type Stack, type StackOptions, startStack } from './stack.ts'

export const SITE = 'https://news.example'
export const NETWORK = 'eip155:84532'
/** What most things cost in these tests: `$0.05`. */
export const PRICE = 50_000n
const ONE_DOLLAR = 1_000_000n

/** What became of money, and who was asked about it. */
export type Cost = { earned: bigint; settles: number; verifies: number }
export const NOTHING: Cost = { earned: 0n, settles: 0, verifies: 0 }
export const ONE_SALE: Cost = { earned: PRICE, settles: 1, verifies: 0 }

export type ShopOptions = StackOptions &
  SiteOptions & {
    /** The chain and the facilitator of another shop, which is closed after this one. */
    stack?: Stack
    /** Entries in front of, or instead of, the stack's own. */
    facilitators?: (own: string) => Json[]
  }

export type Shop = {
  stack: Stack
  site: Site
  ask(path: string, question?: Question): Promise<Answer>
  /** Asks without paying, and reads the 402. */
  challenge(path: string, question?: Question): Promise<Challenge>
  /** A reader nobody has seen before, with a dollar or with what is given. */
  reader(atomicUnits?: bigint): Promise<PrivateKeyAccount>
  /** Asks for the challenge and pays it. */
  buy(version: Version, path: string, reader: Signer, change?: Change): Promise<Answer>
  /** Does something, and tells what it cost. */
  costOf<Result>(act: () => Promise<Result>): Promise<{ result: Result; cost: Cost }>
  /** The ledger's rows of one payer, or all of them, as they were settled. */
  ledger(payer?: Address): Promise<Record<string, unknown>[]>
  /** Something beside the shop that ends with it. */
  onClose(stop: () => Promise<void>): void
  close(): Promise<void>
}

/** `vars` lie over those of a small shop; see `startSite`. */
export async function openShop(
  vars: Vars = {},
  { facilitators = (own) => [own], stack: shared, origin, code, ...options }: ShopOptions = {},
): Promise<Shop> {
  const stack = shared ?? (await startStack(options))
  const stops = shared ? [] : [stack.stop]
  const site = await startSite(
    {
      FACILITATORS: facilitators(stack.facilitator.url),
      RPC_URLS: { [NETWORK]: stack.chain.rpcUrl },
      ...vars,
    },
    { ...(origin === undefined ? {} : { origin }), ...(code === undefined ? {} : { code }) },
  ).catch(async (problem: unknown) => {
    for (const stop of stops) await stop()
    throw problem
  })
  stops.unshift(site.stop)
  const earned = () => stack.chain.balance(wallets.publisher.address)
  const shop: Shop = {
    stack,
    site,
    ask: (path, question) => send(`${site.url}${path}`, question),
    challenge: async (path, question) => (await shop.ask(path, question)).challenge,
    async reader(atomicUnits = ONE_DOLLAR) {
      const account = privateKeyToAccount(generatePrivateKey())
      if (atomicUnits > 0n) await stack.chain.fund(account.address, atomicUnits)
      return account
    },
    async buy(version, path, reader, change) {
      return shop.ask(path, { headers: await pay(version, await shop.challenge(path), reader, change) })
    },
    async costOf(act) {
      const { counts } = stack.facilitator
      const before = { ...counts, earned: await earned() }
      const result = await act()
      const cost = {
        earned: (await earned()) - before.earned,
        settles: counts.settle - before.settle,
        verifies: counts.verify - before.verify,
      }
      return { result, cost }
    },
    async ledger(payer) {
      const rows = await site.db
        .prepare('SELECT * FROM payments WHERE payer = coalesce(?, payer) ORDER BY settled_at_seconds')
        .bind(payer?.toLowerCase() ?? null)
        .all()
      return rows.results
    },
    onClose: (stop) => void stops.unshift(stop),
    async close() {
      for (const stop of stops) await stop()
    },
  }
  return shop
}
