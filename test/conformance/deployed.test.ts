// What is deployed: small, because every kilobyte is parsed at each cold start, and without the demo wallet of `npm start`.
// And the settings it is shipped with.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { unstable_readConfig } from 'wrangler'
import { writeDemoWallet } from '../../dev/demo/build-wallet.ts'
import { SALES } from '../../dev/demo/sales.ts'
import { inCheckout } from '../../dev/stack/paths.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { parseConfig } from '../../src/config.ts'
import { BUILD } from '../world/plan.ts'
import { BASE_VARS } from '../world/site.ts'

const textsIn = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n')

const TRACES = [/demo.?wallet/i, new RegExp(wallets.alice.privateKey.slice(2), 'i')]

test('the worker is at most 230 KiB compressed', () => {
  const bundle = readFileSync(join(BUILD, 'index.js'))
  expect(gzipSync(bundle).byteLength / 1024).toBeLessThanOrEqual(230)
})

test('a deployed worker knows no demo wallet, and no till', () => {
  const deployed = textsIn(BUILD)
  for (const trace of TRACES) expect(deployed).not.toMatch(trace)
  expect(deployed).not.toContain(SALES)
})

test('the local stack puts it beside the worker', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'newsstand-wallet-'))
  await writeDemoWallet(join(folder, 'demo-wallet.txt'))
  const local = textsIn(folder)
  rmSync(folder, { recursive: true })
  for (const trace of TRACES) expect(local).toMatch(trace)
})

test('wrangler.toml lacks a payee and a secret, says so, and deploys on every plan', () => {
  const { vars, limits } = unstable_readConfig({ config: inCheckout('wrangler.toml') }, { hideWarnings: true })
  const bindings = { PAYERS: {}, LEDGER_DB: {}, CONTENT_KV: {}, CONTENT_R2: {} }
  const parsed = parseConfig({ ...vars, ...bindings })
  expect(parsed).toMatchObject({
    ok: false,
    error: [
      { path: 'PAY_TO.eip155', message: expect.stringContaining('PAY_TO = { eip155 = "0x…" }') },
      { path: 'PASS_SECRET' },
    ],
  })
  const { PAY_TO, PASS_SECRET } = BASE_VARS
  expect(parseConfig({ ...vars, ...bindings, PAY_TO, PASS_SECRET }).ok).toBe(true)
  expect(limits).toBeUndefined()
})
