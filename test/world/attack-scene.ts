// Where attacks happen: a chain, a facilitator, the built worker selling articles, and naive shops beside it.
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { wallets } from '../../dev/stack/wallets.ts'
import { type NaiveShop, openNaiveShop, type Seller } from './attack-naive.ts'
import { startSite, type Vars } from './site.ts'
import { startStack } from './stack.ts'

/** What an article costs where nothing else is said: the price of the base route, and of a naive shop. */
export const PRICE = 50_000n
export const NETWORK = 'eip155:84532'

export type Answer = { status: number; text: string; headers: Headers }

export type Scene = Awaited<ReturnType<typeof startScene>>

export async function startScene(vars: Vars = {}) {
  const stack = await startStack()
  const { chain, facilitator } = stack
  const site = await startSite({ FACILITATORS: [facilitator.url], RPC_URLS: { [NETWORK]: chain.rpcUrl }, ...vars })
  const shops: NaiveShop[] = []
  const earned = () => chain.balance(wallets.publisher.address)
  const ledgerRows = async () => (await site.db.prepare('SELECT count(*) AS n FROM payments').first<number>('n')) ?? 0
  return {
    chain,
    facilitator,
    site,
    ledgerRows,

    /** Puts an article into the shop; `price` is its own price. */
    async publish(path: string, text: string, price?: string): Promise<void> {
      await site.kv.put(path, text, { metadata: { contentType: 'text/plain', ...(price && { price }) } })
    },

    /** A wallet with money for one article, or with as much as is said. */
    async buyer(atomicUnits: bigint = PRICE): Promise<PrivateKeyAccount> {
      const account = privateKeyToAccount(generatePrivateKey())
      if (atomicUnits > 0n) await chain.fund(account.address, atomicUnits)
      return account
    },

    /** Opens a shop that can be attacked; it closes with the scene. */
    async naive(seller: Seller, priceOf?: (path: string) => bigint): Promise<string> {
      const shop = await openNaiveShop(facilitator.url, seller, priceOf)
      shops.push(shop)
      return shop.url
    },

    /** Asks the built worker. */
    ask: (path: string, headers: HeadersInit = {}, init: RequestInit = {}) => ask(`${site.url}${path}`, headers, init),

    /** The 402 to be paid, as the stock client reads it. */
    challenge: (path: string, headers: HeadersInit = {}) => fetch(`${site.url}${path}`, { headers }),

    /** What something brought in and cost: money, and calls to the facilitator. */
    async during<Value>(work: () => Promise<Value>) {
      const before = { earned: await earned(), ...facilitator.counts }
      const value = await work()
      return {
        value,
        earned: (await earned()) - before.earned,
        settled: facilitator.counts.settle - before.settle,
        verified: facilitator.counts.verify - before.verify,
      }
    },

    async stop(): Promise<void> {
      for (const shop of shops) await shop.stop()
      await site.stop()
      await stack.stop()
    },
  }
}

/** One request and its whole answer. */
export async function ask(url: string, headers: HeadersInit = {}, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', ...init, headers })
  return { status: response.status, text: await response.text(), headers: response.headers }
}

/** The header that pays. */
export const paying = (payment: string) => ({ 'PAYMENT-SIGNATURE': payment })
/** The pass of a paid answer, as a cookie to send. */
export const passIn = (answer: Answer) => (answer.headers.get('Set-Cookie') ?? '').split(';')[0] ?? ''
/** How many answers hold what is sold. */
export const served = (answers: readonly Answer[], content: string) =>
  answers.filter(({ text }) => text.includes(content)).length
