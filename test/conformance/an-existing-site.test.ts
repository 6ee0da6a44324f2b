// docs/guides/an-existing-site.md, carried out: its routes in front of a server that behaves as WordPress does.
import { execFile } from 'node:child_process'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { inCheckout } from '../../dev/stack/paths.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { commandsOf, varsOf } from '../world/guide.ts'
import { type OriginAnswer, type OriginRequest, type OriginServer, startOrigin } from '../world/origin.ts'
import { NOTHING, ONE_SALE, openShop, type Shop } from '../world/shop.ts'

const GUIDE = 'an-existing-site'
const SITE = 'https://news.example'
const PIECE = '/articles/my-piece'
const PAID = 'the paid part of it'
const LOGIN = 'wordpress_logged_in=editor'
let origin: OriginServer
let shop: Shop

/** Pages end in a slash, and whoever forgets it is sent there; the editor talks to `/wp-json/`. */
function wordpress({ method, url, headers, body }: OriginRequest): OriginAnswer {
  const html = { 'Content-Type': 'text/html; charset=UTF-8', Link: `<${SITE}/wp-json/>; rel="https://api.w.org/"` }
  const [path = '', query = ''] = url.split('?')
  if (path === '/wp-login.php' && method === 'POST') {
    return {
      status: 302,
      headers: { Location: '/wp-admin/', 'Set-Cookie': [`${LOGIN}; HttpOnly`, 'other=1'] },
      body: '',
    }
  }
  if (path.startsWith('/wp-json/') || query.startsWith('rest_route=')) {
    const isEditor = headers.cookie?.includes(LOGIN) === true
    return {
      status: isEditor ? 200 : 401,
      headers: { 'Content-Type': 'application/json' },
      body: isEditor ? body : '{}',
    }
  }
  if (query.startsWith('p=')) return { status: 301, headers: { ...html, Location: `${SITE}${PIECE}/` }, body: '' }
  if (/^\/(?:articles|about)(?:\/[\w-]+)?$/.test(path)) {
    return { status: 301, headers: { ...html, Location: `${SITE}${path}/` }, body: '' }
  }
  if (path === `${PIECE}/`)
    return { headers: html, body: `<div class="entry-content"><p>The first lines.</p><p>${PAID}</p></div>` }
  if (['/', '/about/', '/articles/', '/feed/'].includes(path)) return { headers: html, body: `<h1>${path}</h1>` }
  return { status: 404, headers: html, body: 'not here' }
}

const settings = async (mode: 'observe' | 'enforce') => {
  const written = z
    .object({ ROUTES: z.array(z.looseObject({ mode: z.string().optional() })) })
    .parse(await varsOf(GUIDE))
  return {
    ORIGIN_URL: origin.url,
    ROUTES: z
      .array(z.record(z.string(), z.json()))
      .parse(written.ROUTES.map((route) => (route.mode ? { ...route, mode } : route))),
  }
}

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openShop(await settings('observe'))
  await shop.stack.chain.fund(wallets.payer.address, 1_000_000n)
})
afterAll(async () => {
  await shop.close()
  await origin.stop()
})
beforeEach(() => origin.tell(wordpress))

test('observed, everybody gets everything, unchanged', async () => {
  for (const path of ['/', '/articles/', `${PIECE}/`, '/feed/']) {
    const { result, cost } = await shop.costOf(() => shop.ask(path))
    expect([result.status, result.header('PAYMENT-REQUIRED')]).toEqual([200, null])
    expect(cost).toEqual(NOTHING)
  }
})

describe('enforced', () => {
  beforeAll(async () => shop.site.restart(await settings('enforce')))

  test.each(['/', '/about/', '/articles/', '/feed/'])('%s is free, and the site’s own to the byte', async (path) => {
    const answer = await shop.ask(path)
    expect(answer.text).toBe(`<h1>${path}</h1>`)
    expect(answer.header('Link')).toContain('api.w.org')
    expect(answer.header('Access-Control-Allow-Origin')).toBeNull()
  })

  test.each([PIECE, `${PIECE}/`])('%s is for sale to programs, and the site hears nothing of it', async (path) => {
    const answer = await shop.ask(path)
    expect(answer.status).toBe(402)
    expect(answer.text).not.toContain(PAID)
    expect(origin.seen).toEqual([])
  })

  test('a reader sees the site’s own page up to the paid part, at the address with the slash', async () => {
    const page = { headers: { Accept: 'text/html' } }
    expect((await shop.ask(PIECE, page)).header('Location')).toBe(`${SITE}${PIECE}/`)
    const answer = await shop.ask(`${PIECE}/`, page)
    expect(answer.status).toBe(402)
    expect(answer.text).toContain('<p>The first lines.</p>')
    expect(answer.text).not.toContain(PAID)
  })

  test('bought with the slash it is the whole page, and the pass opens it without', async () => {
    const reader = await shop.reader()
    const { result, cost } = await shop.costOf(() => shop.buy('v2', `${PIECE}/`, reader))
    expect(result.text).toContain(PAID)
    expect(cost).toEqual(ONE_SALE)
    const held = await shop.ask(PIECE, { headers: { Cookie: result.pass } })
    expect([held.status, held.header('Location')]).toEqual([301, `${SITE}${PIECE}/`])
  })

  test('the site’s own redirect to the slash costs nobody anything', async () => {
    const reader = await shop.reader()
    const { result, cost } = await shop.costOf(() => shop.buy('v2', PIECE, reader))
    expect([result.status, result.header('Location')]).toEqual([301, `${SITE}${PIECE}/`])
    expect(cost.earned).toBe(0n)
  })

  test('what is not there is 404 only for who pays, and is not charged', async () => {
    const { result, cost } = await shop.costOf(async () =>
      shop.buy('v2', '/articles/nothing-here/', await shop.reader()),
    )
    expect(result.status).toBe(404)
    expect(cost.earned).toBe(0n)
  })

  test.each(['feed/', 'amp/', 'page/2/', 'embed/'])(
    'what hangs below a piece is behind the gate: %s',
    async (below) => {
      expect((await shop.ask(`${PIECE}/${below}`)).status).toBe(402)
    },
  )

  test('an editor logs in and writes as before', async () => {
    const login = await shop.ask('/wp-login.php', { method: 'POST', body: 'log=editor' })
    expect(login.status).toBe(302)
    expect(login.headers.getSetCookie()).toEqual([`${LOGIN}; HttpOnly`, 'other=1'])
    const saved = await shop.ask('/wp-json/wp/v2/posts/1', {
      method: 'PUT',
      body: '{"a":1}',
      headers: { Cookie: LOGIN },
    })
    expect([saved.status, saved.text]).toEqual([200, '{"a":1}'])
  })

  test('the commands of the guide show what stands behind them', async () => {
    const shown = commandsOf(GUIDE).filter(
      (command) => command.startsWith('curl ') || command.startsWith('npm run buy'),
    )
    const said: string[] = []
    for (const command of shown) said.push(await run(command))
    expect(said.map((text) => /^(?:HTTP\/1\.1 \d+|\d+$)|Status +\d+/m.exec(text)?.[0])).toEqual([
      'HTTP/1.1 200',
      'HTTP/1.1 200',
      'HTTP/1.1 402',
      '0',
      'Status       200',
    ])
  })
})

/** A command of the guide, at the site on this machine. */
const run = (command: string): Promise<string> =>
  new Promise((resolve) => {
    const line = command.replaceAll(SITE, shop.site.url)
    execFile('sh', ['-c', line], { cwd: inCheckout('.') }, (_failure, stdout, stderr) => resolve(stdout + stderr))
  })
