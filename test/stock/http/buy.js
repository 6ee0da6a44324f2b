// One stock client over HTTP buys one answer, and prints it. Arguments: which client, a method, an address, a private key.
import { wrap } from '@faremeter/fetch'
import { createPaymentHandler } from '@faremeter/payment-evm/exact'
import { createLocalWallet } from '@faremeter/wallet-evm'
import { wrapAxiosWithPaymentFromConfig } from '@x402/axios'
import { ExactEvmScheme } from '@x402/evm'
import { wrapFetchWithPaymentFromConfig } from '@x402/fetch'
import axios from 'axios'
import { Mppx } from 'mppx/client'
import { evm } from 'mppx/evm/client'
import { createWalletClient, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { baseSepolia } from 'viem/chains'
import { withPaymentInterceptor } from 'x402-axios'
import { wrapFetchWithPayment } from 'x402-fetch'

const [which, method, url, key] = process.argv.slice(2)
const account = privateKeyToAccount(key)
const wallet = createWalletClient({ account, transport: http(), chain: baseSepolia })
const config = { schemes: [{ network: 'eip155:84532', client: new ExactEvmScheme(account) }] }
const body = method === 'POST' ? 'when is high tide?' : undefined

/** With a `fetch` that pays. */
const byFetch = async (fetch) => (await fetch(url, { method, body })).text()
/** With an axios that pays. */
const byAxios = async (client) => (await client.request({ url, method, data: body })).data

const clients = {
  '@x402/fetch': () => byFetch(wrapFetchWithPaymentFromConfig(fetch, config)),
  '@x402/axios': () => byAxios(wrapAxiosWithPaymentFromConfig(axios.create(), config)),
  'x402-fetch': () => byFetch(wrapFetchWithPayment(fetch, wallet)),
  'x402-axios': () => byAxios(withPaymentInterceptor(axios.create(), wallet)),
  '@faremeter/fetch': async () => {
    const mine = await createLocalWallet({ id: 84532, name: 'Base Sepolia' }, key)
    return byFetch(wrap(fetch, { handlers: [createPaymentHandler(mine)] }))
  },
  mppx: () => {
    const methods = [evm({ account, authorization: { name: 'USDC', version: '2' } })]
    return byFetch(Mppx.create({ methods, polyfill: false }).fetch)
  },
}
console.log(await clients[which]())
