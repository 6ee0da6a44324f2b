// A Solana wallet for the browser tests: wallet-standard over a key that is kept in Node. It behaves as Phantom does: errors
// are thrown, with EIP-1193's codes, and where it is told to it adds instructions of its own before it signs.
import type { Page } from 'playwright-core'
import * as z from 'zod'
import { assemble, compile, type Instruction, readTransaction } from '../../dev/stack/solana/message.ts'
import type { SolanaWallet } from '../../dev/stack/solana/wallets.ts'
import { LIGHTHOUSE } from '../../dev/stack/solana.ts'
import { type Asked, ICON } from './browser-wallet.ts'

export type SolanaBrowserWallet = {
  name: string
  account: SolanaWallet
  /** devnet, unless told otherwise. */
  chains?: string[]
  /** Of the account it connects, where that is on others than the wallet. */
  accountChains?: string[]
  /** What it throws at a feature: an error, or no more than words. */
  refuses?: Record<string, { code?: number; message: string } | string>
  /** A feature that it does not have, or answers with nothing. */
  lacks?: string
  givesNothing?: string
  /** A feature it never answers, until it is told to. */
  hangs?: { feature: string; until: Promise<void> }
  /** No accounts: it is locked. */
  isLocked?: boolean
  /** Adds two assertions about its owner's account, as Phantom does. */
  isGuarded?: boolean
  /** The instructions it signs in the place of those it was given. */
  rewrites?: (honest: Instruction[]) => Instruction[]
}

const toBytes = (base64: string) => Uint8Array.from(Buffer.from(base64, 'base64'))
const toBase64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
const ask = z.object({ chain: z.string().optional(), base64: z.string().optional() })

/** Kinds of Lighthouse's assertions begin at 2. */
const assertion = (kind: number, address: string): Instruction => ({
  program: LIGHTHOUSE,
  accounts: [{ address }],
  data: Uint8Array.of(kind, 0, 1, 2, 3),
})

function signed({ account, isGuarded, rewrites }: SolanaBrowserWallet, transaction: Uint8Array): Uint8Array {
  const { keys, header, blockhash, instructions, version } = readTransaction(transaction)
  const nonSigners = keys.length - header.readOnly
  const given = instructions.map(({ program, accounts, data }) => ({
    program: keys[program] ?? '',
    accounts: accounts.map((place) => ({
      address: keys[place] ?? '',
      isSigner: place < header.signers,
      isWritable: place < header.signers ? place < header.signers - header.readOnlySigners : place < nonSigners,
    })),
    data,
  }))
  const guards = isGuarded ? [assertion(5, account.address), assertion(6, account.address)] : []
  const plan = [...(rewrites?.(given) ?? given), ...guards]
  const { message, signers } = compile({ version, feePayer: keys[0] ?? '', instructions: plan, blockhash })
  const signatures = signers.map((signer) => (signer === account.address ? account.sign(message) : new Uint8Array(64)))
  return assemble(signatures, message)
}

async function answer(wallet: SolanaBrowserWallet, feature: string, params: unknown): Promise<unknown> {
  if (wallet.hangs?.feature === feature) await wallet.hangs.until
  const refusal = wallet.refuses?.[feature]
  if (refusal) throw refusal
  const { chain, base64 = '' } = ask.parse(params)
  switch (feature) {
    case 'standard:connect':
      return wallet.isLocked ? [] : [wallet.account.address]
    case 'solana:signTransaction':
      if (!(wallet.chains ?? CHAINS).includes(chain ?? '')) throw { message: `not on ${chain}` }
      return toBase64(signed(wallet, toBytes(base64)))
    case 'solana:signMessage':
      return toBase64(wallet.account.sign(toBytes(base64)))
    default:
      throw { message: `unknown ${feature}` }
  }
}

const CHAINS = ['solana:devnet', 'solana:mainnet']

/** Puts wallets into a page before anything of the site runs; what they are asked is noted. */
export async function installSolanaWallets(
  page: Page,
  wallets: readonly SolanaBrowserWallet[],
  asked: Asked,
): Promise<void> {
  await page.exposeFunction('askSolanaWallet', async (index: number, feature: string, params: unknown) => {
    asked.push({ method: feature, params: [params] })
    const wallet = wallets[index]
    if (!wallet) return { error: { message: 'gone' } }
    try {
      return { result: await answer(wallet, feature, params) }
    } catch (problem) {
      return { error: problem }
    }
  })
  const shown = wallets.map(({ name, chains = CHAINS, accountChains = chains, lacks = '', givesNothing = '' }) => ({
    name,
    chains,
    accountChains,
    lacks,
    givesNothing,
  }))
  await page.addInitScript(
    ({ shown, icon }) => {
      type Reply = { result?: string[] | string; error?: object | string }
      type Api = { register(wallet: object): void }
      const world = globalThis as unknown as {
        askSolanaWallet(index: number, feature: string, params: object): Promise<Reply>
      }
      shown.forEach(({ name, chains, accountChains, lacks, givesNothing }, index) => {
        async function request(feature: string, params: object) {
          const { result, error } = await world.askSolanaWallet(index, feature, params)
          if (typeof error === 'string') throw error
          if (error) throw Object.assign(new Error(), error)
          return result ?? ''
        }
        const toBase64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes))
        const toBytes = (base64: unknown) => Uint8Array.from(atob(String(base64)), (char) => char.charCodeAt(0))
        const account = (known: string) => ({
          address: known,
          publicKey: new Uint8Array(32),
          chains: accountChains,
          features: ['solana:signTransaction', 'solana:signMessage'],
        })
        let accounts: ReturnType<typeof account>[] = []
        const own = (given: object) => {
          if (!accounts.some((one) => one === given)) throw new Error('this account is not connected')
        }
        const features = {
          'standard:connect': {
            version: '1.0.0',
            async connect() {
              accounts = [await request('standard:connect', {})].flat().map(account)
              return { accounts }
            },
          },
          'solana:signTransaction': {
            version: '1.0.0',
            supportedTransactionVersions: ['legacy', 0],
            async signTransaction(...asks: { account: object; transaction: Uint8Array; chain: string }[]) {
              if (givesNothing === 'solana:signTransaction') return []
              return Promise.all(
                asks.map(async ({ account: given, transaction, chain }) => {
                  own(given)
                  const params = { chain, base64: toBase64(transaction) }
                  return { signedTransaction: toBytes(await request('solana:signTransaction', params)) }
                }),
              )
            },
          },
          'solana:signMessage': {
            version: '1.0.0',
            async signMessage(...asks: { account: object; message: Uint8Array }[]) {
              if (givesNothing === 'solana:signMessage') return []
              return Promise.all(
                asks.map(async ({ account: given, message }) => {
                  own(given)
                  const signature = toBytes(await request('solana:signMessage', { base64: toBase64(message) }))
                  return { signedMessage: message, signature }
                }),
              )
            },
          },
        }
        const wallet = Object.freeze({
          version: '1.0.0',
          name,
          icon,
          chains,
          get accounts() {
            return accounts
          },
          features: Object.fromEntries(Object.entries(features).filter(([feature]) => feature !== lacks)),
        })
        // As `registerWallet` of wallet-standard has it: whoever comes first hears of the other.
        const callback = (api: Api) => api.register(wallet)
        window.dispatchEvent(new CustomEvent('wallet-standard:register-wallet', { detail: callback }))
        window.addEventListener('wallet-standard:app-ready', (event) => callback((event as CustomEvent<Api>).detail))
      })
    },
    { shown, icon: ICON },
  )
}
