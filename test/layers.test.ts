// The layers of the house as data: which file may import which, and where the outside packages may appear.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')

/** From the bottom up: a layer may import itself and those before it. */
const LAYERS: readonly (readonly [name: string, files: RegExp])[] = [
  ['errors, log', /^(errors|log)\.ts$/],
  ['settings, http, body', /^(settings|http|accept|waiting|breaker|limits|body|admin|version)\.ts$/],
  ['browser', /^browser\//],
  ['x402', /^x402\//],
  ['policy, networks, pages', /^(policy|networks|pages|wall)\/|^(token|cdp)\.ts$/],
  ['config', /^(config|brand|machines|facilitators|further-tokens|price-problems|real-money)\.ts$/],
  [
    'site, pass, quote, mpp, content, ledger, facilitator, chain',
    /^(site|journal|wall|cuts|pass|receipt-session|code|quote|mpp|nonce|content|markdown|origin|ledger|facilitator|replies|keyring|supported|chain|request|range|headers)\.ts$/,
  ],
  ['payer', /^payer\//],
  ['purchase, proving', /^(purchase|proving)\.ts$/],
  ['access', /^(access|receipt-access)\.ts$/],
  ['respond, challenge', /^(respond|walled|teaser|challenge|checkout|hand-over|receipt|bar|player|health)\.ts$/],
  ['paywall', /^paywall\.ts$/],
  ['mcp', /^mcp(?:\.ts$|\/)/],
  ['app', /^app\.ts$/],
  ['index', /^index\.ts$/],
]

/** What the layers alone do not say. */
const NEVER: readonly (readonly [from: RegExp, to: RegExp, why: string])[] = [
  [
    /^(paywall|access|challenge|checkout|hand-over|respond|receipt|app)\.ts$/,
    /^payer\/payer/,
    'the object is reached through purchase',
  ],
  [/^networks\//, /^(policy|pages)\//, 'proof knows no policy'],
  [/^policy\//, /^(networks|pages)\//, 'policy knows no proof'],
  [/^pages\//, /^(networks|token)/, 'pages only show'],
  [/^wall\//, /^(policy|networks|pages|token|cdp)/, 'the cut knows a page and nothing else'],
]

/** Packages and who may use them. */
const PACKAGES: readonly (readonly [name: RegExp, files: RegExp])[] = [
  [/^hono/, /^(app\.ts|admin\/|pages\/)/],
  [/^cloudflare:workers$/, /^(index\.ts|payer\/payer\.ts)$/],
  [/^@mdream\/js\/core$/, /^markdown\.ts$/],
  [/^@noble\//, /^networks\//],
  [/^zod\/mini$/, /./],
]

type Import = { from: string; to: string }

function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name) && !name.endsWith('.d.ts'))
    .map((name) => join(folder, name))
}

const importsOf = (file: string): Import[] =>
  [...readFileSync(join(ROOT, file), 'utf8').matchAll(/^(?:import|export|\})[^'\n]* from '([^']+)'/gm)].map(
    ([, to = '']) => ({
      from: file,
      to,
    }),
  )

const inSrc = sourceFiles('src').flatMap(importsOf)
const name = (file: string) => relative('src', file)
const local = inSrc
  .filter(({ to }) => to.startsWith('.'))
  .map(({ from, to }) => ({ from: name(from), to: name(normalize(join(dirname(from), to))) }))

const layerOf = (file: string) => LAYERS.findIndex(([, files]) => files.test(file))

test('every file has its layer', () => {
  expect(
    sourceFiles('src')
      .map(name)
      .filter((file) => layerOf(file) === -1),
  ).toEqual([])
})

test('imports run one way', () => {
  expect(local.filter(({ from, to }) => layerOf(to) > layerOf(from))).toEqual([])
})

test('no layer reaches past what it may know', () => {
  const broken = local.flatMap(({ from, to }) =>
    NEVER.filter(([a, b]) => a.test(from) && b.test(to)).map(([, , why]) => `${from} → ${to}: ${why}`),
  )
  expect(broken).toEqual([])
})

test('packages stay where they belong', () => {
  const broken = inSrc
    .filter(({ to }) => !to.startsWith('.'))
    .filter(({ from, to }) => !PACKAGES.some(([known, files]) => known.test(to) && files.test(name(from))))
  expect(broken).toEqual([])
})

test('src knows nothing of cli, dev, bench and test', () => {
  expect(local.filter(({ to }) => to.startsWith('..'))).toEqual([])
})

test('the reference packages are the other side of the conversation', () => {
  const reference = /^(@x402\/|x402-fetch)/
  expect(inSrc.filter(({ to }) => reference.test(to))).toEqual([])
})

/** What the commands may use: themselves, the worker's own parts, and the local stack's. `setup/` is theirs alone. */
const COMMANDS: readonly (readonly [from: RegExp, to: RegExp])[] = [
  [
    /^cli\/setup\/(?:toml|deployment|plan|failures)\.ts$/,
    /^(?:cli\/setup\/(?:toml|deployment)|src\/(?:errors|x402\/assets))\.ts$/,
  ],
  // What checks a real deployment knows nothing of the local stack and its keys.
  [/^cli\/doctor(?:\.ts|\/)/, /^(?:cli\/doctor\/|cli\/command\.ts$|src\/)/],
  [/^cli\//, /^(?:cli|src|dev\/stack)\//],
]

test('commands use src and the local stack, and never the demo or a test', () => {
  const imports = sourceFiles('cli')
    .flatMap(importsOf)
    .filter(({ to }) => to.startsWith('.'))
    .map(({ from, to }) => ({ from, to: normalize(join(dirname(from), to)) }))
  const broken = imports.filter(({ from, to }) => !COMMANDS.find(([files]) => files.test(from))?.[1].test(to))
  expect(broken).toEqual([])
})

/** What every test and `npm start` load. The local Solana takes a while: they load it where it is asked for. The demo wallet runs in a page. */
const WITHOUT_SOLANA =
  /^(?:cli\/buy\.ts|dev\/demo\/(?!demo-wallet|solana-wallet).*|dev\/stack\/[\w-]+\.ts|test\/world\/(?!solana-).*)$/
const SOLANA = /^(?:@solana|@x402\/svm|litesvm)|(?:^|\/)solana(?:-[\w-]+)?(?:\.ts$|\/)/

test('the local Solana costs nothing where it is not asked for', () => {
  const files = [...sourceFiles('cli'), ...sourceFiles('dev'), ...sourceFiles('test/world')]
  const loading = files
    .filter((file) => WITHOUT_SOLANA.test(file) && file !== 'dev/stack/solana.ts')
    .flatMap((file) =>
      [
        ...readFileSync(join(ROOT, file), 'utf8').matchAll(/^(?:import(?! type )|export|\})[^'\n]* from '([^']+)'/gm),
      ].map(([line, to = '']) => ({ file, to, line })),
    )
    .filter(({ to }) => SOLANA.test(to))
  expect(loading).toEqual([])
})

/** A file is one thought. Past 300 lines it has been asked whether it is two; these are one. */
const LONG = [
  'chain.ts',
  'payer/payer.ts',
  'payer/records.ts',
  'payer/rows.ts',
  'payer/settling.ts',
  'paywall.ts',
  'wall/tokens.ts',
  'wall/tree.ts',
]

test('no source file is longer than 300 lines, or it is known to be one thought', () => {
  const lines = (file: string) => readFileSync(join(ROOT, file), 'utf8').split('\n').length - 1
  const long = sourceFiles('src').filter((file) => lines(file) > 300)
  expect(long.map(name).sort()).toEqual(LONG)
})

/** Files that decide, and neither wait nor store: each is tried by itself. */
const PURE =
  /^(?:errors|accept|breaker|limits|range|headers|pass|code|quote|mpp|token|cdp|nonce|http|replies|facilitators|keyring|supported)\.ts$|^policy\/(?:policy|rules|scope|upstream|visitors)\.ts$|^networks\/(?:network|evm|solana|memo|alias)\.ts$|^x402\/(?:codec|mpp|did|jws|assets|base58|svm)\.ts$|^x402\/extensions\/(?!payment)|^payer\/(?:next|redemption|rows|reconcile|solana|proof|in-flight)\.ts$|^wall\/(?:tokens|tree|select|cut|clean|csp|jsonld|facts|article)\.ts$|^mcp\/(?:wire|tools|search)\.ts$/

test('every pure file is tried by a unit test of its own', () => {
  const tried = readdirSync(join(ROOT, 'test/unit'))
    .flatMap((file) => [
      ...readFileSync(join(ROOT, 'test/unit', file), 'utf8').matchAll(/from '\.\.\/\.\.\/src\/([^']+)'/g),
    ])
    .map(([, file]) => file)
  expect(
    sourceFiles('src')
      .map(name)
      .filter((file) => PURE.test(file) && !tried.includes(file)),
  ).toEqual([])
})
