// Payments, signed before anything is measured: authorizations of EIP-3009 in version 2 of the wire.
import { randomBytes } from 'node:crypto'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { TRANSFER_WITH_AUTHORIZATION } from '../../src/networks/evm.ts'
import { wallets } from '../stack/wallets.ts'
import { type Asked, nextAddress } from './load.ts'

export const NETWORK = 'eip155:84532'
export const SITE_URL = 'https://news.example'
export const PAY_TO = wallets.publisher.address
const USDC = '0x036CbD53842c5426634e7929541eC2318f3dCF7e'
/** What everything costs here: five cents. */
export const PRICE = '50000'

const ACCEPTED = {
  scheme: 'exact',
  network: NETWORK,
  amount: PRICE,
  asset: USDC,
  payTo: PAY_TO,
  maxTimeoutSeconds: 300,
  extra: { name: 'USDC', version: '2' },
}

export type Payer = PrivateKeyAccount
export const newPayer = (): Payer => privateKeyToAccount(generatePrivateKey())

/** The header that pays for a path. `isForged`: another key than the payer's has signed. */
export async function payment(payer: Payer, path: string, isForged = false): Promise<string> {
  const signer = isForged ? wallets.bob.account : payer
  const message = {
    from: payer.address,
    to: PAY_TO,
    value: BigInt(PRICE),
    validAfter: 0n,
    // Long enough for whatever is signed before it is sent, and not longer than the offer says.
    validBefore: BigInt(Math.floor(Date.now() / 1000) + 290),
    nonce: `0x${randomBytes(32).toString('hex')}`,
  } as const
  const domain = { name: 'USDC', version: '2', chainId: 84532, verifyingContract: USDC } as const
  const signature = await signer.signTypedData({
    domain,
    types: TRANSFER_WITH_AUTHORIZATION,
    primaryType: 'TransferWithAuthorization',
    message,
  })
  const authorization = {
    ...message,
    value: PRICE,
    validAfter: '0',
    validBefore: message.validBefore.toString(),
  }
  return Buffer.from(
    JSON.stringify({
      x402Version: 2,
      resource: { url: SITE_URL + path },
      accepted: ACCEPTED,
      payload: { signature, authorization },
    }),
  ).toString('base64')
}

/** What programs send. */
export const asProgram = () => ({ Accept: 'application/json', 'cf-connecting-ip': nextAddress() })

/** What browsers send for a page. */
export const asBrowser = () => ({
  Accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8',
  'Accept-Language': 'en',
  'Sec-Fetch-Dest': 'document',
  'Sec-Fetch-Mode': 'navigate',
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36',
  'cf-connecting-ip': nextAddress(),
})

/** A purchase that is to succeed. */
export async function purchase(payer: Payer, path: string): Promise<Asked> {
  return { path, headers: { ...asProgram(), 'PAYMENT-SIGNATURE': await payment(payer, path) }, status: 200 }
}
