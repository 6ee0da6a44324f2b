// What newsstand is measured against: the least that can answer each kind of request. `ROLE` says which; each runs in a workerd of its
// own. The floors of a purchase keep no more than their name says: A proves, claims, settles and notes the outcome; B does what
// the rules of the payer's room demand beside that, and nothing else.
import { DurableObject } from 'cloudflare:workers'
import { secp256k1 } from '@noble/curves/secp256k1'
import { keccak_256 } from '@noble/hashes/sha3'
import { isSignedByPayer } from '../../../src/networks/evm.ts'
import { ASSETS } from '../../../src/x402/assets.ts'

/** An answer of the site, in pieces: between them stands what is new each time, by its name. */
type Template = { headers: Record<string, string>; header: string[]; body: string[]; isLasting: boolean }

type Env = {
  ROLE: keyof typeof ROLES
  TEMPLATE: Template
  ORIGIN_URL: string
  FACILITATOR_URL: string
  RPC_URL: string
  CONTENT_KV: KVNamespace
  LEDGER_DB: D1Database
  PURCHASES: DurableObjectNamespace<Purchases>
}

type Authorization = {
  from: `0x${string}`
  to: `0x${string}`
  value: string
  validAfter: string
  validBefore: string
  nonce: `0x${string}`
}
type Payment = {
  resource: { url: string }
  accepted: object
  payload: { signature: `0x${string}`; authorization: Authorization }
}

const utf8 = new TextEncoder()
const base64url = (bytes: Uint8Array) =>
  btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (sign) => ({ '+': '-', '/': '_', '=': '' })[sign] ?? '')
const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
const bytesOf = (text: string) =>
  Uint8Array.from(text.match(/[0-9a-f]{2}/gi) ?? [], (pair) => Number.parseInt(pair, 16))

/** Kept from the first request on. */
let hmacKey: CryptoKey | null = null

/** Our bytes and headers, with a fresh identifier, one HMAC, and a nonce where access lasts. */
async function constant(request: Request, { TEMPLATE }: Env): Promise<Response> {
  hmacKey ??= await crypto.subtle.importKey('raw', new Uint8Array(32), { name: 'HMAC', hash: 'SHA-256' }, false, [
    'sign',
  ])
  const { pathname } = new URL(request.url)
  const id = base64url(crypto.getRandomValues(new Uint8Array(9)))
  const mac = base64url(new Uint8Array(await crypto.subtle.sign('HMAC', hmacKey, utf8.encode(`${id} ${pathname}`))))
  const nonce = TEMPLATE.isLasting ? hex(crypto.getRandomValues(new Uint8Array(16))) : ''
  const filled: Record<string, string> = { id, mac, nonce, path: pathname }
  const fill = (parts: string[]) => parts.map((part, i) => (i % 2 === 0 ? part : (filled[part] ?? ''))).join('')
  filled.header = btoa(fill(TEMPLATE.header))
  const headers = { ...TEMPLATE.headers, 'PAYMENT-REQUIRED': filled.header }
  return new Response(fill(TEMPLATE.body), { status: 402, headers })
}

/** The same with what every 402 of newsstand has beside it: a mac for MPP, and a line in the log. */
async function constantTold(request: Request, env: Env): Promise<Response> {
  const response = await constant(request, env)
  const key = hmacKey
  if (!key) throw new Error('no key')
  await crypto.subtle.sign('HMAC', key, utf8.encode(response.headers.get('WWW-Authenticate') ?? ''))
  console.log(JSON.stringify(LINE))
  return response
}

/** As long as ours. */
const LINE = {
  event: 'request',
  decision: 'challenged',
  status: 402,
  route: '/once/*',
  method: 'GET',
  class: 'other',
  ms: 0,
  contentMs: 0,
  payerMs: 0,
  refusal: 'payment_required',
}

/** The same, once the article was found. */
async function kvConstant(request: Request, env: Env): Promise<Response> {
  const found = await env.CONTENT_KV.getWithMetadata(new URL(request.url).pathname, 'stream')
  await found.value?.cancel()
  return found.value === null ? new Response(null, { status: 404 }) : constant(request, env)
}

/** Fetches, and passes on. */
function passOn(request: Request, { ORIGIN_URL }: Env): Promise<Response> {
  const { pathname, search } = new URL(request.url)
  return fetch(ORIGIN_URL + pathname + search, { method: request.method, headers: request.headers })
}

const paymentOf = (request: Request): Payment => JSON.parse(atob(request.headers.get('PAYMENT-SIGNATURE') ?? ''))
const ASSET = ASSETS.find((asset) => asset.kind === 'eip3009' && asset.network === 'eip155:84532')

