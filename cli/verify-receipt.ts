// `npm run verify-receipt -- <receipt> [--did URL]`: checks the signature under a receipt or an offer against the key the
// site publishes, and says in words what was signed. It believes nothing but that key.
import { existsSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { formatUnits } from 'viem'
import * as z from 'zod'
import { assetsOn, networkOf, transactionUrl } from '../src/x402/assets.ts'
import { DID_PATH, didOf, keyIn } from '../src/x402/did.ts'
import { OFFER_RECEIPT, offerPayload, receiptPayload } from '../src/x402/extensions/offer-receipt.ts'
import { readJws, verifyJws } from '../src/x402/jws.ts'
import { command, Refusal } from './command.ts'

const USAGE = 'usage: npm run verify-receipt -- <JWS, file, or address of a receipt page> [--did URL]'
const ANSWER_LIMIT_MS = 10_000
const LARGEST_ANSWER = 65_536
const JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/

async function main(): Promise<void> {
  const { source, did } = readArguments()
  const jws = await findJws(source)
  const read = readJws(jws)
  if (read === null) throw new Refusal('this is no JWS signed with Ed25519 (alg EdDSA, with a kid)')
  const { kid } = read.header
  const receipt = receiptPayload.safeParse(read.payload)
  const offer = offerPayload.safeParse(read.payload)
  if (!receipt.success && !offer.success) throw new Refusal('what is signed is neither a receipt nor an offer')

  // Anybody can sign anything with a key of their own: only the site's own key speaks for its addresses.
  const resourceUrl = new URL(receipt.data?.resourceUrl ?? offer.data?.resourceUrl ?? '')
  if (didOf(resourceUrl.origin) !== kid.split('#')[0]) {
    throw new Refusal(`it is signed in the name of ${kid}, who cannot speak for ${resourceUrl.href}`)
  }
  const scheme = isLocal(resourceUrl.hostname) ? 'http' : 'https'
  const didUrl = did ?? `${scheme}://${resourceUrl.host}${DID_PATH}`
  const key = keyIn(await fetchJson(didUrl), kid)
  if (key === null) throw new Refusal(`${didUrl} lists no Ed25519 key ${kid}; has the site changed its key since?`)
  if (!(await verifyJws(jws, key))) throw new Refusal(`the signature is not that of ${kid}: this was forged or changed`)

  console.log(`Good: signed by ${kid}, the key at ${didUrl}.\n`)
  if (receipt.success) showReceipt(receipt.data)
  else if (offer.success) showOffer(offer.data)
}

function showReceipt(said: z.infer<typeof receiptPayload>): void {
  console.log(`${resourceSite(said.resourceUrl)} says that it was paid, and delivered:`)
  line('What', said.resourceUrl)
  line('Paid by', said.payer)
  line('When', time(said.issuedAt))
  line('Network', networkName(said.network))
  if (said.transaction === undefined || said.transaction === '') return
  line('Transaction', said.transaction)
  const url = transactionUrl(said.network, said.transaction)
  if (url !== null) line('', url)
  console.log('\nThe amount is not part of a receipt; the transaction tells it.')
}

function showOffer(said: z.infer<typeof offerPayload>): void {
  const [asset] = assetsOn(said.network)
  const isUsdc = asset?.asset.toLowerCase() === said.asset.toLowerCase()
  console.log(`This is an offer, not a receipt. ${resourceSite(said.resourceUrl)} says that it sells:`)
  line('What', said.resourceUrl)
  line('Price', isUsdc ? `$${formatUnits(BigInt(said.amount), 6)} USDC` : `${said.amount} units of ${said.asset}`)
  line('Network', networkName(said.network))
  line('Paid to', said.payTo)
  if (said.validUntil) line('Until', time(said.validUntil))
}

const resourceSite = (url: string) => new URL(url).host
const networkName = (network: string) => `${networkOf(network)?.name ?? 'unknown'} (${network})`
const time = (seconds: number) => new Date(seconds * 1000).toISOString().replace('.000Z', ' UTC').replace('T', ' ')

function line(label: string, text: string): void {
  console.log(`  ${label.padEnd(12)} ${text}`)
}

function readArguments(): { source: string; did: string | undefined } {
  let parsed: { values: { did?: string }; positionals: string[] }
  try {
    parsed = parseArgs({ allowPositionals: true, options: { did: { type: 'string' } } })
  } catch (error) {
    throw new Refusal(`${error instanceof Error ? error.message : error}; ${USAGE}`)
  }
  const [source] = parsed.positionals
  if (source === undefined || parsed.positionals.length > 1) throw new Refusal(USAGE)
  return { source, did: parsed.values.did }
}

const isLocal = (hostname: string) => /^(localhost|127\.0\.0\.1|\[::1\]|[a-z0-9-]+\.localhost)$/.test(hostname)

const signed = z.object({ signature: z.string().regex(JWS) })
/** Where a JWS may lie: by itself, as signed object, on a receipt page, or in a PAYMENT-RESPONSE. */
const holder = z.union([
  signed.transform(({ signature }) => signature),
  z.object({ receipt: signed }).transform(({ receipt }) => receipt.signature),
  z
    .object({ extensions: z.object({ [OFFER_RECEIPT]: z.object({ info: z.object({ receipt: signed }) }) }) })
    .transform(({ extensions }) => extensions[OFFER_RECEIPT].info.receipt.signature),
])

async function findJws(source: string): Promise<string> {
  if (/^https?:\/\//.test(source)) return jwsIn(await fetchJson(source), source)
  if (!existsSync(source)) {
    if (JWS.test(source)) return source
    throw new Refusal(`${source} is neither a JWS nor a file`)
  }
  const text = readFileSync(source, 'utf8').trim()
  return JWS.test(text) ? text : jwsIn(parseJson(text, source), source)
}

function jwsIn(json: unknown, source: string): string {
  const found = holder.safeParse(json)
  if (!found.success) throw new Refusal(`${source} holds no signed receipt`)
  return found.data
}

function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Refusal(`${source} is not JSON`)
  }
}

/** A receipt page answers its payer alone, whose pass `RECEIPT_PASS` may hold. */
async function fetchJson(url: string): Promise<unknown> {
  if (!URL.canParse(url)) throw new Refusal(`${url} is not an address`)
  const { protocol, hostname, pathname } = new URL(url)
  if (protocol !== 'https:' && !(protocol === 'http:' && isLocal(hostname))) {
    throw new Refusal(`${url} is not an https:// address, so what it answers proves nothing`)
  }
  const pass = pathname.startsWith('/_newsstand/receipts/') ? process.env.RECEIPT_PASS : undefined
  const headers = { Accept: 'application/json', ...(pass ? { Authorization: `Bearer ${pass}` } : {}) }
  let answer: Response
  let text: string
  try {
    // A redirect could lead to a key that is not the site's.
    answer = await fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(ANSWER_LIMIT_MS) })
    text = await answer.text()
  } catch {
    throw new Refusal(`${url} cannot be reached`)
  }
  if (answer.status === 404 && pathname.startsWith('/_newsstand/')) {
    throw new Refusal(`${url} answered 404: only its payer sees a receipt; put the pass into RECEIPT_PASS`)
  }
  if (!answer.ok) throw new Refusal(`${url} answered ${answer.status}`)
  if (text.length > LARGEST_ANSWER) throw new Refusal(`${url} answered with more than ${LARGEST_ANSWER} characters`)
  return parseJson(text, url)
}

await command('verify-receipt', main)
