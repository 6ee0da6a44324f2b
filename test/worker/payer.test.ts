// The payer's object from inside: what it stores for strangers, and what its alarm clears up after a crash.
import {
  applyD1Migrations,
  evictDurableObject,
  reset,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Payer } from '../../src/payer/payer.ts'
import { PaymentRecords } from '../../src/payer/records.ts'
import type { RedeemRequest } from '../../src/payer/redeem.ts'
import { claimRow } from '../../src/payer/rows.ts'

const NETWORK = 'eip155:84532'
const PAYER = '0x90f79bf6eb2c4f870365e785982e1f101e93b906'
const TX = `0x${'ab'.repeat(32)}`
const NOW = Math.floor(Date.now() / 1000)

const request: RedeemRequest = {
  key: '3009|84532|0x036c|0x90f7|0x01',
  payment: {
    x402Version: 2,
    scheme: 'exact',
    network: NETWORK,
    authorization: {
      from: PAYER,
      to: '0x70997970c51812dc3a010c7d01b50e0d17dc79c8',
      value: 50_000n,
      validAfter: 0n,
      validBefore: BigInt(NOW + 300),
      nonce: `0x${'01'.repeat(32)}`,
    },
    signature: `0x${'22'.repeat(65)}`,
    accepted: null,
    identifier: null,
    quote: null,
  },
  offer: {
    network: NETWORK,
    asset: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
    payTo: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
    amount: 50_000n,
    eip712: { name: 'USDC', version: '2' },
    maxTimeoutSeconds: 300,
    name: null,
    accessSeconds: 86_400,
    scope: null,
    flow: 'authorization',
  },
  objection: null,
  resource: { site: 'https://news.example', method: 'GET', path: '/articles/hello', id: '/articles/hello' },
  scope: '=/articles/hello',
  accessSeconds: 86_400,
  signatureHash: 'a hash',
}

const object = () => env.PAYERS.get(env.PAYERS.idFromName(`${NETWORK}:${PAYER}`))
const rows = () =>
  runInDurableObject(object(), (_: Payer, state) =>
    state.storage.sql.exec('SELECT status, reason, tx, outbox, signature FROM payments').toArray(),
  )

/** Stores a claim as a crashed object would have left it. */
async function leave(status: 'claimed' | 'settling' | 'unknown' | 'settled', outbox = 0) {
  const { offer } = request
  if (!offer) throw new Error('the request has an offer')
  await runInDurableObject(object(), async (_: Payer, state) => {
    const fresh = claimRow(request.key, request.payment, offer, request, request.signatureHash, NOW)
    const settled = status === 'settled' ? { tx: TX, settled_at: NOW, signature: null } : {}
    new PaymentRecords(state.storage.sql).insert({ ...fresh, status, outbox, ...settled })
    await state.storage.setAlarm(Date.now() + 60_000)
  })
  await evictDurableObject(object())
}

/** The chain, as an RPC would tell of it: `used` is the state of the nonce, `time` that of the newest block. */
function chainSays(answers: { used: boolean; time: number }) {
  const word = (value: number) => `0x${value.toString(16).padStart(64, '0')}`
  const results: Record<string, unknown> = {
    eth_call: word(answers.used ? 1 : 0),
    eth_getBlockByNumber: { number: '0x10', timestamp: `0x${answers.time.toString(16)}` },
    eth_getLogs: [],
  }
  return vi.spyOn(globalThis, 'fetch').mockImplementation(async (_, init) => {
    const { method } = JSON.parse(String(init?.body))
    return Response.json({ jsonrpc: '2.0', id: 1, result: results[method] })
  })
}

beforeEach(async () => {
  await applyD1Migrations(env.LEDGER_DB, env.TEST_MIGRATIONS)
})
afterEach(async () => {
  vi.restoreAllMocks()
  await reset()
})

test('a payment that may not be redeemed stores nothing', async () => {
  const objection = { code: 'invalid_payment_requirements' } as const
  const outcome = await object().redeem({ ...request, objection })
  expect(outcome).toEqual({ kind: 'refused', refusal: objection })
  const tables = await runInDurableObject(object(), (_: Payer, state) =>
    state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'payments'").toArray(),
  )
  expect(tables).toEqual([])
})

const NONCE = '0123456789abcdef0123456789abcdef'
const tables = () =>
  runInDurableObject(object(), (_: Payer, state) =>
    state.storage.sql
      .exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'")
      .toArray(),
  )
const signIn = (nonce = NONCE, over: Partial<typeof request.resource> = {}) =>
  object().signIn({ nonce, nonceEndsAtSeconds: NOW + 300, resource: { ...request.resource, ...over } })

test('a sign-in of who bought nothing stores nothing', async () => {
  expect(await signIn()).toEqual({ kind: 'nothing', isPending: false })
  expect(await object().ownsAt(request.resource)).toBe(false)
  expect(await tables()).toEqual([])
  expect(await runInDurableObject(object(), (_: Payer, state) => state.storage.getAlarm())).toBeNull()
})

