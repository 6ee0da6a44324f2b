// The newspaper of `npm start`, with the demo's worker: its pages, its content, the demo wallet and the till.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { unstable_readConfig } from 'wrangler'
import * as z from 'zod'
import { writeDemoWallet } from '../../dev/demo/build-wallet.ts'
import { demoContent } from '../../dev/demo/content.ts'
import { startOrigin } from '../../dev/demo/origin.ts'
import { inCheckout } from '../../dev/stack/paths.ts'
import { openShop, type Shop } from './shop.ts'

const shipped = z.object({ BRAND: z.json(), ROUTES: z.json() })

/** The worker of `npm start` in one text. */
async function demoWorker(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'newsstand-demo-'))
  const wallet = join(folder, 'demo-wallet.txt')
  await writeDemoWallet(wallet)
  const bundle = await build({
    entryPoints: [inCheckout('dev/demo/worker.ts')],
    bundle: true,
    format: 'esm',
    external: ['cloudflare:*', 'node:*'],
    write: false,
    plugins: [
      {
        name: 'demo-wallet',
        setup: (plugin) => plugin.onResolve({ filter: /\/demo-wallet\.txt$/ }, () => ({ path: wallet })),
      },
    ],
  })
  await rm(folder, { recursive: true })
  return bundle.outputFiles.map(({ text }) => text).join('')
}

/** Opens the newspaper, with the routes and the brand of wrangler.toml. */
export async function openDemo(): Promise<Shop> {
  const origin = await startOrigin()
  const { vars } = unstable_readConfig({ config: inCheckout('wrangler.toml') }, { hideWarnings: true })
  const worker = await demoWorker()
  const { BRAND, ROUTES } = shipped.parse(vars)
  const settings = { SITE_URL: 'http://localhost:8787', ORIGIN_URL: origin.url, BRAND, ROUTES }
  const shop = await openShop(settings, { code: { worker, objects: worker } })
  shop.onClose(origin.stop)
  for (const { path, metadata, read } of demoContent) {
    const { contentType, ...customMetadata } = metadata
    if (path.startsWith('/articles/')) await shop.site.kv.put(path, read(), { metadata })
    else await shop.site.r2.put(path.slice(1), read(), { httpMetadata: { contentType }, customMetadata })
  }
  return shop
}
