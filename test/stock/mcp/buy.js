// One stock client reads an article over MCP, pays for it, pays again, and reads on with its pass; it prints what it saw as JSON.
// Arguments: which client, the endpoint, the path of the article, a private key, and a payment in base64 for who does not pay itself.
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
const [client, Transport] = makers[kind]()

async function connected(headers = {}) {
  const [fresh] = makers[kind]()
  await fresh.connect(new Transport(new URL(endpoint), { requestInit: { headers } }))
  return fresh
}

const short = ({ isError = false, content, _meta = {} }) => ({
  isError,
  text: content?.[0]?.text?.slice(0, 60),
  settled: _meta['x402/payment-response']?.success ?? null,
  hasPass: Boolean(_meta['newsstand/pass']),
})

await client.connect(new Transport(new URL(endpoint)))
const tools = (await client.listTools()).tools.map(({ name }) => name)
const call = { name: 'read', arguments: { path } }
const seen = { which, revision: client.getNegotiatedProtocolVersion?.() ?? null, tools }

let bought
let replay
if (payer === 'agents') {
  const paying = withX402Client(client, { account, network: 'eip155:84532' })
  bought = await paying.callTool(() => true, call)
  replay = await paying.callTool(() => true, call)
} else {
  const unpaid = await client.callTool(call)
  const paying = new x402Client()
  registerExactEvmScheme(paying, { signer: account })
  const payment = await paying.createPaymentPayload(unpaid.structuredContent)
  const paid = { ...call, _meta: { 'x402/payment': payment } }
  bought = await client.callTool(paid)
  replay = await client.callTool(paid)
}
const token = bought._meta?.['newsstand/pass']?.token
const holder = await connected({ Authorization: `Bearer ${token}` })
const held = await holder.callTool(call)
console.log(JSON.stringify({ ...seen, bought: short(bought), again: short(replay), held: short(held) }))
await Promise.all([client.close(), holder.close()])
