// The demo wallet's account on Solana: it registers as wallet extensions do (wallet-standard) and signs with a development key
// that everybody knows, after asking.
import { formatPrice } from '../../src/policy/rules.ts'
import { encodeBase58 } from '../../src/x402/base58.ts'
import { TOKEN_PROGRAM } from '../../src/x402/svm.ts'
import { parseMessage, SIGNATURE_BYTES, splitTransaction } from '../../src/x402/svm-message.ts'
import type { Question } from './wallet-sheet.ts'

/** A development key: PKCS #8, and its public half, both in hexadecimal. */
export type DemoKey = { privateKey: string; publicKey: string }

/** `agree` asks the reader, and throws where they say no. */
type Manners = { name: string; icon: string; agree(question: Question): Promise<void> }

const NETWORK = 'Solana Devnet, on this machine'

const bytesOf = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))

/** Registers the wallet with the page, whoever of the two comes first. */
export function registerSolanaWallet(key: DemoKey, { name, icon, agree }: Manners): void {
  const publicKey = bytesOf(key.publicKey)
  const address = encodeBase58(publicKey)
  const chains = ['solana:devnet']
  const features = ['solana:signTransaction', 'solana:signMessage']
  const account = Object.freeze({ address, publicKey, chains, features })

  async function sign(message: Uint8Array): Promise<Uint8Array> {
    const own = await crypto.subtle.importKey('pkcs8', bytesOf(key.privateKey), 'Ed25519', false, ['sign'])
    return new Uint8Array(await crypto.subtle.sign('Ed25519', own, Uint8Array.from(message)))
  }

  /** Puts our signature into its place, and leaves the rest as it is. */
  async function signTransaction({ transaction }: { transaction: Uint8Array }) {
    const split = splitTransaction(transaction)
    const message = split.ok ? parseMessage(split.value.message) : split
    if (!split.ok || !message.ok) throw new Error('The demo wallet cannot read this transaction.')
    const { addresses, instructions } = message.value
    const transfer = instructions.find(({ program, data }) => program === TOKEN_PROGRAM && data[0] === 12)
    const place = addresses.indexOf(address)
    if (!transfer || place < 0) throw new Error('The demo wallet signs transfers of its own tokens only.')
    const amount = new DataView(Uint8Array.from(transfer.data).buffer).getBigUint64(1, true)
    const price = formatPrice({ currency: 'USD', micros: amount })
    await agree({
      title: `Pay ${price}?`,
      lines: [
        ['Network', NETWORK],
        ['Amount', `${price} in USDC`],
        ['To', `${addresses[transfer.accounts[2] ?? 0]}`],
      ],
      note: 'One payment, of exactly this amount. It is play money.',
    })
    const signedTransaction = Uint8Array.from(transaction)
    signedTransaction.set(await sign(split.value.message), 1 + place * SIGNATURE_BYTES)
    return { signedTransaction }
  }

  async function signMessage({ message }: { message: Uint8Array }) {
    await agree({
      title: 'Sign in to this site?',
      lines: [
        ['Site', location.host],
        ['Account', address],
        ['Cost', 'nothing'],
      ],
      note: 'This is a message, and no payment.',
    })
    return { signedMessage: message, signature: await sign(message) }
  }

  const wallet = Object.freeze({
    version: '1.0.0',
    name,
    icon,
    chains,
    accounts: [account],
    features: {
      'standard:connect': { version: '1.0.0', connect: async () => ({ accounts: [account] }) },
      'solana:signTransaction': {
        version: '1.0.0',
        supportedTransactionVersions: ['legacy', 0],
        signTransaction: (...asks: { transaction: Uint8Array }[]) => Promise.all(asks.map(signTransaction)),
      },
      'solana:signMessage': {
        version: '1.0.0',
        signMessage: (...asks: { message: Uint8Array }[]) => Promise.all(asks.map(signMessage)),
      },
    },
  })
  const callback = (api: { register(one: typeof wallet): void }) => api.register(wallet)
  window.dispatchEvent(new CustomEvent('wallet-standard:register-wallet', { detail: callback }))
  window.addEventListener('wallet-standard:app-ready', (event) => {
    if (event instanceof CustomEvent) callback(event.detail)
  })
}
