// Releases beside each other: what one has stored the other reads, whichever comes first; workers and objects of two releases
// side by side take nothing they cannot hand out; and a release that has stored something new is not overtaken by an older one.
import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { inCheckout } from '../../dev/stack/paths.ts'
import { broadcast } from '../world/on-chain.ts'
import { pay, sign, wrap } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, type Shop } from '../world/shop.ts'
import { signIn, signInOf } from '../world/sign-in.ts'
import { built } from '../world/site.ts'

const PAGE = '/articles/hello'
const OTHER = '/articles/other'
const CONTENT = 'the whole article'
const TITLE = 'Hello'
const RELEASES = 'test/fixtures/releases'
const releases = readdirSync(inCheckout(RELEASES)).sort()
const bundleOf = (release: string) =>
  gunzipSync(readFileSync(inCheckout(`${RELEASES}/${release}/index.js.gz`))).toString('utf8')
const now = (await built()).worker
const all = (bundle: string) => ({ worker: bundle, objects: bundle })

let shop: Shop
afterEach(() => shop.close())

async function open(code: { worker: string; objects: string }): Promise<void> {
  shop = await openShop({}, { code })
  for (const path of [PAGE, OTHER]) await shop.site.kv.put(path, CONTENT, { metadata: { title: TITLE } })
}
/** Titles in the ledger. The first release knew none. */
const titles = async () => (await shop.ledger()).map(({ title }) => title ?? '').sort()
const asked = (path: string, headers: Record<string, string>) => shop.costOf(() => shop.ask(path, { headers }))

describe.each(releases)('release %s', (release) => {
  const then = bundleOf(release)

  test('its storage is read and written by this one, and by itself again', async () => {
    await open(all(then))
    const reader = await shop.reader()
    const challenge = await shop.challenge(PAGE)
    const bought = await shop.ask(PAGE, { headers: await pay('v2', challenge, reader) })
    expect(bought.text).toBe(CONTENT)
    // Paid, and never handed out.
    const owed = await shop.reader()
    const signed = await sign('v2', await shop.challenge(OTHER), owed)
    const payment = wrap('v2', await shop.challenge(OTHER), signed)
    shop.stack.facilitator.setHook(async () => 'drop')
    expect((await shop.ask(OTHER, { headers: payment })).status).toBe(503)
    shop.stack.facilitator.setHook(undefined)
    await broadcast(shop.stack.chain, signed)

    await shop.site.restart({}, all(now))
    expect((await asked(PAGE, { Cookie: bought.pass })).result.text).toBe(CONTENT)
    expect((await asked(PAGE, await signIn(signInOf(challenge), reader))).result.text).toBe(CONTENT)
    const again = await asked(OTHER, payment)
    expect([again.result.text, again.cost]).toEqual([CONTENT, NOTHING])
    const more = await pay('v2', await shop.challenge(OTHER), reader)
    expect((await asked(OTHER, more)).cost).toEqual(ONE_SALE)

    // What this one sells has a title, and what it hands out of what was paid before.
    await expect.poll(titles).toEqual(['', TITLE, TITLE])

    await shop.site.restart({}, all(then))
    const spent = await asked(OTHER, more)
    expect([spent.result.error, spent.cost]).toEqual(['payment_already_used', NOTHING])
    expect((await asked(PAGE, await signIn(signInOf(await shop.challenge(PAGE)), reader))).result.text).toBe(CONTENT)
    await expect.poll(() => shop.ledger()).toHaveLength(3)
  })

  // A payment may be of several kinds since protocol 2, which 0.2.0 does not speak: who has bought reads on, a purchase is
  // put off, and nothing is taken for it.
  test.each([
    ['a worker of this one with objects of it', { worker: now, objects: then }],
    ['a worker of it with objects of this one', { worker: then, objects: now }],
  ])('%s lets holders read on, and puts purchases off without a charge', async (_what, code) => {
    await open(all(then))
    const reader = await shop.reader()
    const challenge = await shop.challenge(PAGE)
    const bought = await shop.ask(PAGE, { headers: await pay('v2', challenge, reader) })
    // What is the same text is one worker.
    await shop.site.restart({}, { worker: `${code.worker}\n// one`, objects: `${code.objects}\n// two` })
    expect((await asked(PAGE, { Cookie: bought.pass })).result.text).toBe(CONTENT)
    const payment = await pay('v2', await shop.challenge(OTHER), reader)
    const early = await asked(OTHER, payment)
    expect([early.result.status, early.result.error, early.cost]).toEqual([503, 'unavailable', NOTHING])

    await shop.site.restart({}, all(now))
    const late = await asked(OTHER, payment)
    expect([late.result.text, late.cost]).toEqual([CONTENT, ONE_SALE])
    expect((await asked(OTHER, payment)).result.error).toBe('payment_already_used')
    expect((await asked(PAGE, await signIn(signInOf(challenge), reader))).result.text).toBe(CONTENT)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(2)
  })
})

describe('the next release, with one more migration', () => {
  const next = now.replace(/(CREATE TABLE used_nonces[^`]*`)/, '$1,`CREATE TABLE later (what TEXT) STRICT`')

  test('takes over what is stored; going back loses nothing, and sells nothing to those it has met', async () => {
    expect(next).not.toBe(now)
    await open(all(now))
    const reader = await shop.reader()
    const { pass } = await shop.buy('v2', PAGE, reader)
    // The database of the books has a column more as well: releases only add.
    await shop.site.db.prepare('ALTER TABLE payments ADD COLUMN later TEXT').run()

    await shop.site.restart({}, all(next))
    const payment = await pay('v2', await shop.challenge(OTHER), reader)
    expect((await asked(OTHER, payment)).cost).toEqual(ONE_SALE)

    await shop.site.restart({}, all(now))
    expect((await asked(PAGE, { Cookie: pass })).result.text).toBe(CONTENT)
    const back = await asked(OTHER, payment)
    expect([back.result.status, back.result.error, back.cost]).toEqual([503, 'unavailable', NOTHING])
    const stranger = await shop.reader()
    expect((await shop.costOf(() => shop.buy('v2', PAGE, stranger))).cost).toEqual(ONE_SALE)

    await shop.site.restart({}, all(next))
    expect((await asked(OTHER, payment)).result.error).toBe('payment_already_used')
    await expect.poll(() => shop.ledger()).toHaveLength(3)
  })
})
