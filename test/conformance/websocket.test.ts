// WebSockets through the worker to the publisher's origin: on free routes and with a pass, never for a payment. Both ends
// are written by hand here (RFC 6455), so that nothing between them is anybody's but the worker's.
import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, request } from 'node:http'
import type { Duplex } from 'node:stream'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Listening, LOOPBACK, listening } from '../../dev/stack/ports.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, type Shop } from '../world/shop.ts'

const TEXT = 0x1
const CLOSE = 0x8
/** What an answer to the key of a client is made of (RFC 6455 §1.3). */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const ORIGINS_COOKIES = ['a=1', '__Host-newsstand=x.y; Path=/; Secure', 'b=2']

const seen: { url: string; headers: IncomingHttpHeaders }[] = []
const open: Duplex[] = []
let origin: Listening
let shop: Shop
/** Opens `/live/tides`. */
let cookie: string

beforeAll(async () => {
  const server = createServer((_, response) => response.end('the page'))
  server.on('upgrade', (incoming, socket) => {
    const { url = '', headers } = incoming
    seen.push({ url, headers })
    open.push(socket)
    if (url.endsWith('/closed')) return void socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nclosed')
    const accept = createHash('sha1').update(`${headers['sec-websocket-key']}${GUID}`).digest('base64')
    const lines = [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${accept}`,
      'Sec-WebSocket-Protocol: tides',
      ...ORIGINS_COOKIES.map((value) => `Set-Cookie: ${value}`),
      'X-Accel-Expires: 600',
    ]
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    onFrames(socket, (opcode, payload) => {
      if (opcode === TEXT) socket.write(frame(TEXT, Buffer.from(`echo of ${payload}`), false))
      if (opcode === CLOSE) socket.end(frame(CLOSE, payload, false))
    })
  })
  origin = await listening(server)
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      { path: '/live/*', price: '$0.05', access: '24h' },
      { path: '/chat/*', price: 'free' },
    ],
  })
  cookie = (await shop.buy('v2', '/live/tides', await shop.reader())).headers.getSetCookie()[0]?.split(';')[0] ?? ''
})

afterAll(async () => {
  for (const socket of open) socket.destroy()
  await shop.close()
  await origin.stop()
})

beforeEach(() => {
  seen.length = 0
})

/** A frame of fewer than 126 bytes; those of a client are masked. */
function frame(opcode: number, payload: Buffer, isMasked: boolean): Buffer {
  const mask = randomBytes(4)
  const start = Buffer.from([0x80 | opcode, (isMasked ? 0x80 : 0) | payload.length])
  return isMasked
    ? Buffer.concat([start, mask, payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0))])
    : Buffer.concat([start, payload])
}

/** Calls back with each such frame, however the bytes arrive. */
function onFrames(socket: Duplex, heard: (opcode: number, payload: Buffer) => void): void {
  let bytes = Buffer.alloc(0)
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk])
    for (;;) {
      const [first = 0, second = 0] = bytes
      const masked = (second & 0x80) === 0 ? 0 : 4
      const length = second & 0x7f
      if (bytes.length < 2 + masked + length) return
      const mask = bytes.subarray(2, 2 + masked)
      const payload = bytes.subarray(2 + masked, 2 + masked + length).map((byte, i) => byte ^ (mask[i % 4] ?? 0))
      bytes = bytes.subarray(2 + masked + length)
      heard(first & 0x0f, Buffer.from(payload))
    }
  })
}

type Connected = { status: number; headers: IncomingHttpHeaders; socket: Duplex | null; text: string }

/** Asks for a WebSocket; `socket` is null where none is given. */
function connect(path: string, headers: Record<string, string> = {}): Promise<Connected> {
  return new Promise((resolve, reject) => {
    const asking = request({
      host: LOOPBACK,
      port: shop.site.port,
      path,
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
        'Sec-WebSocket-Protocol': 'tides',
        ...headers,
      },
    })
    asking.on('error', reject)
    asking.on('upgrade', ({ statusCode = 0, headers: got }, socket) => {
      open.push(socket)
      resolve({ status: statusCode, headers: got, socket, text: '' })
    })
    asking.on('response', async (answer) => {
      const text = (await answer.toArray()).join('')
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, socket: null, text })
    })
    asking.end()
  })
}

/** What is heard after these words, and after both sides have said good-bye. */
function talk(socket: Duplex, words: readonly string[]): Promise<string[]> {
  return new Promise((resolve) => {
    const heard: string[] = []
    onFrames(socket, (opcode, payload) => {
      if (opcode === TEXT) heard.push(payload.toString())
      if (heard.length === words.length) socket.write(frame(CLOSE, Buffer.from([0x03, 0xe8]), true))
      if (opcode === CLOSE) resolve(heard)
    })
    for (const word of words) socket.write(frame(TEXT, Buffer.from(word), true))
  })
}

describe.each([
  ['a free route', '/chat/room', () => ({})],
  ['an address without a route', '/anywhere', () => ({})],
  ['what was paid for, with the pass', '/live/tides', () => ({ Cookie: `theme=dark; ${cookie}` })],
  [
    'what was paid for, with a bearer token',
    '/live/tides',
    () => ({ Authorization: `Bearer ${cookie.replace(/^[^=]*=/, '')}` }),
  ],
])('a WebSocket on %s', (_, path, holding) => {
  test('reaches the origin, and both hear each other', async () => {
    const { status, headers, socket } = await connect(`${path}?utm_source=x`, holding())
    expect([status, headers['sec-websocket-protocol']]).toEqual([101, 'tides'])
    expect(socket && (await talk(socket, ['high tide', 'low tide']))).toEqual(['echo of high tide', 'echo of low tide'])
    expect(seen.map(({ url }) => url)).toEqual([`${path}?utm_source=x`])
    expect(JSON.stringify(seen)).not.toContain(cookie.replace(/^[^=]*=/, ''))
    expect(headers['set-cookie']).toEqual(['a=1', 'b=2'])
  })

  test('that the origin does not open is answered as the origin answers', async () => {
    const isSold = path.startsWith('/live')
    const bought = isSold ? await shop.buy('v2', '/live/closed', await shop.reader()) : null
    const pass = bought ? { Cookie: bought.headers.getSetCookie()[0]?.split(';')[0] ?? '' } : {}
    const { status, text } = await connect(isSold ? '/live/closed' : `${path}/closed`, pass)
    expect([status, text]).toEqual([403, 'closed'])
  })
})

test.each([{}, { Cookie: '__Host-newsstand=x.y' }, { Upgrade: 'WebSocket' }, { Upgrade: 'h2c, websocket' }])(
  'without a pass it is asked to pay, and reaches nobody: %j',
  async (headers) => {
    const { status, headers: got, socket } = await connect('/live/tides', headers)
    expect([status, socket]).toEqual([402, null])
    expect(got['payment-required']).toBeDefined()
    expect(seen).toEqual([])
  },
)

test.each(VERSIONS)(
  'a payment in %s buys no WebSocket: nothing is claimed, and it is good for the page',
  async (version) => {
    const headers = await pay(version, await shop.challenge('/live/other'), await shop.reader())
    const { result: refused, cost } = await shop.costOf(() => connect('/live/other', headers))
    expect([refused.status, refused.socket]).toEqual([402, null])
    expect(JSON.parse(refused.text)).toMatchObject({ error: 'payment_required' })
    expect(refused.headers['payment-response']).toBeUndefined()
    expect(cost).toEqual(NOTHING)
    expect(seen).toEqual([])
    const { result: bought, cost: charged } = await shop.costOf(() => shop.ask('/live/other', { headers }))
    expect(bought.text).toBe('the page')
    expect(charged).toEqual(ONE_SALE)
  },
)
