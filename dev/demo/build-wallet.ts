// Bundles the demo wallet for the worker that `npm start` runs, and for no other.
import { writeFileSync } from 'node:fs'
import { build } from 'esbuild'
import { inCheckout } from '../stack/paths.ts'

/** Writes its script into a file, which `worker.ts` in this folder reads. */
export async function writeDemoWallet(file: string): Promise<void> {
  const bundle = await build({
    entryPoints: [inCheckout('dev/demo/demo-wallet.ts')],
    bundle: true,
    minify: true,
    format: 'iife',
    charset: 'ascii',
    write: false,
  })
  writeFileSync(file, bundle.outputFiles.map(({ text }) => text).join(''))
}
