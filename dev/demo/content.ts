// The demo publisher's articles and media: what they are, and what goes into KV and R2. Reads files, stores nothing.
import { readFileSync } from 'node:fs'
import { page } from './page.ts'

/** What the paywall reads beside the bytes; the names are those of the KV and R2 metadata. */
export type ContentMetadata = {
  title: string
  description: string
  contentType: string
  /** Wins over the price of its route. */
  price?: string
}

/** One thing on sale: where it is on the site, and what it holds. */
export type DemoContent = {
  path: `/articles/${string}` | `/media/${string}`
  metadata: ContentMetadata
  read(): string | Uint8Array<ArrayBuffer>
}

const file = (name: string): URL => new URL(`./content/${name}`, import.meta.url)

const article = (name: string, metadata: Omit<ContentMetadata, 'contentType'>): DemoContent => ({
  path: `/articles/${name}`,
  metadata: { ...metadata, contentType: 'text/html; charset=utf-8' },
  read: () =>
    page(
      metadata.title,
      `<img src="/pictures/${name}.svg" alt="" width="640" height="360">${readFileSync(file(`${name}.html`), 'utf8')}`,
    ),
})

const media = (name: string, metadata: ContentMetadata): DemoContent => ({
  path: `/media/${name}`,
  metadata,
  read: () => new Uint8Array(readFileSync(file(name))),
})

/** Everything the demo sells out of KV (`/articles/…`) and R2 (`/media/…`). */
export const demoContent: readonly DemoContent[] = [
  article('hello', {
    title: 'Hello, reader',
    description: 'What happens when you buy this page, and what you own then.',
  }),
  article('tides', {
    title: 'Why the tide comes twice',
    description: 'One Moon goes over the harbour, and the sea comes up two times. Where the second tide is from.',
  }),
  article('steps', {
    title: 'Eleven stones, and two of them unseen',
    description: 'Every morning somebody counts the steps of the harbour. The book of it, and what it is for.',
  }),
  article('printing', {
    title: 'The price of a page',
    description: 'From Mainz to a street corner in New York: how each press waited for its price.',
    price: '$0.08',
  }),
  media('harbour.svg', {
    title: 'The harbour at low water',
    description: 'A picture: the gauge, the wall, a boat, and the Moon that is to blame.',
    contentType: 'image/svg+xml',
  }),
  media('tides.mp4', {
    title: 'Two tides in twelve seconds',
    description: 'A short film of one day at the harbour wall.',
    contentType: 'video/mp4',
  }),
]
