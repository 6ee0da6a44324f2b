// A single answer, opened beside the page it was bought in: it is what it would be at its own address.
import { afterAll, expect, test } from 'vitest'
import { hasArticle, metadata, openNewsstand } from './newsstand.ts'

const { close, shop, visit } = await openNewsstand()

afterAll(close)

/** A second of silence. */
function silence(): Uint8Array<ArrayBuffer> {
  const bytes = new DataView(new ArrayBuffer(44 + 8000))
  const write = (at: number, text: string) => {
    for (const [i, char] of [...text].entries()) bytes.setUint8(at + i, char.charCodeAt(0))
  }
  write(0, 'RIFF')
  bytes.setUint32(4, 36 + 8000, true)
  write(8, 'WAVEfmt ')
  bytes.setUint32(16, 16, true)
  bytes.setUint16(20, 1, true)
  bytes.setUint16(22, 1, true)
  bytes.setUint32(24, 8000, true)
  bytes.setUint32(28, 8000, true)
  bytes.setUint16(32, 1, true)
  bytes.setUint16(34, 8, true)
  write(36, 'data')
  bytes.setUint32(40, 8000, true)
  for (let i = 44; i < 8044; i++) bytes.setUint8(i, 128)
  return new Uint8Array(bytes.buffer)
}

async function bought(path: string) {
  const reader = await visit(path)
  await reader.click('Pay $0.05')
  await reader.sees('What you bought is ready')
  const opening = reader.page.context().waitForEvent('page')
  await reader.page.getByRole('link', { name: 'Open it' }).click()
  return { reader, opened: await opening }
}

test('a page has its own style', async () => {
  const html =
    '<!doctype html><html lang="en"><title>Styled</title><style>#paid{color:rgb(1, 2, 3)}</style><p id="paid">All of it.</p></html>'
  await shop.site.kv.put('/once/styled', html, { metadata })
  const { reader, opened } = await bought('/once/styled')
  await hasArticle({ page: opened })
  expect(await opened.locator('#paid').evaluate((paid) => getComputedStyle(paid).color)).toBe('rgb(1, 2, 3)')
  await reader.close()
})

test('a page has the pictures of its site', async () => {
  const html =
    '<!doctype html><html lang="en"><title>Picture</title><p id="paid">All of it.</p><img alt="x" src="/once-picture.svg"></html>'
  await shop.site.kv.put('/once/pictured', html, { metadata })
  const { reader, opened } = await bought('/once/pictured')
  await hasArticle({ page: opened })
  const src = await opened.locator('img').evaluate((img) => (img instanceof HTMLImageElement ? img.src : ''))
  expect(src).toBe(`${shop.site.url}/once-picture.svg`)
  await reader.close()
})

test('a recording plays', async () => {
  await shop.site.kv.put('/once/heard', silence(), { metadata: { ...metadata, contentType: 'audio/wav' } })
  const { reader, opened } = await bought('/once/heard')
  const video = opened.locator('video, audio')
  await video.waitFor({ state: 'attached' })
  await opened.waitForTimeout(1000)
  expect(await video.evaluate((media) => (media instanceof HTMLMediaElement ? media.readyState : -1))).toBeGreaterThan(
    0,
  )
  await reader.close()
})