test('a sign-in is told what was bought at its site, once per nonce', async () => {
  await leave('settled')
  const grant = { scope: '=/articles/hello', method: 'GET', endsAtSeconds: NOW + 86_400, payer: PAYER }
  expect(await signIn(NONCE, { site: 'https://other.example' })).toEqual({ kind: 'nothing', isPending: false })
  expect(await signIn()).toEqual({ kind: 'owned', grants: [grant] })
  expect(await signIn()).toEqual({ kind: 'used' })
  await evictDurableObject(object())
  expect(await signIn()).toEqual({ kind: 'used' })
  expect(await signIn('f'.repeat(32))).toEqual({ kind: 'owned', grants: [grant] })
})

test('access that has ended is nothing to sign in for', async () => {
  await leave('settled')
  await runInDurableObject(object(), (_: Payer, state) => {
    state.storage.sql.exec('UPDATE payments SET settled_at = ?', NOW - 86_400)
  })
  expect(await signIn()).toEqual({ kind: 'nothing', isPending: false })
})

test('a payment with an open outcome is pending, which uses no nonce up', async () => {
  await leave('unknown')
  expect(await signIn()).toEqual({ kind: 'nothing', isPending: true })
  expect(await signIn(NONCE, { path: '/articles/other', id: '/articles/other' })).toMatchObject({ isPending: false })
  expect(await tables()).toEqual([{ name: 'payments' }])
})

test('the alarm comes when a nonce ends, and forgets it', async () => {
  await leave('settled')
  await runInDurableObject(object(), (_: Payer, state) => state.storage.setAlarm(Date.now() + 86_400_000))
  await signIn()
  const alarm = () => runInDurableObject(object(), (_: Payer, state) => state.storage.getAlarm())
  expect(await alarm()).toBe((NOW + 300) * 1000)
  const nonces = () =>
    runInDurableObject(object(), (_: Payer, state) => state.storage.sql.exec('SELECT nonce FROM used_nonces').toArray())
  expect(await nonces()).toHaveLength(1)
  await runInDurableObject(object(), (_: Payer, state) => {
    state.storage.sql.exec('UPDATE used_nonces SET ends_at = ?', NOW - 1)
  })
  await runDurableObjectAlarm(object())
  expect(await nonces()).toEqual([])
  expect(await alarm()).toBeGreaterThan((NOW + 3_600) * 1000)
})

test('a claim whose authorization lapsed is refused by the alarm, and nothing is sent to a facilitator', async () => {
  await leave('settling')
  const chain = chainSays({ used: false, time: NOW + 1_000 })
  await runDurableObjectAlarm(object())
  expect(await rows()).toMatchObject([
    { status: 'refused', reason: 'invalid_exact_evm_payload_authorization_valid_before' },
  ])
  for (const [url] of chain.mock.calls) expect(String(url)).not.toMatch(/settle/)
})

test('a claim that may still land stays unknown, and the alarm comes again', async () => {
  await leave('unknown')
  chainSays({ used: false, time: NOW })
  await runDurableObjectAlarm(object())
  expect(await rows()).toMatchObject([{ status: 'unknown' }])
  expect(await runInDurableObject(object(), (_: Payer, state) => state.storage.getAlarm())).not.toBeNull()
})

test('a used nonce without a log proves nothing', async () => {
  await leave('unknown')
  chainSays({ used: true, time: NOW })
  await runDurableObjectAlarm(object())
  expect(await rows()).toMatchObject([{ status: 'unknown' }])
})

test('the ledger is caught up with once D1 is back', async () => {
  await leave('settled', 1)
  await env.LEDGER_DB.exec('ALTER TABLE payments RENAME TO away')
  await runDurableObjectAlarm(object())
  expect(await rows()).toMatchObject([{ outbox: 1 }])

  await env.LEDGER_DB.exec('ALTER TABLE away RENAME TO payments')
  await runDurableObjectAlarm(object())
  expect(await rows()).toMatchObject([{ outbox: 0 }])
  const stored = await env.LEDGER_DB.prepare('SELECT id, amount, "transaction" FROM payments').all()
  expect(stored.results).toEqual([{ id: request.key, amount: '50000', transaction: TX }])
})

test('a settled payment forgets its signature', async () => {
  await leave('unknown')
  await runInDurableObject(object(), (_: Payer, state) =>
    new PaymentRecords(state.storage.sql).setState(request.key, { status: 'settled', transaction: TX }, NOW),
  )
  expect(await rows()).toMatchObject([{ status: 'settled', tx: TX, outbox: 1, signature: null }])
})

test('what nothing depends on is forgotten, and an empty object keeps no storage', async () => {
  await leave('settled')
  const later = NOW + 2 * 86_400
  await runInDurableObject(object(), (_: Payer, state) => {
    const records = new PaymentRecords(state.storage.sql)
    records.setDelivered(request.key)
    expect(records.forget(NOW + 86_399)).toBe(NOW + 86_400)
  })
  vi.useFakeTimers({ now: later * 1000, toFake: ['Date'] })
  await runDurableObjectAlarm(object())
  vi.useRealTimers()
  const tables = await runInDurableObject(object(), (_: Payer, state) =>
    state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'payments'").toArray(),
  )
  expect(tables).toEqual([])
})

test('an answer that was paid for and never handed out is kept for thirty days', async () => {
  await leave('settled')
  const due = await runInDurableObject(object(), (_: Payer, state) =>
    new PaymentRecords(state.storage.sql).forget(NOW + 29 * 86_400),
  )
  expect(due).toBe(NOW + 30 * 86_400)
})
