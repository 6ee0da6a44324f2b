// How every refusal is dressed: one code from a closed list, one sentence, JSON for programs and a page for browsers,
// readable for scripts of other origins, stored by nobody.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import type { Question } from '../world/answer.ts'
import { behaviours, refuses } from '../world/behaviour.ts'
import { type Change, pay, sign, wrap } from '../world/payer.ts'
import { openShop, type Shop } from '../world/shop.ts'

const PAGE = '/articles/hello'
const facilitator = behaviours()
let shop: Shop

beforeAll(async () => {
  shop = await openShop(
    {
      SITE_URL: ['https://news.example'],
      ROUTES: [{ path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' }],
    },
    { hook: facilitator.hook },
  )
  await shop.site.kv.put(PAGE, 'the whole article')
})

afterAll(() => shop.close())

type Situation = () => Promise<{ path?: string; question?: Question }>

const news = (headers: Record<string, string> = {}): Question => ({ headers: { Host: 'news.example', ...headers } })

const paying =
  (change: Change): Situation =>
  async () => ({ question: news(await pay('v2', await shop.challenge(PAGE, news()), await shop.reader(), change)) })

const SITUATIONS: [string, number, Situation][] = [
  ['payment_required', 402, async () => ({})],
  ['invalid_payload', 400, async () => ({ question: news({ 'X-PAYMENT': 'junk' }) })],
  ['invalid_x402_version', 400, paying({ payment: { x402Version: 7 } })],
  ['invalid_payment_requirements', 402, paying({ accepted: { amount: '1' } })],
  ['invalid_exact_evm_payload_authorization_valid_before', 402, paying({ signed: { validBefore: 1n } })],
  ['invalid_exact_evm_payload_signature', 402, paying({ signature: () => '0x00' })],
  ['not_found', 404, async () => ({ path: '/articles/nothing' })],
  ['not_found', 404, async () => ({ path: '/_newsstand/x' })],
  ['misdirected_request', 421, async () => ({ question: { headers: { Host: 'evil.example' } } })],
  [
    'payment_refused',
    403,
    async () => {
      const reader = await shop.reader()
      facilitator.set(reader.address, refuses('kyt_risk_detected'))
      return { question: news(await pay('v2', await shop.challenge(PAGE, news()), reader)) }
    },
  ],
  [
    'payment_already_used',
    402,
    async () => {
      const question = news(await pay('v2', await shop.challenge(PAGE, news()), await shop.reader()))
      await shop.ask(PAGE, question)
      return { question }
    },
  ],
  [
    'payment_identifier_conflict',
    409,
    async () => {
      const [challenge, reader] = [await shop.challenge(PAGE, news()), await shop.reader()]
      const identifier = `conflict-${reader.address}`
      await shop.ask(PAGE, news(await pay('v2', challenge, reader, { identifier })))
      const second = await sign('v2', challenge, reader)
      return { question: news(wrap('v2', challenge, second, { identifier })) }
    },
  ],
]

const body = z.looseObject({ error: z.string(), message: z.string().regex(/^[A-Z][^\n]{10,200}\.$/) })
/** What the text of an exception looks like. */
const EXCEPTION = /\b(?:[A-Z][a-z]+)*Error\b|\bat .+:\d+:\d+|\bundefined\b|\[object |\bZod|stack/

describe.each(SITUATIONS)('%s (%i)', (code, status, situation) => {
  const ask = async (headers: Record<string, string>, method = 'GET') => {
    const { path = PAGE, question = news() } = await situation()
    return shop.ask(path, { ...question, method, headers: { ...question.headers, ...headers } })
  }

  test('is JSON for a program', async () => {
    const answer = await ask({ Accept: 'application/json' })
    expect(answer.status).toBe(status)
    expect(answer.header('Content-Type')).toMatch(/^application\/json/)
    expect(body.parse(answer.json).error).toBe(code)
    expect(answer.text).not.toMatch(EXCEPTION)
  })

  test('is a page for a browser, which runs nothing and is framed by nobody', async () => {
    const answer = await ask({ Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' })
    expect(answer.status).toBe(status)
    expect(answer.header('Content-Type')).toBe('text/html; charset=utf-8')
    expect(answer.text).toMatch(/^<!doctype html>/i)
    expect(answer.text).not.toMatch(EXCEPTION)
    expect(answer.header('Content-Security-Policy')).toContain("frame-ancestors 'none'")
    expect(answer.header('PAYMENT-REQUIRED') === null).toBe(status !== 402)
  })

  test('is readable from other origins, and not stored', async () => {
    const answer = await ask({ Origin: 'https://reader.example' })
    expect(answer.header('Access-Control-Allow-Origin')).toMatch(/^(?:\*|https:\/\/reader\.example)$/)
    expect(answer.header('Access-Control-Allow-Credentials')).toBeNull()
    expect(answer.header('Access-Control-Expose-Headers')).toBe(
      'PAYMENT-REQUIRED, PAYMENT-RESPONSE, X-PAYMENT-RESPONSE, WWW-Authenticate, Payment-Receipt, Retry-After',
    )
    expect(answer.header('Cache-Control')).toBe('no-store')
    expect(answer.header('Vary')).toContain('Accept')
  })

  test('has no body for HEAD', async () => {
    expect((await ask({}, 'HEAD')).bytes).toHaveLength(0)
  })
})
