// Until when, in the reader's own time: Cloudflare names zones by their names of today, and so does everybody.
import { expect, test } from 'vitest'
import { untilOf, withBar } from '../../src/bar.ts'
import { NO_BRAND } from '../../src/pages/page.tsx'

/** 2026-11-24, 04:36 UTC. */
const END = Date.UTC(2026, 10, 24, 4, 36) / 1000
const grant = { scope: '=/a', method: 'GET', endsAtSeconds: END, payer: '0x0' }
const from = (timezone: string) =>
  Object.assign(new Request('https://news.example/a', { headers: { 'Sec-Fetch-Dest': 'document' } }), {
    cf: { timezone },
  })

test.each([
  ['Asia/Kolkata', '10:06 AM'],
  ['Asia/Ho_Chi_Minh', '11:36 AM'],
  ['Asia/Kathmandu', '10:21 AM'],
  ['Europe/Kyiv', '6:36 AM'],
  ['America/Argentina/Buenos_Aires', '1:36 AM'],
  ['Europe/Berlin', '5:36 AM'],
])('a reader in %s is told their own time', async (zone, time) => {
  const content = new Response('<p>x', { headers: { 'Content-Type': 'text/html' } })
  const page = await (await withBar(from(zone), NO_BRAND, content, grant)).text()
  expect(page.replace(/&#\d+;/g, ' ')).toContain(time)
})

test('a zone that nobody knows is no fault', () => {
  expect(untilOf(from('Mars/Olympus'), grant).timeZone).toBe('UTC')
})
