// What the reference packages offer by default and newsstand does not: each stands in docs/configuration.md, with its reason.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_ASSETS as ON_EVM } from '@x402/evm'
import { DEFAULT_ASSETS as ON_SOLANA } from '@x402/svm'
import { expect, test } from 'vitest'
import { ASSETS, assetAt, networkOf } from '../../src/x402/assets.ts'
import { TOKEN_PROGRAM } from '../../src/x402/svm.ts'

const text = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8')
const [, section = ''] = /### Tokens that are not offered([\s\S]*?)\n## /.exec(text) ?? []
const rows = section.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
const rowsAbout = (symbol: string, place: string) =>
  rows.filter((row) => {
    const [, tokens = ''] = row.split('|')
    return new RegExp(`\\b${symbol.replace('.', '\\.')}\\b`).test(tokens) && tokens.includes(place)
  })

const onEvm = Object.entries(ON_EVM).flatMap(([network, tokens]) => tokens.map((token) => ({ network, ...token })))
const onSolana = Object.entries(ON_SOLANA).flatMap(([network, tokens]) =>
  tokens.map((token) => ({ network, ...token })),
)

test('the table is there', () => {
  expect(rows.length).toBeGreaterThan(8)
})

test.each(onEvm.filter(({ network, asset }) => !assetAt(network, asset)))(
  '$symbol on $network is left out, and its row says why',
  ({ network, symbol, decimals, assetTransferMethod }) => {
    expect(networkOf(network)).toBeUndefined()
    const [row = '', ...others] = rowsAbout(symbol, `\`${network}\``)
    expect(others).toEqual([])
    expect(row.includes(`${decimals} decimals`)).toBe(decimals !== 6)
    expect(row.includes('Permit2')).toBe(assetTransferMethod === 'permit2')
  },
)

test('what both offer is the same token: its domain and its decimals', () => {
  const both = onEvm.filter(({ network, asset }) => assetAt(network, asset))
  expect(both.length).toBeGreaterThan(5)
  for (const { network, asset, name, version, decimals, symbol } of both) {
    expect(assetAt(network, asset)).toMatchObject({ symbol, eip712: { name, version } })
    expect(assetAt(network, asset)?.decimals).toBe(decimals)
  }
})

const onOurClusters = onSolana.filter(({ network, asset }) => networkOf(network) && !assetAt(network, asset))
test.each(onOurClusters)('$symbol on $network is left out, and its row says why', ({ symbol, tokenProgram }) => {
  const [row = '', ...others] = rowsAbout(symbol, 'on Solana')
  expect(others).toEqual([])
  expect(row.includes('Token-2022')).toBe(tokenProgram !== TOKEN_PROGRAM)
})

test('no token of the table needs a reason', () => {
  for (const { network, symbol } of ASSETS) expect(rowsAbout(symbol, `\`${network}\``)).toEqual([])
})
