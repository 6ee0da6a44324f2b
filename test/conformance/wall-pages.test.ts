// The wall in pages as publishers' systems write them: the cut is where a person would put it, and the leak check finds nothing.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Report } from '../../cli/doctor/findings.ts'
import { leakOptions, leakReport } from '../../cli/doctor/leaks.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { HIDDEN, PAGES, type PublishedPage, SHOWN } from '../world/pages.ts'
import { openShop, type Shop } from '../world/shop.ts'

const PAGE = '/articles/captains'
const DOCUMENT = { Accept: 'text/html,*/*;q=0.8', 'Sec-Fetch-Dest': 'document' }
let origin: OriginServer
let shop: Shop

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [{ path: '/articles/*', price: '$0.05', access: '24h', wall: {} }],
  })
})
afterAll(async () => {
  await shop.close()
  await origin.stop()
})

const tell = ({ html, contentType = 'text/html; charset=utf-8', headers = {} }: PublishedPage) =>
  origin.tell(({ url }) =>
    url.startsWith('/articles/')
      ? { headers: { 'Content-Type': contentType, ...headers }, body: html }
      : { status: 404, headers: { 'Content-Type': 'text/html' }, body: 'not here' },
  )

function leaks(): Promise<Report> {
  return leakReport(leakOptions([shop.site.url + PAGE], undefined, origin.url), {
    fetch,
    nowMs: Date.now,
    progress: () => {},
  })
}

describe.each(PAGES.map((page) => [page.name, page] as const))('a page %s', (_name, page) => {
  beforeEach(() => tell(page))

  test('shows its first lines and the card, and nothing of the rest', async () => {
    const answer = await shop.ask(PAGE, { headers: DOCUMENT })
    expect(answer.status).toBe(402)
    expect(answer.text).toContain('shadowrootmode')
    for (const words of page.shown ?? SHOWN) expect(answer.text).toContain(words)
    const everything = `${answer.text} ${JSON.stringify([...answer.headers])} ${decodeURIComponent(answer.text.replace(/%(?![0-9a-f]{2})/gi, ''))}`
    for (const words of HIDDEN) expect(everything).not.toContain(words)
    expect(answer.text).toContain('The Daily Stand')
  })

  test('passes the leak check', async () => {
    const report = await leaks()
    expect(report.findings.filter(({ level }) => level === 'error')).toEqual([])
    expect(report.notes.join()).toContain('words are paid for')
  })
})
