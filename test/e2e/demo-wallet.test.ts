// The demo wallet exists under `npm start` alone: nothing of it is in what is deployed.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { writeDemoAssets } from '../../dev/demo/demo-assets.ts'
import { wallets } from '../../dev/stack/wallets.ts'

const textsIn = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n')

const TRACES = [/demo.?wallet/i, new RegExp(wallets.payer.privateKey.slice(2), 'i')]

test('a deployed worker and its assets know no demo wallet', () => {
  const deployed = textsIn('.wrangler/test-build') + textsIn('public')
  for (const trace of TRACES) expect(deployed).not.toMatch(trace)
})

test('the local stack adds it to the checkout script', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'newsstand-assets-'))
  await writeDemoAssets(folder)
  const local = textsIn(folder)
  rmSync(folder, { recursive: true })
  for (const trace of TRACES) expect(local).toMatch(trace)
})
