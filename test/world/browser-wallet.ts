// A wallet extension for the browser tests: EIP-1193 over a viem account that runs in Node, announced by EIP-6963.
// It behaves as MetaMask does: 4001 when its owner says no, 4902 for a chain it does not know, and it signs for the
// chain it is on.
import type { Page } from 'playwright-core'
import type { Hex } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import * as z from 'zod'
import { typedData } from '../../dev/stack/typed-data.ts'

export type BrowserWallet = {
  name: string
  account: PrivateKeyAccount
  /** The account it really signs with. */
  signer?: PrivateKeyAccount
  rpcUrl: string
  /** Of further chains that it knows. */
  rpcUrls?: Record<number, string>
  /** What its owner chooses when it asks for an account. */
  other?: PrivateKeyAccount
  chainId?: number
  known?: number[]
  /** What it throws at a method, as EIP-1193 error codes. */
  refuses?: Record<string, number>
  /** Methods it never answers, until it is told to. */
  hangs?: { method: string; until: Promise<void> }
  /** No accounts: it is locked. */
  isLocked?: boolean
  /** In `window.ethereum`, not announced. */
  isLegacy?: boolean
}

/** What a wallet was asked, in order, as long as it is there. */
export type Asked = { method: string; params: unknown[] }[]

/** An orange square. */
export const ICON =
  'data:image/svg+xml,%3Csvg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"%3E%3Crect width="8" height="8" fill="%23e2761b"/%3E%3C/svg%3E'

/** Puts wallets into a page before anything of the site runs. */
export async function installWallets(page: Page, wallets: readonly BrowserWallet[]): Promise<Asked> {
  const asked: Asked = []
  const chains = new Map(wallets.map((wallet) => [wallet, wallet.chainId ?? 84532]))
  const known = new Map(wallets.map((wallet) => [wallet, new Set(wallet.known ?? [84532])]))
  const accounts = new Map(wallets.map((wallet) => [wallet, wallet.account]))

  async function answer(wallet: BrowserWallet, method: string, params: unknown[]): Promise<unknown> {
    if (wallet.hangs?.method === method) await wallet.hangs.until
    const code = wallet.refuses?.[method]
    if (code !== undefined) throw Object.assign(new Error('no'), { code })
    const account = accounts.get(wallet) ?? wallet.account
    const chainOf = () => Number(z.tuple([z.looseObject({ chainId: z.string() })]).parse(params)[0].chainId)
    switch (method) {
      case 'eth_requestAccounts':
        return wallet.isLocked ? [] : [account.address]
      case 'wallet_requestPermissions':
        accounts.set(wallet, wallet.other ?? account)
        return []
      case 'eth_chainId':
        return `0x${chains.get(wallet)?.toString(16)}`
      case 'wallet_switchEthereumChain':
        if (!known.get(wallet)?.has(chainOf())) throw Object.assign(new Error('unknown chain'), { code: 4902 })
        chains.set(wallet, chainOf())
        return null
      case 'wallet_addEthereumChain':
        known.get(wallet)?.add(chainOf())
        return null
      case 'eth_call': {
        const reply = await fetch(wallet.rpcUrls?.[chains.get(wallet) ?? 0] ?? wallet.rpcUrl, {
          method: 'POST',
          body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
          headers: { 'Content-Type': 'application/json' },
        })
        return z.object({ result: z.string() }).parse(await reply.json()).result
      }
      case 'personal_sign': {
        const raw = z.custom<Hex>((value) => typeof value === 'string').parse(params[0])
        return (wallet.signer ?? account).signMessage({ message: { raw } })
      }
      case 'eth_signTypedData_v4': {
        const data = typedData.parse(JSON.parse(z.string().parse(params[1])))
        if (data.domain.chainId !== chains.get(wallet)) throw Object.assign(new Error('wrong chain'), { code: -32603 })
        return (wallet.signer ?? account).signTypedData(data)
      }
      default:
        throw Object.assign(new Error(`unknown ${method}`), { code: 4200 })
    }
  }

  await page.exposeFunction('askWallet', async (index: number, method: string, params: unknown[]) => {
    asked.push({ method, params })
    const wallet = wallets[index]
    if (!wallet) return { error: { code: 4900 } }
    try {
      return { result: await answer(wallet, method, params) }
    } catch (problem) {
      return { error: { code: z.object({ code: z.number() }).safeParse(problem).data?.code ?? -32603 } }
    }
  })
  const shown = wallets.map(({ name, isLegacy }) => ({ name, isLegacy: isLegacy === true }))
  await page.addInitScript(
    ({ shown, icon }) => {
      const world = globalThis as unknown as {
        askWallet(
          index: number,
          method: string,
          params: unknown[],
        ): Promise<{ result?: unknown; error?: { code: number } }>
        ethereum?: unknown
      }
      shown.forEach(({ name, isLegacy }, index) => {
        const provider = {
          async request({ method, params = [] }: { method: string; params?: unknown[] }) {
            const { result, error } = await world.askWallet(index, method, params)
            if (error) throw Object.assign(new Error('the wallet refused'), error)
            return result
          },
        }
        if (isLegacy) {
          world.ethereum = provider
          return
        }
        const detail = { info: { uuid: `wallet-${index}`, name, icon, rdns: `example.wallet${index}` }, provider }
        const announce = () => window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }))
        window.addEventListener('eip6963:requestProvider', announce)
        announce()
      })
    },
    { shown, icon: ICON },
  )
  return asked
}
