// Bundles the demo wallet for the worker that `npm start` runs, and for no other.
import { writeFileSync } from 'node:fs'
import { getBase58Encoder } from '@solana/kit'
import { build } from 'esbuild'
import { inCheckout } from '../stack/paths.ts'
import { PKCS8, solanaWallets } from '../stack/solana/wallets.ts'
import type { DemoKey } from './solana-wallet.ts'

function solanaKey(): DemoKey {
  const { address, seed } = solanaWallets.payer
  const publicKey = Buffer.from(getBase58Encoder().encode(address)).toString('hex')
  return { privateKey: Buffer.concat([PKCS8, seed]).toString('hex'), publicKey }
}

/** Writes its script into a file, which `worker.ts` in this folder reads. */
export async function writeDemoWallet(file: string): Promise<void> {
  const bundle = await build({
    entryPoints: [inCheckout('dev/demo/demo-wallet.ts')],
    bundle: true,
    minify: true,
    format: 'iife',
    charset: 'ascii',
    write: false,
    define: { SOLANA_KEY: JSON.stringify(solanaKey()) },
  })
  writeFileSync(file, bundle.outputFiles.map(({ text }) => text).join(''))
}
