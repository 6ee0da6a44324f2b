// A bought film, recording or picture in a real browser: it is shown in a page that the policy lets it into, what was loaded
// is not loaded again, and without the pass nothing of it is shown, from the browser's memory either.
import { createServer, request } from 'node:http'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { listening } from '../../dev/stack/ports.ts'
import { startBrowser } from '../world/chromium.ts'
import { openReader, type Reader, walletOf } from '../world/reader.ts'
import { openShop, type Shop } from '../world/shop.ts'

const SECONDS = 300
const RATE = 8_000

/** A recording of silence: 8 bits, mono (RIFF WAVE). Chromium plays it without a licence. */
function silence(): Buffer {
  const bytes = SECONDS * RATE
  const head = Buffer.alloc(44)
  head.write('RIFF')
  head.writeUInt32LE(36 + bytes, 4)
  head.write('WAVEfmt ', 8)
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20)
  head.writeUInt16LE(1, 22)
  head.writeUInt32LE(RATE, 24)
  head.writeUInt32LE(RATE, 28)
  head.writeUInt16LE(1, 32)
  head.writeUInt16LE(8, 34)
  head.write('data', 36)
  head.writeUInt32LE(bytes, 40)
  return Buffer.concat([head, Buffer.alloc(bytes, 128)])
}

const PICTURE =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1600 900" width="1600" height="900"><rect width="1600" height="900" fill="#2f6f8f"/><script>document.title = "it ran"</script></svg>'

let shop: Shop
let browser: Browser
/** The site's address through a counter of what it sends. */
let front: string
/** What was sent, in order. */
const sent: { path: string; status: number; bytes: number }[] = []

beforeAll(async () => {
  const opening = openShop({
    SITE_URL: 'http://localhost:8787',
    BRAND: { name: 'The Daily Stand', accent: '#0b6e4f', support: 'mailto:help@news.example' },
    ROUTES: [{ path: '/media/*', content: 'r2', price: '$0.05', access: '24h' }],
  })
  ;[browser, shop] = await Promise.all([startBrowser(), opening])
  const { r2 } = shop.site
  await r2.put('media/silence', silence(), {
    httpMetadata: { contentType: 'audio/wav' },
    customMetadata: { title: 'Five minutes of silence', description: 'The harbour, before the gulls.' },
  })
  await r2.put('media/harbour.svg', PICTURE, {
    httpMetadata: { contentType: 'image/svg+xml' },
    customMetadata: { title: 'The harbour at low water' },
  })
  const { port } = new URL(shop.site.url)
  const counter = createServer((asked, response) => {
    const { method, url: path = '', headers } = asked
    const outgoing = request({ hostname: '127.0.0.1', port, method, path, headers }, (answer) => {
      const entry = { path, status: answer.statusCode ?? 0, bytes: 0 }
      sent.push(entry)
      response.writeHead(entry.status, answer.rawHeaders)
      answer.on('data', (chunk: Buffer) => {
        entry.bytes += chunk.length
      })
      answer.pipe(response)
    })
    response.on('close', () => outgoing.destroy())
    outgoing.on('error', () => response.destroy())
    asked.pipe(outgoing)
  })
  const { url, stop } = await listening(counter)
  front = url
  shop.onClose(stop)
})

afterAll(async () => {
  await browser.close()
  await shop.close()
})

async function buyer(path: string): Promise<Reader> {
  const reader = await openReader(browser, [walletOf(await shop.reader(), shop.stack.chain.rpcUrl)])
  await reader.page.goto(front + path)
  await reader.look(`media-offer-${path.slice(7, 11)}`)
  await reader.click('Pay $0.05')
  return reader
}

/** What was sent for the recording in its page. */
const ofRecording = () => sent.filter(({ path }) => path === '/media/silence?raw')
const loaded = () => ofRecording().reduce((sum, { bytes }) => sum + bytes, 0)

test('a recording is heard in its page; what was loaded is not loaded again; without the pass it is gone', async () => {
  const reader = await buyer('/media/silence')
  const { page } = reader
  const audio = page.locator('audio')
  await audio.waitFor()
  await page.getByRole('heading', { level: 1, name: 'Five minutes of silence' }).waitFor()
  const isKnown = () =>
    page.waitForFunction((seconds) => document.querySelector('audio')?.duration === seconds, SECONDS)
  await isKnown()
  await reader.look('player-recording')

  const seek = (seconds: number) =>
    audio.evaluate(
      (element: HTMLAudioElement, to) =>
        new Promise<void>((done) => {
          element.addEventListener('seeked', () => done(), { once: true })
          element.currentTime = to
        }),
      seconds,
    )
  const listen = async () => {
    await seek(250)
    await seek(20)
  }
  await listen()
  await listen()
  await page.reload()
  await isKnown()
  await listen()
  // Three times through it, in two pages: a piece may come twice where Chromium breaks off, and the rest does not.
  expect(loaded()).toBeLessThan(1.5 * SECONDS * RATE)
  expect(ofRecording().map(({ status }) => status)).toContain(304)
  await page.context().clearCookies()
  const answer = await page.goto(`${front}/media/silence?raw`)
  expect(answer?.status()).toBe(402)
  await reader.close()
})

test('a picture is shown in its page, and runs nothing', async () => {
  const reader = await buyer('/media/harbour.svg')
  const { page } = reader
  const picture = page.getByRole('img', { name: 'The harbour at low water' })
  await picture.waitFor()
  await picture.evaluate((element: HTMLImageElement) => element.decode())
  expect(await picture.evaluate((element: HTMLImageElement) => element.naturalWidth)).toBe(1600)
  expect(await page.title()).toBe('The harbour at low water · The Daily Stand')
  await reader.look('player-picture')
  await reader.close()
})
