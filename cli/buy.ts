// `npm run buy -- URL [--max 0.10] [--data JSON] [--network eip155]`: buys a URL with the demo wallet and the stock x402
// client, and shows what happened. It knows nothing of this site beyond what the site answers.
import { parseArgs } from 'node:util'
import { decodePaymentRequiredHeader, decodePaymentResponseHeader } from '@x402/core/http'
import { wrapFetchWithPayment, x402Client } from '@x402/fetch'
import * as z from 'zod'
import { wholeUnits } from '../src/policy/rules.ts'
import { evmPurse, type Purse } from './buy/purse.ts'
import { command, Refusal } from './command.ts'
import { preview } from './preview.ts'

const USAGE = 'usage: npm run buy -- URL [--max 0.10] [--data JSON] [--network eip155|solana]'
const NETWORKS = ['eip155', 'solana']
const DEFAULT_MAX = '0.10'
/** Longer than the site holds a request whose settlement it is still finding out about. */
const ANSWER_LIMIT_MS = 60_000

// What a server sends is checked here: the packages decode it, but trust it.
const atomicUnits = z.string().regex(/^\d+$/)
const shared = { network: z.string(), asset: z.string(), payTo: z.string() }
const Terms = z.union([
  z.object({ ...shared, amount: atomicUnits }),
  z
    .object({ ...shared, maxAmountRequired: atomicUnits })
    .transform(({ maxAmountRequired, ...rest }) => ({ ...rest, amount: maxAmountRequired })),
])
const Challenge = z.object({ accepts: z.array(Terms) })
const Receipt = z.looseObject({
  success: z.boolean(),
  transaction: z.string(),
  errorReason: z.string().optional(),
  extensions: z.unknown().optional(),
})
const Signed = z.object({
  'offer-receipt': z.object({ info: z.object({ receipt: z.object({ signature: z.string() }) }) }),
})
const Problem = z.object({ error: z.string(), message: z.string().optional() })
type Terms = z.infer<typeof Terms>

async function main(): Promise<void> {
  const { url, max, network, request } = readArguments()
  const purse = await openPurse(network, url)
  const price = (terms: Terms): string =>
    [shown(BigInt(terms.amount), terms, purse), purse.token(terms)?.symbol].filter(Boolean).join(' ')

  // The cap is the client's own: it drops every offer above it before anything is signed.
  const client = new x402Client().setSpendControls({ maxAmountPerPayment: `$${max}` })
  purse.register(client)
  let paid: { terms: Terms; before: bigint | undefined } | undefined
  client.onBeforePaymentCreation(async ({ selectedRequirements }) => {
    const terms = Terms.safeParse(selectedRequirements)
    if (!terms.success) return { abort: true, reason: 'the site asks for terms that make no sense' }
    paid = { terms: terms.data, before: await purse.balance(url, terms.data) }
    return undefined
  })
  let challenge: Response | undefined
  const fetchWithPayment = wrapFetchWithPayment(async (input, init) => {
    const response = await ask(input, init)
    if (response.status === 402) challenge ??= response
    return response
  }, client)

  let response: Response
  try {
    response = await fetchWithPayment(url, request)
  } catch (error) {
    if (error instanceof Refusal || challenge === undefined) throw error
    throw new Refusal(whyNotPaid(error, challenge, { max, network, price }))
  }
  const body = await readBody(response)
  const receipt = readReceipt(response)
  if (!response.ok) throw new Refusal(whyNotServed(response, body, receipt))

  if (paid === undefined) {
    console.log(`${url} is free: it answered ${response.status} without asking for a payment.`)
  } else {
    const { terms, before } = paid
    line('Price', `${price(terms)} on ${terms.network}`)
    line('Payer', purse.address)
    const after = await purse.balance(url, terms)
    line('Publisher', `${terms.payTo}${changeOnChain(terms, purse, before, after)}`)
    line('Transaction', receipt?.transaction || 'none: nothing was charged')
    showReceipt(receipt)
    line('Status', `${response.status} ${response.statusText}`.trim())
    await showPass(url, response)
  }
  showContent(response, body)
}

function showReceipt(receipt: Receipt | undefined): void {
  const { extensions, ...plain } = receipt ?? {}
  line('Receipt', receipt === undefined ? 'none' : JSON.stringify(plain, null, 2).replaceAll('\n', '\n  '))
  const signed = Signed.safeParse(extensions)
  if (signed.success) line('Signed', signed.data['offer-receipt'].info.receipt.signature)
}

/** Atomic units where the stock client does not know the token: what a site says of its decimals is not believed. */
function shown(amount: bigint, terms: Terms, purse: Purse): string {
  const token = purse.token(terms)
  return token ? `$${wholeUnits(amount, token.decimals)}` : `${amount} units of ${terms.asset}`
}

function changeOnChain(terms: Terms, purse: Purse, before: bigint | undefined, after: bigint | undefined): string {
  if (before === undefined || after === undefined) return ''
  if (before === after) return `   ${shown(before, terms, purse)} on chain, unchanged: not charged again`
  return `   ${shown(before, terms, purse)} → ${shown(after, terms, purse)} on chain`
}

/** Shows whether a pass came with the answer, and that it opens the same URL again for nothing. */
async function showPass(url: string, response: Response): Promise<void> {
  const cookie = response.headers
    .getSetCookie()
    .map((header) => header.split(';', 1)[0] ?? '')
    .find((pair) => /^(__Host-)?newsstand=./.test(pair))
  if (cookie === undefined) {
    line('Pass', 'none: this is sold by the request')
    return
  }
  line('Pass', `the cookie ${cookie.split('=', 1)[0]}`)
  const again = await ask(url, { headers: { cookie } })
  await readBody(again)
  const free = again.ok && readReceipt(again) === undefined
  line('Again', free ? `${again.status} with the pass, free` : `${again.status}: the pass did not open it again`)
}