/** The site's own proof of a signature, and nothing else. */
async function recover(request: Request): Promise<Response> {
  const { signature, authorization } = paymentOf(request).payload
  if (ASSET?.kind !== 'eip3009') throw new Error('no token')
  const { from, to, value, validAfter, validBefore, nonce } = authorization
  const message = {
    from,
    to,
    nonce,
    value: BigInt(value),
    validAfter: BigInt(validAfter),
    validBefore: BigInt(validBefore),
  }
  return Response.json({ isSigned: await isSignedByPayer(message, signature, ASSET) })
}

const word = (bytes: Uint8Array) => {
  const out = new Uint8Array(32)
  out.set(bytes, 32 - bytes.length)
  return out
}
const number = (decimal: string) => {
  const text = BigInt(decimal).toString(16)
  return word(bytesOf(text.padStart(text.length + (text.length % 2), '0')))
}
const joined = (...parts: Uint8Array[]) => {
  const out = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
const hashed = (text: string) => keccak_256(utf8.encode(text))
const TYPE = hashed(
  'TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)',
)
let separator: Uint8Array | null = null
const domain = () =>
  keccak_256(
    joined(
      hashed('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)'),
      hashed('USDC'),
      hashed('2'),
      number('84532'),
      word(bytesOf('036cbd53842c5426634e7929541ec2318f3dcf7e')),
    ),
  )

/** Who signed an authorization, by @noble/curves alone. */
function signerOf({ signature, authorization }: Payment['payload']): string {
  const { from, to, value, validAfter, validBefore, nonce } = authorization
  separator ??= domain()
  const message = keccak_256(
    joined(
      TYPE,
      word(bytesOf(from.slice(2))),
      word(bytesOf(to.slice(2))),
      number(value),
      number(validAfter),
      number(validBefore),
      bytesOf(nonce.slice(2)),
    ),
  )
  const digest = keccak_256(joined(Uint8Array.of(0x19, 0x01), separator, message))
  const compact = secp256k1.Signature.fromCompact(signature.slice(2, 130))
  const key = compact.addRecoveryBit(Number.parseInt(signature.slice(130), 16) - 27).recoverPublicKey(digest)
  return `0x${hex(keccak_256(key.toRawBytes(false).subarray(1)).subarray(12))}`
}

const isOwn = (payload: Payment['payload']) => signerOf(payload) === payload.authorization.from.toLowerCase()

const settledHeader = (transaction: string, payer: string) =>
  btoa(JSON.stringify({ success: true, transaction, network: 'eip155:84532', payer }))

async function floorA(request: Request, env: Env): Promise<Response> {
  const payment = paymentOf(request)
  if (!isOwn(payment.payload)) return new Response('{"error":"invalid"}', { status: 402 })
  const { from } = payment.payload.authorization
  const content = await passOn(request, env)
  const transaction = await env.PURCHASES.get(env.PURCHASES.idFromName(from.toLowerCase())).buy(payment)
  if (transaction === null) return new Response('{"error":"payment_already_used"}', { status: 402 })
  const response = new Response(content.body, content)
  response.headers.set('PAYMENT-RESPONSE', settledHeader(transaction, from))
  return response
}

/** One look at the chain: the head, and whether the nonce was used, in one request. */
async function look({ RPC_URL }: Env, { from, nonce }: Authorization): Promise<{ block: number; isUsed: boolean }> {
  const data = `0xe94a0102${from.slice(2).padStart(64, '0')}${nonce.slice(2)}`
  const call = (id: number, method: string, params: unknown[]) => ({ jsonrpc: '2.0', id, method, params })
  const calls = [
    call(0, 'eth_getBlockByNumber', ['latest', false]),
    call(1, 'eth_call', [{ to: ASSET?.asset, data }, 'latest']),
  ]
  const reply = await fetch(RPC_URL, { method: 'POST', body: JSON.stringify(calls) })
  const [head, state] = await reply.json<[{ result: { number: string } }, { result: string }]>()
  return { block: Number(head.result.number), isUsed: BigInt(state.result) !== 0n }
}

async function floorB(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
  const payment = paymentOf(request)
  if (!isOwn(payment.payload)) return new Response('{"error":"invalid"}', { status: 402 })
  const { authorization } = payment.payload
  const [{ block, isUsed }, content] = await Promise.all([look(env, authorization), passOn(request, env)])
  if (isUsed || !content.body) return new Response('{"error":"payment_already_used"}', { status: 402 })
  const object = env.PURCHASES.get(env.PURCHASES.idFromName(authorization.from.toLowerCase()))
  const transaction = await object.purchase(payment, block)
  if (transaction === null) return new Response('{"error":"payment_already_used"}', { status: 402 })
  const { readable, writable } = new TransformStream()
  context.waitUntil(content.body.pipeTo(writable).then(() => object.delivered(authorization.nonce)))
  const response = new Response(readable, content)
  response.headers.set('PAYMENT-RESPONSE', settledHeader(transaction, authorization.from))
  return response
}

const TABLE = `CREATE TABLE IF NOT EXISTS purchases (key TEXT PRIMARY KEY, claimed INTEGER NOT NULL, block INTEGER,
  terms TEXT NOT NULL, tx TEXT, handouts INTEGER NOT NULL DEFAULT 0, delivered INTEGER NOT NULL DEFAULT 0,
  ledger INTEGER NOT NULL DEFAULT 0) STRICT`

/** One payer's purchases. */
export class Purchases extends DurableObject<Env> {
  #isReady = false
  /** An alarm that comes sooner is good enough. */
  #alarmAtMs = Number.POSITIVE_INFINITY

  #claim({ resource, payload: { authorization, signature } }: Payment, block: number | null): boolean {
    const { sql } = this.ctx.storage
    // In the commit of the first claim.
    if (!this.#isReady) sql.exec(TABLE)
    this.#isReady = true
    const terms = JSON.stringify({ ...authorization, signature, url: resource.url })
    const insert = 'INSERT INTO purchases (key, claimed, block, terms) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING'
    return sql.exec(insert, authorization.nonce, Date.now(), block, terms).rowsWritten > 0
  }

  async #settle({ accepted, payload, resource }: Payment): Promise<string> {
    const body = JSON.stringify({
      x402Version: 2,
      paymentPayload: { x402Version: 2, resource, accepted, payload },
      paymentRequirements: accepted,
    })
    const headers = { 'Content-Type': 'application/json' }
    const reply = await fetch(`${this.env.FACILITATOR_URL}/settle`, { method: 'POST', body, headers })
    return (await reply.json<{ transaction: string }>()).transaction
  }

  /** Floor A. */
  async buy(payment: Payment): Promise<string | null> {
    if (!this.#claim(payment, null)) return null
    await this.ctx.storage.sync()
    const transaction = await this.#settle(payment)
    this.#note('UPDATE purchases SET tx = ? WHERE key = ?', transaction, payment.payload.authorization.nonce)
    return transaction
  }

  /** Floor B. */
  async purchase(payment: Payment, block: number): Promise<string | null> {
    const { storage } = this.ctx
    if (!this.#claim(payment, block)) return null
    const atMs = Date.now() + 45_000
    if (atMs < this.#alarmAtMs) {
      this.#alarmAtMs = atMs
      void storage.setAlarm(atMs)
    }
    await storage.sync()
    const transaction = await this.#settle(payment)
    const { nonce } = payment.payload.authorization
    this.#note('UPDATE purchases SET tx = ?, handouts = 1 WHERE key = ?', transaction, nonce)
    this.ctx.waitUntil(this.#enter(payment, transaction))
    return transaction
  }

  async #enter({ resource, payload: { authorization } }: Payment, transaction: string): Promise<void> {
    const { from, to, value, nonce } = authorization
    await this.env.LEDGER_DB.prepare(
      'INSERT INTO payments (id, resource, payer, pay_to, amount, "transaction") VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    )
      .bind(nonce, resource.url, from, to, value, transaction)
      .run()
    this.#note('UPDATE purchases SET ledger = 1 WHERE key = ?', nonce)
  }

  delivered(nonce: string): void {
    this.#note('UPDATE purchases SET delivered = 1 WHERE key = ?', nonce)
  }

  #note(sql: string, ...values: string[]): void {
    this.ctx.storage.sql.exec(sql, ...values)
  }

  override alarm(): void {
    this.#alarmAtMs = Number.POSITIVE_INFINITY
  }
}

const ROLES = {
  constant,
  'constant told': constantTold,
  'kv constant': kvConstant,
  'pass on': passOn,
  recover,
  noble: (request: Request) => Promise.resolve(Response.json({ isSigned: isOwn(paymentOf(request).payload) })),
  'floor A': floorA,
  'floor B': floorB,
} satisfies Record<string, (request: Request, env: Env, context: ExecutionContext) => Promise<Response>>

export default {
  fetch: (request, env, context) => ROLES[env.ROLE](request, env, context),
} satisfies ExportedHandler<Env>
