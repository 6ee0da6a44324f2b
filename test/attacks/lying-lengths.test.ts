// Whoever is asked may answer without end. What a reply says of its own length does not bound it: beside `Transfer-Encoding` the
// length counts for nothing (RFC 9112 §6.3).
import { createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LOOPBACK } from '../../dev/stack/ports.ts'
import { NETWORK, openShop, PRICE, type Shop } from '../world/shop.ts'

const ARTICLE = '/articles/hello'
const MIB = 1024 * 1024
/** The worker reads two of them of a reply; the others are on their way, in buffers of both sides. */
const MOST = 16 * MIB
/** Where the node gives up. */
const ENOUGH = 256 * MIB

/** How many bytes of its longest reply the node got rid of. */
let most = 0
const server = createServer((socket: Socket) => {
  let sent = 0
  const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000, 'x'), Buffer.from('\r\n')])
  const go = () => {
    while (sent < ENOUGH && !socket.destroyed) {
      sent += chunk.length
      most = Math.max(most, socket.bytesWritten)
      if (!socket.write(chunk)) return
    }
    socket.destroy()
  }
  socket.on('error', () => {})
  socket.on('drain', go)
  socket.once('data', () => {
    socket.write(
      'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 64\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    go()
  })
})
let shop: Shop

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  shop = await openShop({ RPC_URLS: { [NETWORK]: `http://${LOOPBACK}:${address.port}` } })
  shop.onClose(async () => void server.close())
  await shop.site.kv.put(ARTICLE, 'the whole article')
})

afterAll(() => shop.close())

test('a node that names a short length and goes on without end is not read without end', async () => {
  const answer = await shop.buy('v2', ARTICLE, await shop.reader(PRICE))
  expect(answer.status).toBe(200)
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThan(MOST)
})
