// Which ledger is meant: the flags every verb takes, and the settings of wrangler.toml that concern money.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import * as z from 'zod'
import { inCheckout, persistDirectory, readLocal } from '../../dev/stack/paths.ts'
import { furtherTokens } from '../../src/further-tokens.ts'
import { type Asset, NETWORKS, type Network, networkOf, oneSpelling } from '../../src/x402/assets.ts'
import { isSolanaAddress } from '../../src/x402/base58.ts'
import { Refusal } from '../command.ts'

/** For `parseArgs`: the flags that say which ledger. */
export const SOURCE_FLAGS = {
  local: { type: 'boolean' },
  remote: { type: 'boolean' },
  config: { type: 'string', short: 'c' },
  env: { type: 'string' },
  'persist-to': { type: 'string' },
} as const

type SourceValues = {
  local?: boolean | undefined
  remote?: boolean | undefined
  config?: string | undefined
  env?: string | undefined
  'persist-to'?: string | undefined
}

export type Source = {
  place: 'local' | 'remote'
  configPath: string
  env: string | null
  /** Where the local state lies; null for a remote ledger, and for wrangler's own place. */
  persistTo: string | null
  /** Whether it is the ledger of `npm start`, whose chain is on this machine. */
  isDemo: boolean
}

/** Throws a `Refusal` where the flags contradict each other, or name what is not there. */
export function sourceOf(values: SourceValues): Source {
  const isLocal = values.local === true
  if (isLocal === (values.remote === true)) {
    throw new Refusal('say which ledger is meant: --local (this machine) or --remote (Cloudflare)')
  }
  const configPath = resolve(values.config ?? inCheckout('wrangler.toml'))
  if (!existsSync(configPath)) throw new Refusal(`there is no ${configPath}; name your wrangler.toml with -c FILE`)
  const env = values.env ?? null
  const given = values['persist-to']
  if (!isLocal) {
    if (given !== undefined) throw new Refusal('--persist-to goes with --local only; leave it out')
    return { place: 'remote', configPath, env, persistTo: null, isDemo: false }
  }
  if (given !== undefined && !existsSync(given)) {
    throw new Refusal(`there is no local state in ${given}; name the folder that wrangler dev --persist-to was given`)
  }
  const isDemo = given === undefined && values.config === undefined && env === null && existsSync(persistDirectory)
  const persistTo = given === undefined ? (isDemo ? persistDirectory : null) : resolve(given)
  return { place: 'local', configPath, env, persistTo, isDemo }
}

/** Vars arrive as TOML tables or as JSON strings. */
const json = z.preprocess((value) => {
  if (typeof value !== 'string' || !/^\s*[[{"]/.test(value)) return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}, z.unknown())

/** The local Solana calls itself devnet. */
const LOCAL_SOLANA = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/)
const solanaAddress = z.string().refine(isSolanaAddress)
const payToVar = json.pipe(
  z.union([
    address.transform((eip155) => ({ eip155 })),
    z.object({ eip155: address.optional(), solana: solanaAddress.optional() }),
  ]),
)
const networksVar = json.pipe(z.array(z.string()))
const assetsVar = json.pipe(furtherTokens)
const rpcUrlsVar = json.pipe(z.record(z.string(), z.string()))

export type Settings = {
  /** By CAIP-2 namespace, in their one spelling; only those that are written. */
  payTo: Readonly<Record<string, string>>
  networks: readonly Network[]
  /** Those of `ASSETS`, beside the tokens of the table. */
  ownTokens: readonly Asset[]
  /** By CAIP-2 network; for each network of the table. They may hold keys: only their hosts are ever shown. */
  rpcUrls: ReadonlyMap<string, string>
}

/** `rpc`: what was given as `--rpc NETWORK=URL`, which wins. Throws a `Refusal` that names the bad value. */
export async function settingsOf(source: Source, rpc: readonly string[]): Promise<Settings> {
  const { vars } = await readConfig(source)
  const value = <Type>(name: string, schema: z.core.$ZodType<Type>, advice: string): Type | null => {
    if (vars[name] === undefined || vars[name] === '') return null
    const parsed = z.safeParse(schema, vars[name])
    if (!parsed.success) throw new Refusal(`${name} of ${source.configPath} cannot be read; ${advice}`)
    return parsed.data
  }
  const networks = value('NETWORKS', networksVar, 'write a list such as ["eip155:8453"]') ?? []
  const rpcUrls = new Map(NETWORKS.map(({ network, rpcUrl }) => [network, rpcUrl]))
  const configured = value('RPC_URLS', rpcUrlsVar, 'write a table such as { "eip155:8453" = "https://…" }') ?? {}
  for (const [network, url] of Object.entries(configured))
    rpcUrls.set(network, checkedUrl(url, `RPC_URLS."${network}"`))
  const stack = source.isDemo ? readLocal() : undefined
  if (stack !== undefined) rpcUrls.set(`eip155:${stack.chainId}`, stack.rpcUrl)
  if (stack?.solanaRpcUrl !== undefined) rpcUrls.set(LOCAL_SOLANA, stack.solanaRpcUrl)
  for (const pair of rpc) {
    const [network = '', ...url] = pair.split('=')
    if (url.length === 0) throw new Refusal('--rpc takes a network and its URL: --rpc eip155:8453=https://…')
    knownNetwork(network, '--rpc')
    rpcUrls.set(network, checkedUrl(url.join('='), `--rpc ${network}`))
  }
  const doctor = 'npm run doctor says what to write'
  return {
    ownTokens: value('ASSETS', assetsVar, doctor) ?? [],
    payTo: payToOf(value('PAY_TO', payToVar, 'write PAY_TO = { eip155 = "0x…", solana = "…" }') ?? {}),
    networks: networks.map((network) => knownNetwork(network, 'NETWORKS')),
    rpcUrls,
  }
}

const payToOf = (written: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(written).flatMap(([namespace, payee]) => (payee ? [[namespace, oneSpelling(payee)]] : [])),
  )

const databases = z.array(z.object({ binding: z.string(), database_id: z.string().optional() }))

/** Whether the ledger's database was ever made: wrangler.toml comes with a number that stands for none. */
export async function hasDatabase(source: Source): Promise<boolean> {
  const { d1_databases } = await readConfig(source)
  const ledger = databases.parse(d1_databases).find(({ binding }) => binding === 'LEDGER_DB')
  return ledger === undefined || !/^[0-]*$/.test(ledger.database_id ?? '')
}

async function readConfig({ configPath, env }: Source) {
  // Seconds to load, and a mistake at the keyboard is told at once.
  const { unstable_readConfig } = await import('wrangler')
  try {
    const { vars, d1_databases } = unstable_readConfig(
      { config: configPath, ...(env === null ? {} : { env }) },
      { hideWarnings: true },
    )
    return { vars, d1_databases }
  } catch (error) {
    throw new Refusal(`${configPath} cannot be read: ${error instanceof Error ? error.message : 'it is no TOML'}`)
  }
}

function knownNetwork(network: string, where: string): Network {
  const found = networkOf(network)
  if (found) return found
  const known = NETWORKS.map((entry) => entry.network).join(', ')
  throw new Refusal(`${where} names ${network}, which is not supported; write one of ${known}`)
}

/** A URL with a key in it is a secret, so the message does not repeat it. */
function checkedUrl(text: string, where: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  const isLoopback = url !== null && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback)) return url.href
  throw new Refusal(`${where} is no https:// URL (http:// is for this machine only); write one`)
}
