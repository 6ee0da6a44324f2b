// The page in which a browser shows a bought film, recording or picture. It runs no script, and loads that one file.
import type { Kind } from '../policy/article.ts'
import { boughtUntil, RECEIPTS, type Until } from './bar.tsx'
import { Footer } from './footer.tsx'
import { type Brand, type Page, render } from './page.tsx'
import type { Strings } from './strings/strings.ts'
import { quotedIn } from './view.ts'

export type PlayerView = {
  brand: Brand
  kind: Exclude<Kind, 'read'>
  title: string
  description: string
  /** Address of the file itself. */
  source: string
  until: Until
}

const STYLE = `body>*{max-width:56rem}video,main img{display:block;inline-size:100%;max-block-size:75vh;object-fit:contain;background:var(--card)}audio{display:block;inline-size:100%}.shown{margin-block:0 1rem}`

export const playerPage = (view: PlayerView, strings: Strings): Promise<Page> =>
  render({
    lang: strings.lang,
    brand: view.brand,
    title: view.title,
    style: STYLE,
    plays: view.kind !== 'look',
    head: <meta name="robots" content="noindex" />,
    footer: <Footer brand={view.brand} strings={strings} />,
    children: (
      <>
        <h1 dir="auto" lang={quotedIn({ brand: view.brand, strings })}>
          {view.title}
        </h1>
        <div class="shown">
          <Shown view={view} />
        </div>
        {view.description === '' ? null : (
          <p dir="auto" lang={quotedIn({ brand: view.brand, strings })}>
            {view.description}
          </p>
        )}
        <p class="quiet">
          {boughtUntil(strings, view.until)} ·{' '}
          <a class="inline" href={RECEIPTS}>
            {strings.bar.receipt}
          </a>{' '}
          ·{' '}
          <a class="inline" href={view.source} download="">
            {strings.player.save}
          </a>
        </p>
      </>
    ),
  })

const Shown = ({ view: { kind, title, description, source } }: { view: PlayerView }) => {
  switch (kind) {
    case 'watch':
      // biome-ignore lint/a11y/useMediaCaption: what captions there are come in the file
      return <video controls playsinline preload="metadata" src={source} aria-label={title}></video>
    case 'listen':
      // biome-ignore lint/a11y/useMediaCaption: what captions there are come in the file
      return <audio controls preload="metadata" src={source} aria-label={title}></audio>
    case 'look':
      return <img src={source} alt={description || title} />
  }
}
