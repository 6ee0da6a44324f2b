// @ts-check
// The checkout's part for readers whose wallet is not in this browser, fetched once they say so: links into wallets' own browsers
// on a phone, a QR code on a screen. While it is shown it asks the site, with its secret, whether the page was paid for there.
import { encode } from 'uqr'

/** @typedef {{ text: string, isPlain?: boolean, act?(): unknown, href?: string }} Action */
/**
 * What the checkout lends.
 * @typedef {object} Hands
 * @property {string} key of what is kept over a reload
 * @property {string | null} carried the code of another screen that led here
 * @property {string} resource the page's own address
 * @property {boolean} isLasting whether anything sold here opens the page again
 * @property {string[]} networks those a wallet here may pay on
 * @property {string} back text of the button that leads back
 * @property {(status: string, actions: Action[], first?: Element[]) => void} show
 * @property {() => void} home
 * @property {() => void} opened
 */
/** @typedef {Record<'scan' | 'onPhone' | 'openIn' | 'words' | 'opensHere' | 'onlyThere' | 'qr' | 'copy' | 'copied' | 'over' | 'again', string>} Texts */
/** @typedef {{ secret: string, code: { text: string, words: string } | null, texts: Texts, untilMs: number }} Kept */

const ETHEREUM = ['eip155:1', 'eip155:8453', 'eip155:137', 'eip155:42161', 'eip155:43114']
const SOLANA = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp'
const SOLANA_DEVNET = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'
const BASE_SEPOLIA = 'eip155:84532'
/** @param {string} network */
const isEvm = (network) => network.startsWith('eip155:')
/** @param {string} address */
const asPart = (address) => encodeURIComponent(address)

/**
 * Links that open an address in a wallet's own browser, as each wallet documents them, and the networks it documents for it.
 * @type {{ name: string, takes: (network: string) => boolean, link: (address: string) => string }[]}
 */
const WALLETS = [
  {
    // https://docs.metamask.io/metamask-connect/evm/guides/metamask-exclusive/use-deeplinks/
    name: 'MetaMask',
    takes: isEvm,
    link: (address) => `https://link.metamask.io/dapp/${address.replace(/^https?:\/\//, '')}`,
  },
  {
    // https://docs.cdp.coinbase.com/coinbase-wallet/developer-guidance/mobile-dapp-integration
    name: 'Coinbase Wallet (Base)',
    takes: isEvm,
    link: (address) => `https://go.cb-w.com/dapp?cb_url=${asPart(address)}`,
  },
  {
    // https://docs.phantom.com/phantom-deeplinks/other-methods/browse, and its networks:
    // https://docs.phantom.com/developer-powertools/testnet-mode
    name: 'Phantom',
    takes: (network) =>
      ['eip155:1', 'eip155:8453', 'eip155:137', BASE_SEPOLIA, 'eip155:80002', SOLANA, SOLANA_DEVNET].includes(network),
    link: (address) => `https://phantom.app/ul/browse/${asPart(address)}?ref=${asPart(location.origin)}`,
  },
  {
    // https://developer.trustwallet.com/developer/develop-for-trust/deeplinking
    name: 'Trust Wallet',
    takes: (network) => ETHEREUM.includes(network),
    link: (address) => `https://link.trustwallet.com/open_url?coin_id=60&url=${asPart(address)}`,
  },
  {
    // https://web3.okx.com/build/docs/waas/app-universal-link
    name: 'OKX Wallet',
    takes: (network) => [...ETHEREUM, SOLANA].includes(network),
    link: (address) =>
      `https://web3.okx.com/download?deeplink=${asPart(`okx://wallet/dapp/url?dappUrl=${asPart(address)}`)}`,
  },
]

/** The site honours a code for ten minutes; one with less left than this is asked for anew. */
const CODE_MS = 600_000
const LEAST_MS = 120_000
/** Between two questions: longer and longer, so that sixty of them last as long as a code does. */
const FIRST_MS = 3_000
const GROWTH = 1.05
const LONGEST_MS = 15_000
const MOST_QUESTIONS = 60
/** Light modules around a QR code (ISO/IEC 18004), and how wide it is shown. */
const QUIET_ZONE = 4
const QR_PX = 264

const isPhone = () => matchMedia('(hover: none) and (pointer: coarse)').matches

/** @param {Uint8Array} bytes */
const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

/** What this page waits with: kept over a reload where the browser keeps anything. @param {string} key @returns {Kept | null} */
function keptAt(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? 'null')
  } catch {
    return null
  }
}

/** @param {string} key @param {Kept | null} kept */
function keep(key, kept) {
  try {
    if (kept) sessionStorage.setItem(key, JSON.stringify(kept))
    else sessionStorage.removeItem(key)
  } catch {}
}

/** A code of this site for a secret of this page. Where nothing could be opened here later, only what to say. @param {Hands} hands @returns {Promise<Kept>} */
async function fetched({ isLasting, carried }) {
  const isCarried = carried !== null && isPhone()
  const untilMs = Date.now() + CODE_MS
  const secret = base64url(crypto.getRandomValues(new Uint8Array(32)))
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret))
  const query = new URLSearchParams({ page: location.pathname + location.search })
  if (isLasting && !isCarried && navigator.cookieEnabled) query.set('hash', base64url(new Uint8Array(digest)))
  const headers = { Accept: 'application/json' }
  const response = await fetch(`${location.origin}/_newsstand/checkout/code?${query}`, { headers, cache: 'no-store' })
  if (!response.ok) throw new Error('no code')
  return { secret, untilMs, ...(await response.json()) }
}

