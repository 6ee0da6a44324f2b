// Bundles the demo wallet for the worker that `npm start` runs, and for no other.
import { writeFileSync } from 'node:fs'
import { build } from 'esbuild'
import { decodeBase58 } from '../../src/x402/base58.ts'
import { inCheckout } from '../stack/paths.ts'
import type { DemoKey } from './wallet-standard.ts'

async function solanaKey(): Promise<DemoKey> {
  const { PKCS8, solanaWallets } = await import('../stack/solana/wallets.ts')
  const { address, seed } = solanaWallets.alice
  const publicKey = Buffer.from(decodeBase58(address) ?? []).toString('hex')
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
    define: { SOLANA_KEY: JSON.stringify(await solanaKey()) },
  })
  writeFileSync(file, bundle.outputFiles.map(({ text }) => text).join(''))
}
