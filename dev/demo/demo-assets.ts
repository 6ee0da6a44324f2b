// What `npm start` serves in place of `public/`: the same, with the demo wallet added to the checkout script.
import { appendFileSync, cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { inCheckout } from '../stack/paths.ts'

/** Writes the folder anew. */
export async function writeDemoAssets(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true })
  cpSync(inCheckout('public'), folder, { recursive: true })
  const bundle = await build({
    entryPoints: [inCheckout('dev/demo/demo-wallet.ts')],
    bundle: true,
    minify: true,
    format: 'iife',
    write: false,
  })
  appendFileSync(join(folder, '_newsstand/checkout.js'), `\n${bundle.outputFiles.map(({ text }) => text).join('')}`)
}