/** Shows the ways to a wallet that is elsewhere, and waits. Throws where the site cannot be asked. @param {Hands} hands */
export async function open(hands) {
  const { key, carried, resource, networks, back, show, home, opened } = hands
  const before = keptAt(key)
  const kept = before && before.untilMs > Date.now() + LEAST_MS ? before : await fetched(hands)
  const { texts, code } = kept
  keep(key, code ? kept : null)
  const onPhone = isPhone()
  // What led here from another screen leads on from a phone alone: a screen shows its own code, whatever link was opened on it.
  const text = (onPhone ? carried : null) ?? code?.text
  const address = text === undefined ? resource : `${location.origin}/_newsstand/checkout/${text}`
  const end = code ? waitFor(kept, { opened: done, over }) : () => {}

  let isGone = false

  function done() {
    isGone = true
    keep(key, null)
    opened()
  }
  function leave() {
    isGone = true
    end()
    keep(key, null)
    home()
  }
  function over() {
    isGone = true
    keep(key, null)
    show(texts.over, [
      { text: texts.again, act: () => open(hands).catch(home) },
      { text: back, isPlain: true, act: leave },
    ])
  }

  /** @type {Action} */
  const leaving = { text: back, isPlain: true, act: leave }
  /** @type {Action} */
  const copying = { text: texts.copy, isPlain: true, act: copy }
  const links = WALLETS.filter(({ takes }) => networks.some(takes)).map(({ name, link }) => ({
    text: texts.openIn.replace('{wallet}', name),
    href: link(address),
  }))
  /** @type {Element[]} */
  const parts = onPhone ? [] : [codeOf(address, texts.qr)]
  if (code) parts.push(paragraph(texts.words, code.words), paragraph(texts.opensHere))
  else if (text === undefined) parts.push(paragraph(texts.onlyThere))
  const status = onPhone ? texts.onPhone : texts.scan
  show(status, [...(onPhone ? links : []), copying, leaving], parts)

  async function copy() {
    const copied = await navigator.clipboard?.writeText(address).then(
      () => true,
      () => false,
    )
    if (isGone) return
    // Where a page may not write there, the reader does.
    show(texts.copied, [...(onPhone ? links : []), leaving], copied ? parts : [...parts, field(address, texts.copy)])
  }
}

/**
 * Asks until the page was opened for this screen, a while, and only while it is looked at. What comes back ends it.
 * @param {Kept} kept @param {{ opened(): void, over(): void }} told
 */
function waitFor({ secret, code, untilMs }, { opened, over }) {
  let questions = 0
  let isOver = false
  let isAsking = false
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer

  function end() {
    isOver = true
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', resume)
  }
  async function ask() {
    if (isOver || isAsking) return
    isAsking = true
    questions += 1
    const answer = await answered(code?.text ?? '', secret)
    isAsking = false
    if (isOver) return
    if (answer === 'opened') {
      end()
      return opened()
    }
    if (answer === 'over' || questions >= MOST_QUESTIONS || Date.now() > untilMs) {
      end()
      return over()
    }
    later()
  }
  function later() {
    clearTimeout(timer)
    if (document.visibilityState === 'visible')
      timer = setTimeout(ask, Math.min(FIRST_MS * GROWTH ** questions, LONGEST_MS))
  }
  function resume() {
    clearTimeout(timer)
    if (document.visibilityState === 'visible') ask()
  }
  document.addEventListener('visibilitychange', resume)
  later()
  return end
}

/** Whether the page was paid for elsewhere. What the network loses is asked again. @param {string} code @param {string} secret @returns {Promise<'opened' | 'waiting' | 'over'>} */
async function answered(code, secret) {
  try {
    const headers = { Accept: 'application/json', 'Newsstand-Secret': secret }
    const address = `${location.origin}/_newsstand/checkout/${code}/screen`
    const response = await fetch(address, { method: 'POST', headers, cache: 'no-store' })
    if (response.status === 404) return 'over'
    return response.ok && (await response.json()).isOpen ? 'opened' : 'waiting'
  } catch {
    return 'waiting'
  }
}

/** @param {string} text @param {string} [strong] */
function paragraph(text, strong) {
  const element = document.createElement('p')
  element.append(text)
  if (strong !== undefined) {
    const marked = document.createElement('strong')
    marked.lang = 'en'
    marked.translate = false
    marked.append(strong)
    element.append(' ', marked)
  }
  return element
}

/** @param {string} value @param {string} label */
function field(value, label) {
  const input = document.createElement('input')
  input.readOnly = true
  input.value = value
  input.ariaLabel = label
  input.style.cssText = 'inline-size:100%;min-block-size:48px;font:inherit'
  input.addEventListener('focus', () => input.select())
  return input
}

/** A QR code of an address, dark on light whatever the page's colours are. @param {string} address @param {string} label */
function codeOf(address, label) {
  const { data, size } = encode(address, { ecc: 'L', border: QUIET_ZONE })
  const dark = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : []))).join('')
  const svg = /** @type {SVGSVGElement} */ (
    part('svg', { viewBox: `0 0 ${size} ${size}`, width: `${QR_PX}`, height: `${QR_PX}`, role: 'img' })
  )
  svg.setAttribute('aria-label', label)
  svg.setAttribute('shape-rendering', 'crispEdges')
  svg.style.cssText = 'display:block;max-inline-size:100%;block-size:auto;margin-block-end:16px'
  svg.append(
    part('rect', { width: `${size}`, height: `${size}`, fill: '#fff' }),
    part('path', { d: dark, fill: '#000' }),
  )
  return svg
}

/** @param {string} name @param {Record<string, string>} attributes */
function part(name, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  return element
}
