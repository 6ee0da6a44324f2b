// One stock client reads an article over MCP and pays for it; then it reads on with its pass, where it has one. It prints what it read.
// Arguments: which client, `+agents` where Cloudflare's client pays; the endpoint, the path of the article, a private key.
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { x402Client } from '@x402/core/client'
import { registerExactEvmScheme } from '@x402/evm/exact/client'
import { withX402Client } from 'agents/x402'
import { privateKeyToAccount } from 'viem/accounts'

const [which, endpoint, path, key] = process.argv.slice(2)
const account = privateKeyToAccount(key)
const info = { name: 'stock', version: '1' }
const makers = {
  sdk: () => [new Client(info), StreamableHTTPClientTransport],
  client: () => [new ModernClient(info, { versionNegotiation: { mode: 'auto' } }), ModernTransport],
  'client-legacy': () => [new ModernClient(info), ModernTransport],
}
const [kind, payer] = which.split('+')

async function connected(headers = {}) {
  const [client, Transport] = makers[kind]()
  await client.connect(new Transport(new URL(endpoint), { requestInit: { headers } }))
  return client
}

async function paidByHand() {
  const unpaid = await client.callTool(call)
  const paying = new x402Client()
  registerExactEvmScheme(paying, { signer: account })
  const payment = await paying.createPaymentPayload(unpaid.structuredContent)
  return client.callTool({ ...call, _meta: { 'x402/payment': payment } })
}

const client = await connected()
await client.listTools()
const call = { name: 'read', arguments: { path } }
const bought =
  payer === 'agents'
    ? await withX402Client(client, { account, network: 'eip155:84532' }).callTool(() => true, call)
    : await paidByHand()
console.log(JSON.stringify(bought.content))
const token = bought._meta?.['newsstand/pass']?.token
if (token) {
  const holder = await connected({ Authorization: `Bearer ${token}` })
  const { isError = false } = await holder.callTool(call)
  if (isError) throw new Error('the pass did not open what was bought')
  await holder.close()
}
await client.close()