function showContent(response: Response, body: Uint8Array): void {
  const contentType = response.headers.get('content-type') ?? 'application/octet-stream'
  line('Content', `${contentType}, ${body.length.toLocaleString('en')} bytes`)
  const lines = preview(contentType, body)
  if (lines !== undefined) console.log(`\n${lines.map((text) => `  ${text}`).join('\n')}`)
}

function readArguments(): { url: string; max: string; network: string; request: RequestInit } {
  let parsed: { values: { max?: string; data?: string; network?: string }; positionals: string[] }
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: { max: { type: 'string' }, data: { type: 'string' }, network: { type: 'string' } },
    })
  } catch (error) {
    throw new Refusal(`${error instanceof Error ? error.message : error}; ${USAGE}`)
  }
  const { values, positionals } = parsed
  const [url] = positionals
  if (url === undefined || positionals.length > 1) throw new Refusal(USAGE)
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new Refusal(`${url} is not a web address; it should look like http://localhost:8787/articles/hello`)
  }
  const max = (values.max ?? DEFAULT_MAX).replace(/^\$/, '')
  if (!/^\d{1,9}(\.\d{1,6})?$/.test(max)) throw new Refusal(`--max ${values.max} is not an amount like 0.10`)
  const { network = 'eip155' } = values
  if (!NETWORKS.includes(network)) throw new Refusal(`--network ${network} is not one of ${NETWORKS.join(' and ')}`)
  const headers = { 'content-type': 'application/json' }
  return {
    url,
    max,
    network,
    request: values.data === undefined ? {} : { method: 'POST', body: values.data, headers },
  }
}

async function openPurse(network: string, url: string): Promise<Purse> {
  if (network === 'eip155') return evmPurse()
  const { solanaPurse } = await import('./buy/solana.ts')
  return solanaPurse(url)
}

async function ask(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const signal = AbortSignal.timeout(ANSWER_LIMIT_MS)
  try {
    return await fetch(input, { ...init, signal })
  } catch (error) {
    const { origin, hostname } = new URL(input instanceof Request ? input.url : input)
    if (signal.aborted) throw new Refusal(`${origin} did not answer within ${ANSWER_LIMIT_MS / 1000} s`)
    const local = /^(localhost|127\.|\[::1\])/.test(hostname)
    const hint = local ? ' Is `npm start` running?' : ''
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : ''
    throw new Refusal(`${origin} cannot be reached.${hint}${local || cause === '' ? '' : ` (${cause})`}`)
  }
}

async function readBody(response: Response): Promise<Uint8Array> {
  try {
    return new Uint8Array(await response.arrayBuffer())
  } catch {
    throw new Refusal(`the answer (${response.status}) broke off before its end`)
  }
}

/** The client did not pay: because of the price, or else as it says itself. */
function whyNotPaid(
  error: unknown,
  challenge: Response,
  { max, network, price }: { max: string; network: string; price: (terms: Terms) => string },
): string {
  const header = challenge.headers.get('payment-required')
  const offers = header === null ? undefined : Challenge.safeParse(decodePaymentRequiredHeader(header))
  const cheapest = offers?.data?.accepts.reduce((a, b) => (BigInt(b.amount) < BigInt(a.amount) ? b : a))
  const message = error instanceof Error ? error.message : String(error)
  if (cheapest !== undefined && /rejected by spendControls.maxAmountPerPayment/.test(message)) {
    return `it costs ${price(cheapest)}, more than the $${max} allowed; raise that with --max. Nothing was signed.`
  }
  const networks = offers?.data?.accepts.map((one) => one.network) ?? []
  if (networks.length > 0 && !networks.some((name) => name.startsWith(`${network}:`))) {
    return `the site takes no payment on ${network}; it offers ${networks.join(', ')}. Choose one with --network.`
  }
  return message
}

function whyNotServed(response: Response, body: Uint8Array, receipt: Receipt | undefined): string {
  const status = `${response.status} ${response.statusText}`.trim()
  if (response.status === 404) return `${status}: there is nothing at ${response.url}, and nothing was charged`
  let problem: z.infer<typeof Problem> | undefined
  try {
    problem = Problem.safeParse(JSON.parse(new TextDecoder().decode(body))).data
  } catch {
    // A page, not JSON: the status has to do.
  }
  const said = [problem?.error, problem?.message].filter((text) => text !== undefined).join(': ')
  const reason = receipt?.errorReason
  const wait = response.headers.get('retry-after')
  return [
    `${status}${said === '' ? '' : `: ${said}`}`,
    reason === undefined || reason === problem?.error ? '' : `(${reason})`,
    receipt?.success === true ? `(paid all the same, in ${receipt.transaction})` : '',
    wait === null ? '' : `(try again in ${wait} s)`,
  ]
    .filter((part) => part !== '')
    .join(' ')
}

type Receipt = z.infer<typeof Receipt>

function readReceipt(response: Response): Receipt | undefined {
  const header = response.headers.get('payment-response') ?? response.headers.get('x-payment-response')
  if (header === null) return undefined
  try {
    return Receipt.parse(decodePaymentResponseHeader(header))
  } catch {
    throw new Refusal('the PAYMENT-RESPONSE header of the answer cannot be read')
  }
}

function line(label: string, text: string): void {
  console.log(`${label.padEnd(12)} ${text}`)
}

await command('buy', main)
