// A wallet for the demo page of `npm start`: it announces itself as wallet extensions do (EIP-6963, and wallet-standard for
// Solana) and signs with development keys that everybody knows, after asking. It is added to the pages of the local stack alone.
import { privateKeyToAccount } from 'viem/accounts'
import * as z from 'zod/mini'
import { formatPrice } from '../../src/policy/rules.ts'
import { typedData } from '../stack/typed-data.ts'
import { wallets } from '../stack/wallets.ts'
import { agree } from './wallet-sheet.ts'
import { type DemoKey, registerSolanaWallet } from './wallet-standard.ts'

/** `build-wallet.ts` writes it here: where the key is made needs Node. */
declare const SOLANA_KEY: DemoKey

const account = privateKeyToAccount(wallets.alice.privateKey)

const chosenChain = { id: '0x14a34' }

const NETWORK = 'Base Sepolia, on this machine'

async function request({ method, params = [] }: { method: string; params?: unknown[] }): Promise<unknown> {
  switch (method) {
    case 'eth_requestAccounts':
    case 'eth_accounts':
      return [account.address]
    case 'eth_chainId':
      return chosenChain.id
    case 'wallet_switchEthereumChain':
      return null
    case 'personal_sign': {
      await agree({
        title: 'Sign in to this site?',
        lines: [
          ['Site', location.host],
          ['Account', account.address],
          ['Cost', 'nothing'],
        ],
        note: 'This is a message, and no payment.',
      })
      const [message] = z.parse(z.tuple([z.templateLiteral(['0x', z.string()]), z.unknown()]), params)
      return account.signMessage({ message: { raw: message } })
    }
    case 'eth_signTypedData_v4': {
      const data = z.parse(typedData, JSON.parse(z.parse(z.string(), params[1])))
      const price = formatPrice({ currency: 'USD', micros: BigInt(String(data.message.value)) })
      await agree({
        title: `Pay ${price}?`,
        lines: [
          ['Network', NETWORK],
          ['Amount', `${price} in USDC`],
          ['To', String(data.message.to)],
        ],
        note: 'One payment, of exactly this amount. It is play money.',
      })
      return account.signTypedData(data)
    }
    default:
      throw new Error(`The demo wallet does not know ${method}.`)
  }
}

const icon = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><circle cx="12" cy="12" r="12" fill="#e3b341"/><text x="12" y="17" font-size="14" text-anchor="middle">$</text></svg>',
)}`
const name = 'Demo wallet'
const detail = Object.freeze({
  info: { uuid: crypto.randomUUID(), name, icon, rdns: 'example.newsstand.demo' },
  provider: { request },
})
const announce = () => window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }))

window.addEventListener('eip6963:requestProvider', announce)
announce()

registerSolanaWallet(SOLANA_KEY, { name, icon, agree })
