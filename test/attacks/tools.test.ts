// Tools: what was paid for comes in a form that its reader can take, and no payment changes the status.
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { HEADERS, pay } from '../world/payer.ts'
import { openShop, type Shop } from '../world/shop.ts'

let origin: OriginServer
let shop: Shop

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      { path: '/pages/*', price: '$0.05', access: 'once' },
      { path: '/files/*', content: 'r2', price: '$0.05', access: 'once' },
    ],
  })
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

const read = (path: string, payment: unknown) =>
  shop.ask('/_newsstand/mcp', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'read', arguments: { path }, _meta: { 'x402/payment': payment } },
    }),
  })

const sold = z.object({
  result: z.looseObject({
    isError: z.literal(false),
    content: z.tuple([
      z.looseObject({ text: z.string().optional(), resource: z.looseObject({ blob: z.string() }).optional() }),
    ]),
  }),
})

async function bought(path: string) {
  const header = (await pay('v2', await shop.challenge(path), await shop.reader()))[HEADERS.v2]
  const [content] = sold.parse((await read(path, header)).json).result.content
  return content
}

describe('bytes are in the base64 that the protocol has', () => {
  test.each([
    ['with both of its signs', Buffer.from([0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff])],
    ['padded', Buffer.from([1, 2, 3, 4])],
  ])('%s', async (_, body) => {
    origin.tell({ headers: { 'Content-Type': 'image/png' }, body })
    const { resource } = await bought('/pages/picture')
    // Stock clients check it with `atob`, and throw the whole answer away where that throws.
    expect(() => atob(resource?.blob ?? '')).not.toThrow()
    expect(resource?.blob).toBe(body.toString('base64'))
  })

  test('and are what their type says: nothing there tells of an encoding', async () => {
    const httpMetadata = { contentType: 'text/plain', contentEncoding: 'gzip' }
    await shop.site.r2.put('files/words.txt', gzipSync('The paid words.'), { httpMetadata })
    const { text, resource } = await bought('/files/words.txt')
    expect(text ?? Buffer.from(resource?.blob ?? '', 'base64').toString('utf8')).toBe('The paid words.')
  })
})

test('a page keeps its letters where it names their encoding itself', async () => {
  const letters = Buffer.from([0xcf, 0xf0, 0xe8])
  const body = Buffer.concat([
    Buffer.from('<meta charset="windows-1251"><body><p>'),
    letters,
    Buffer.from('</p></body>'),
  ])
  origin.tell({ headers: { 'Content-Type': 'text/html' }, body })
  const { text, resource } = await bought('/pages/letters')
  expect(text?.includes('При') ?? Buffer.from(resource?.blob ?? '', 'base64').equals(body)).toBe(true)
})
