// @ts-check
// The checkout: finds the reader's wallet, has it sign one payment, sends that until its outcome is known, and opens what was
// bought. On EVM it signs an EIP-3009 authorization, on Solana a transaction, which `solana.js` writes. Once something is
// signed it is never asked for again: the same payment is sent again, also after a reload. What it says is in the page.

import { codeOf, encode, findWallets, hex, REFUSALS, signInText } from './wallets.js'

/** @typedef {import('./wallets.js').Provider} Provider */
/** @typedef {import('./wallets.js').EvmWallet} EvmWallet */
/** @typedef {import('./wallets.js').SolanaWallet} SolanaWallet */
/** @typedef {import('./wallets.js').Wallet} Wallet */
/** @typedef {import('./wallets.js').Network} Network */
/** @typedef {import('./wallets.js').SignIn} SignIn */
/** @typedef {import('./solana.js').Terms} Terms */
/**
 * What signs for the reader.
 * @typedef {object} Account
 * @property {string} address
 * @property {string} kind as a sign-in names it
 * @property {string} type of its signatures
 * @property {(ways: Terms[]) => Promise<Terms | undefined>} way Which of these it pays in: the one on its network.
 * @property {(terms: Terms, others: Terms[]) => Promise<object>} payload What pays, signed; `others`: in other currencies.
 * @property {(message: string) => Promise<unknown>} sign
 */
/** @typedef {{ 'newsstand-quote'?: { info: { expiresAt: number } }, 'sign-in-with-x'?: { info: SignIn } }} Extensions */
/** @typedef {{ accepts: Terms[], extensions: Extensions }} Challenge */
/** @typedef {'USD' | 'EUR'} Currency */
/** @typedef {{ header: string, offer: number, currency?: Currency | undefined, price: string, isLasting: boolean, isDoubtful?: boolean, paidAtMs: number | null }} Signed `isDoubtful`: it was sent, and may have been paid; `currency`: a page of before had none */
/** @typedef {{ challenge: string, resource: string, lang: string, seller: string, accessSeconds: number[], names: (string | null)[], tokens: Record<string, [symbol: string, currency: Currency, decimals: number]>, networks: Network[], solana: string | null, elsewhere: string, topup: string | null, texts: Record<string, string> }} Page `resource`: its address without what came along to it, such as tracking parameters; `tokens`: each by its network and address; `solana`, `elsewhere`: paths of the parts for Solana and for wallets that are not here; `topup`: where to get money */

/** Where the card stands: in a page of its own, or in a shadow of the publisher's. */
const card = document.querySelector('[data-newsstand=card]')?.shadowRoot ?? document
/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (card.getElementById(id))

/** @type {Page} */
const page = JSON.parse(element('checkout').textContent ?? '')
const { texts, networks } = page
const evmNetworks = networks.filter((network) => 'rpcUrl' in network)
const STORE = `newsstand ${location.pathname}${location.search}`
/** A quote with less than this left is asked for anew before the wallet is. */
const QUOTE_MARGIN_SECONDS = 60
const SIGN_IN = 'sign-in-with-x'
/** What the site offers to sign for coming back is asked for anew when it is older than this; it ends a minute later. */
const SIGN_IN_SECONDS = 240
/** How long the site honours a quote: when the first one was made, its clock stood this much before its end. */
const QUOTE_SECONDS = 600

/** @param {string} base64 */
const decode = (base64) => JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))))
/** @param {number} length */
const random = (length) => hex(crypto.getRandomValues(new Uint8Array(length)))

/** @type {Challenge} */
let challenge
/** The site's clock less this device's, in seconds: what is signed must be valid there. */
let skew = 0
const expiresAt = () => challenge.extensions['newsstand-quote']?.info.expiresAt ?? 0

/** @param {string} header */
function adopt(header) {
  challenge = decode(header)
  skew = expiresAt() - QUOTE_SECONDS - Date.now() / 1000
}

adopt(page.challenge)
const siteSeconds = () => Math.floor(Date.now() / 1000 + skew)

// What is shown. One status line, and the buttons that lead on from it.

/** @typedef {{ text: string, icon?: string, isPlain?: boolean, isLink?: boolean, act?(): unknown, href?: string }} Action `href`: a link in place of a button */
/** @typedef {'wait' | 'good' | 'bad' | ''} Tone how it stands: a mark and a colour each */
/** @typedef {{ tone?: Tone, lines?: (string | Element)[], above?: Element[] }} Around lines below the status; what stands above the buttons */

/** @param {string} name @param {Record<string, string>} [slots] */
const text = (name, slots = {}) => (texts[name] ?? name).replace(/\{(\w+)\}/g, (_, slot) => slots[slot] ?? '')

/** @param {string} status @param {Action[]} actions @param {Around} [around] */
function show(status, actions, { tone = '', lines = [], above = [] } = {}) {
  const hadFocus = element('wallets').contains(card.activeElement)
  element('status').dataset.tone = tone
  element('status').replaceChildren(status, ...lines.flatMap((line) => [document.createElement('br'), line]))
  element('steps').hidden = true
  element('wallets').replaceChildren(
    ...above,
    ...actions.map(({ text, icon, isPlain, isLink, act, href }) => {
      if (href !== undefined) return linkTo(href, text)
      const button = document.createElement('button')
      button.type = 'button'
      button.className = isLink ? 'link' : isPlain ? 'plain' : ''
      if (icon?.startsWith('data:image/')) {
        const image = document.createElement('img')
        image.src = icon
        image.alt = ''
        button.append(image)
      }
      button.append(text)
      if (act) button.addEventListener('click', act)
      return button
    }),
  )
  // The button that was pressed is gone: who uses the keyboard keeps their place.
  if (hadFocus) element('status').focus()
}

/** Which of the two steps the wallet is asked for: to connect, or to pay. @param {0 | 1} step */
function showStep(step) {
  element('steps').hidden = false
  for (const [at, item] of [...element('steps').children].entries()) item.ariaCurrent = at === step ? 'step' : null
}

/** In a tab of its own: this page stays. @param {string} href @param {string} text @param {string} [className] */
function linkTo(href, text, className = 'button plain') {
  const link = document.createElement('a')
  link.className = className
  link.href = href
  link.target = '_blank'
  link.append(text)
  return link
}

/** @param {string} status */
function busy(status) {
  show(status, [], { tone: 'wait' })
  for (const radio of [...offers, ...currencies]) radio.disabled = true
  element('status').focus()
}

/** The wallet has the word. Some never give an answer: then the reader starts again, and what comes late is dropped. @param {Wallet} wallet @param {string} status @param {string[]} [lines] */
function atWallet(wallet, status, lines = []) {
  stillWanted(wallet)
  busy(status)
  const act = () => {
    turn += 1
    home()
  }
  show(status, [{ text: text('startAgain'), isPlain: true, act }], { tone: 'wait', lines })
}

/** @param {string} name */
const radios = (name) =>
  [...card.querySelectorAll(`input[name=${name}]`)].map((one) => /** @type {HTMLInputElement} */ (one))
const offers = radios('offer')
/** Where something is sold in several. */
const currencies = radios('currency')
const chosen = () =>
  Math.max(
    0,
    offers.findIndex((radio) => radio.checked),
  )

/** What it costs, in one currency or in each. @param {number} offer @param {Currency} [currency] */
const priceOf = (offer, currency) => [...new Set(termsOf(offer).filter(isIn(currency)).map(priceIn))].join(' · ')

/** Permit2 asks for an approval first, and is left to programs. @param {Terms} terms */
const isForPrograms = ({ extra }) => extra.assetTransferMethod === 'permit2'
const termsOf = (/** @type {number} */ offer) => allTermsOf(offer).filter((terms) => !isForPrograms(terms))

/** How an offer can be paid: each stands there once for each token it is sold for; two of one name, one after the other. @param {number} offer */
function allTermsOf(offer) {
  const name = page.names[offer]
  const before = page.names.slice(0, offer).filter((other) => other === name).length
  return challenge.accepts
    .filter(({ extra }) => (extra.offer ?? null) === name)
    .filter(({ network, asset }, i, all) => {
      const earlier = all.slice(0, i).filter((other) => other.network === network && other.asset === asset)
      return earlier.length === before
    })
}

/** What a token is called, and counted in. @param {Pick<Terms, 'network' | 'asset'>} terms */
const tokenOf = ({ network, asset }) => page.tokens[`${network} ${asset}`] ?? ['', 'USD', 6]
/** @param {Pick<Terms, 'network' | 'asset'>} terms @returns {Currency} */
const currencyOf = (terms) => tokenOf(terms)[1]
/** @param {Currency} [currency] @returns {(terms: Terms) => boolean} */
const isIn = (currency) => (terms) => currency === undefined || currencyOf(terms) === currency
/** @param {Pick<Terms, 'network' | 'asset'>} terms */
const symbolOf = (terms) => tokenOf(terms)[0]
/** @param {number} offer @param {Currency} [currency] */
const symbolsOf = (offer, currency) => [...new Set(termsOf(offer).filter(isIn(currency)).map(symbolOf))].join(', ')
/** @param {string} network */
const nameOf = (network) => networks.find((one) => one.network === network)?.name ?? ''
/** @param {Pick<Terms, 'network' | 'asset' | 'amount'>} terms */
const priceIn = (terms) => money(terms, BigInt(terms.amount))

/** Rounded to nothing: all of it is shown. @param {Pick<Terms, 'network' | 'asset'>} terms @param {bigint} units */
function money(terms, units) {
  const [, currency, decimals] = tokenOf(terms)
  const digits = units.toString().padStart(decimals + 1, '0')
  const point = digits.length - decimals
  const exact = /** @type {`${number}`} */ (`${digits.slice(0, point)}.${digits.slice(point)}0`)
  /** @type {Intl.NumberFormatOptions} */
  const style = { style: 'currency', currency, currencyDisplay: 'narrowSymbol', maximumFractionDigits: 18 }
  return new Intl.NumberFormat(page.lang, style).format(exact)
}

/** What is bought now opens until then, as people say it: the time, with "tomorrow" or the date before it. @param {number} seconds */
function endOf(seconds) {
  const now = new Date(Date.now())
  const end = new Date(now.getTime() + seconds * 1000)
  const dayOf = (/** @type {Date} */ date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 864e5
  const days = dayOf(end) - dayOf(now)
  const time = end.toLocaleTimeString(page.lang, { hour: 'numeric', minute: '2-digit' })
  if (days === 0) return time
  if (days === 1) return `${new Intl.RelativeTimeFormat(page.lang, { numeric: 'auto' }).format(1, 'day')} ${time}`
  return `${end.toLocaleDateString(page.lang, { day: 'numeric', month: 'long', year: 'numeric' })}, ${time}`
}

/** What the wallet is about to show, in its own words: units of the token, and an address. @param {Terms} terms */
function toBeShown(terms) {
  const [symbol, , decimals] = tokenOf(terms)
  const { amount, payTo, network } = terms
  const payee = text('showsPayee', { payee: `${payTo.slice(0, 6)}…${payTo.slice(-4)}`, seller: page.seller })
  // Wallets of Solana try the transaction, and show what it moves.
  if (network.startsWith('solana:')) return [`${priceIn(terms)} (${symbol})`, payee]
  const smallest = decimals === 0 ? '1' : `0.${'1'.padStart(decimals, '0')}`
  const step = decimals === 6 ? text('millionths') : text('stepsOf', { step: smallest })
  return [text('showsAmount', { units: amount, price: priceIn(terms), step }), payee]
}

/** The third promise, for what is chosen. */
function showPromise() {
  const seconds = page.accessSeconds[chosen()] ?? 0
  const yours = card.getElementById('yours')
  if (yours) yours.textContent = seconds > 0 ? text('yoursUntil', { when: endOf(seconds) }) : text('yoursOnce')
}

/** Asks once more whether a wallet that held too little holds enough by now. @type {(() => Promise<boolean>) | null} */
let recheck = null

/** The beginning: a button for each wallet that can pay. @param {string} [status] why it begins again @param {Action[]} [more] what else may help */
function home(status = '', more = []) {
  recheck = null
  showPromise()
  offers.forEach((radio, offer) => {
    radio.disabled = false
    const shown = radio.closest('label')?.querySelector('.price')
    const price = priceOf(offer)
    if (shown && price) shown.textContent = price
  })
  const found = listed()
  const offer = chosen()
  const currency = showCurrencies(offer)
  const pays = found
    .filter((wallet) => waysOf(offer, wallet).some(isIn(currency)))
    .map((wallet) => ({
      text: text('payWith', { price: priceOf(offer, currency), wallet: labelOf(wallet) }),
      icon: wallet.icon,
      act: () => attempt(wallet, (mine) => pay(mine, offer, currency)),
    }))
  const again = { text: text('checkAgain'), isPlain: true, act: look }
  const away = { text: text('elsewhere'), isPlain: found.length > 0, act: elsewhere }
  const back = challenge.extensions[SIGN_IN] ? [{ text: text('signIn'), isLink: true, act: chooseSignIn }] : []
  /** @type {Around} */
  const around = { tone: status === '' ? '' : 'bad' }
  if (pays.length > 0) show(status, [...pays, ...more, ...back], around)
  else if (termsOf(offer).length === 0 && allTermsOf(offer).length > 0) show(status || text('notHere'), back, around)
  else if (found.length > 0) show(status || noWay(offer), [away, again, ...more, ...back], around)
  else show(status || withoutWallet(), [away, again, ...back], around)
}

const withoutWallet = () => `${text('noWallet')} ${text('noWalletHelp')}`

/** None of the wallets found can pay: what it takes. @param {number} offer */
function noWay(offer) {
  const tokens = [...new Set(termsOf(offer).map(symbolOf))].map((symbol) => {
    const sold = termsOf(offer).filter((terms) => symbolOf(terms) === symbol)
    return `${symbol} (${sold.map(({ network }) => nameOf(network)).join(', ')})`
  })
  return text('noWay', { tokens: tokens.join(', ') })
}

/** What the reader wants to pay in. @type {Currency | undefined} */
let wanted

/** What an offer is paid in. Where its wallets can pay in several currencies, they are there to choose from. @param {number} offer */
function showCurrencies(offer) {
  const ways = listed().flatMap((wallet) => waysOf(offer, wallet))
  const known = [...new Set(ways.map(currencyOf))]
  const currency = known.find((one) => one === wanted) ?? known[0]
  for (const radio of currencies) {
    const own = ways.filter((terms) => currencyOf(terms) === radio.value)
    const [label] = radio.labels ?? []
    const shown = label?.querySelector('span')
    if (label) label.hidden = own.length === 0
    if (shown) shown.textContent = [...new Set(own.map((terms) => `${priceIn(terms)} ${symbolOf(terms)}`))].join(', ')
    radio.disabled = false
    radio.checked = radio.value === currency
  }
  const choice = currencies[0]?.closest('fieldset')
  if (choice) choice.hidden = known.length < 2
  return currency
}

// Wallets: those that announce themselves (EIP-6963, and wallet-standard for Solana), or the one that sits in the window
// (EIP-1193).

const { wallets, listed, solanaOf, labelOf, call } = findWallets(networks, page.solana !== null, added)

/** How a wallet can pay an offer. @param {number} offer @param {Wallet} wallet */
const waysOf = (offer, wallet) =>
  termsOf(offer).filter(({ network }) =>
    'provider' in wallet ? evmNetworks.some((one) => one.network === network) : solanaOf(wallet)?.network === network,
  )

function look() {
  show(text('looking'), [], { tone: 'wait' })
  call()
  setTimeout(() => {
    const injected = /** @type {{ ethereum?: Provider }} */ (window).ethereum
    const isAnnounced = [...wallets.values()].some((wallet) => 'provider' in wallet)
    if (!isAnnounced && injected) wallets.set('', { name: text('yourWallet'), icon: '', provider: injected })
    if (element('status').textContent === text('looking')) home()
  }, 300)
}

/** A site that has only just begun may have to learn who pays the fee on Solana: it is asked once more. */
let mayBeNew = page.solana !== null && !termsOf(0).some(({ network }) => network.startsWith('solana:'))

/** @param {Wallet} wallet */
async function added(wallet) {
  // What is shown by then names the offers of before.
  const idle = [text('looking'), '', withoutWallet(), noWay(chosen())]
  if ('standard' in wallet && mayBeNew && !kept()) {
    mayBeNew = false
    await refresh().catch(() => {})
  }
  if (idle.includes(element('status').textContent ?? '')) home()
}

// Paying.

/** Ends an attempt, with what the reader is told, and the currency that is chosen for the next. */
class Stop {
  /** @param {string} message @param {Currency} [instead] @param {Help} [help] */
  constructor(message, instead, help) {
    this.message = message
    this.instead = instead
    this.help = help
  }
}
/** What may help: another account may; other ways to pay; `isEnough`: asks once more whether the wallet holds enough. */
/** @typedef {{ more?: Action[], isEnough?: () => Promise<boolean> }} Help */
/** Ends an attempt that the reader has given up: what its wallet signed is not sent. */
class GivenUp {}

/** Number of the attempt that counts. */
let turn = 0

/** @param {Wallet} wallet */
function stillWanted(wallet) {
  if (wallet.turn !== turn) throw new GivenUp()
}

/** @param {Wallet} found @param {(wallet: Wallet) => Promise<void>} act */
async function attempt(found, act) {
  turn += 1
  recheck = null
  const wallet = { ...found, turn }
  try {
    await act(wallet)
  } catch (problem) {
    if (problem instanceof GivenUp || wallet.turn !== turn) return
    if (!(problem instanceof Stop)) return home(text('walletFailed', { wallet: wallet.name }))
    wanted = problem.instead ?? wanted
    const { message, help } = problem
    const canChoose = help && 'provider' in found
    home(message, [...(help?.more ?? []), ...(canChoose ? [otherAccountOf(found, act)] : [])])
    recheck = help?.isEnough ?? null
  }
}

/** The same with another account of a wallet, which asks its owner which one (EIP-2255). @param {EvmWallet} found @param {(wallet: Wallet) => Promise<void>} act @returns {Action} */
const otherAccountOf = (found, act) => ({
  text: text('useOther'),
  isPlain: true,
  act: () =>
    attempt(found, async (mine) => {
      atWallet(mine, text('openWallet', { wallet: mine.name }))
      await request({ ...found, ...mine }, 'wallet_requestPermissions', [{ eth_accounts: {} }])
      await act(mine)
    }),
})

/** Asks the wallet; its errors become what to tell the reader. @template Result @param {Wallet} wallet @param {() => Promise<Result>} act */
async function ask(wallet, act) {
  stillWanted(wallet)
  try {
    const result = await act()
    stillWanted(wallet)
    return result
  } catch (problem) {
    stillWanted(wallet)
    const name = REFUSALS[Number(codeOf(problem))]
    if (name) throw new Stop(text(name, { wallet: wallet.name }))
    throw problem
  }
}

/** @param {EvmWallet} wallet @param {string} method @param {unknown[]} [params] */
const request = (wallet, method, params) =>
  ask(wallet, () => wallet.provider.request(params ? { method, params } : { method }))

/** @param {Wallet} wallet @returns {Promise<Account>} */
async function accountOf(wallet) {
  atWallet(wallet, text('openWallet', { wallet: wallet.name }))
  showStep(0)
  if ('standard' in wallet) return solanaAccount(wallet)
  const accounts = await request(wallet, 'eth_requestAccounts')
  if (!Array.isArray(accounts) || !accounts[0]) throw new Stop(text('locked', { wallet: wallet.name }))
  const address = String(accounts[0])
  return {
    address,
    kind: 'Ethereum',
    type: 'eip191',
    way: (ways) => wayOn(wallet, ways),
    payload: (terms, others) => authorized(wallet, address, terms, others),
    sign: (message) => request(wallet, 'personal_sign', [hex(new TextEncoder().encode(message)), address]),
  }
}

/** @param {SolanaWallet} wallet @returns {Promise<Account>} */
async function solanaAccount(wallet) {
  const network = solanaOf(wallet)
  /** @type {typeof import('./solana.js')} */
  const { open } = await import(location.origin + page.solana).catch(() => {
    throw new Stop(text('unprepared'))
  })
  /** @type {import('./solana.js').Hands} */
  const hands = {
    ask: (act) => ask(wallet, act),
    stop: (name) => new Stop(text(name, { wallet: wallet.name, network: network?.name ?? '' })),
    weigh: (terms, others, balanceOf) => weigh(wallet, terms, others, balanceOf),
  }
  const account = await open(wallet.standard, network?.chain ?? '', hands)
  return { ...account, kind: 'Solana', type: 'ed25519', way: async ([first]) => first }
}

/** Which of these ways is on the wallet's network, after a switch where none is. @param {EvmWallet} wallet @param {Terms[]} ways */
async function wayOn(wallet, ways) {
  const current = async () => {
    const chainId = BigInt(String(await request(wallet, 'eth_chainId')))
    return ways.find(({ network }) => network === `eip155:${chainId}`)
  }
  const way = await current()
  const [preferred] = evmNetworks.filter(({ network }) => ways.some((one) => one.network === network))
  if (way || !preferred) return way
  atWallet(wallet, text('switching', { wallet: wallet.name, network: preferred.name }))
  const chainId = `0x${BigInt(preferred.network.slice(7)).toString(16)}`
  const token = ways.filter(({ network }) => network === preferred.network).map(symbolOf)[0] ?? ''
  const wrong = () => new Stop(text('wrongNetwork', { token, network: preferred.name }))
  try {
    await wallet.provider
      .request({ method: 'wallet_switchEthereumChain', params: [{ chainId }] })
      .catch(async (/** @type {unknown} */ problem) => {
        if (codeOf(problem) !== 4902) throw problem
        const { name: chainName, rpcUrl, currency } = preferred
        const nativeCurrency = { name: currency, symbol: currency, decimals: 18 }
        const chain = { chainId, chainName, rpcUrls: [rpcUrl], nativeCurrency }
        await wallet.provider.request({ method: 'wallet_addEthereumChain', params: [chain] })
        await wallet.provider.request({ method: 'wallet_switchEthereumChain', params: [{ chainId }] })
      })
  } catch {
    stillWanted(wallet)
    throw wrong()
  }
  const now = await current()
  if (!now) throw wrong()
  return now
}

/** Fetches the challenge anew. Where there is none any more, the page has been bought in another tab. @param {string} [failure] what is said where it does not come */
async function refresh(failure = 'unprepared') {
  const headers = { Accept: 'application/json' }
  const response = await fetch(location.href, { headers, cache: 'no-store' }).catch(() => null)
  const header = response?.headers.get('PAYMENT-REQUIRED')
  if (header) return adopt(header)
  if (!response?.ok) throw new Stop(text(failure))
  location.reload()
  throw new GivenUp()
}

/** What the wallet holds, where it can tell. @param {EvmWallet} wallet @param {string} account @param {Terms} terms */
async function balanceOf(wallet, account, terms) {
  const data = `0x70a08231${account.slice(2).padStart(64, '0')}`
  try {
    const call = { method: 'eth_call', params: [{ to: terms.asset, data }, 'latest'] }
    return BigInt(String(await wallet.provider.request(call)))
  } catch {
    return null
  }
}

/**
 * Ends the attempt where a wallet holds too little, and offers another currency of which it holds enough; else the wallet has
 * the word.
 * @param {Wallet} wallet @param {Terms} terms @param {Terms[]} others @param {(terms: Terms) => Promise<bigint | null>} balanceOf null where nobody can tell
 */
async function weigh(wallet, terms, others, balanceOf) {
  const price = BigInt(terms.amount)
  const missing = price - ((await balanceOf(terms)) ?? price)
  if (missing <= 0n) {
    atWallet(wallet, text('signing', { price: priceIn(terms), wallet: wallet.name }), toBeShown(terms))
    return showStep(1)
  }
  const slots = { missing: money(terms, missing), token: symbolOf(terms), network: nameOf(terms.network) }
  for (const other of others) {
    if (((await balanceOf(other)) ?? 0n) < BigInt(other.amount)) continue
    const better = { ...slots, other: symbolOf(other), price: priceIn(other) }
    throw new Stop(text('otherCurrency', better), currencyOf(other), {})
  }
  const isEnough = async () => ((await balanceOf(terms)) ?? 0n) >= price
  const topUp = page.topup ? [{ text: text('topUp'), href: page.topup }] : []
  throw new Stop(text('tooLittle', slots), undefined, { more: [...onOtherNetworks(wallet, terms), ...topUp], isEnough })
}

/** The same price where else a wallet may hold it: it switches once, and is asked there. @param {Wallet} wallet @param {Terms} terms @returns {Action[]} */
function onOtherNetworks(wallet, terms) {
  const offer = chosen()
  const currency = currencyOf(terms)
  const others = waysOf(offer, wallet).filter((one) => one.network !== terms.network && isIn(currency)(one))
  return [...new Set(others.map(({ network }) => network))].map((network) => ({
    text: text('payOn', { network: nameOf(network) }),
    isPlain: true,
    act: () => attempt(wallet, (mine) => pay(mine, offer, currency, network)),
  }))
}

/** @param {Wallet} wallet @param {number} offer @param {Currency} [currency] @param {string} [network] on this one alone */
async function pay(wallet, offer, currency, network) {
  const account = await accountOf(wallet)
  const isOn = (/** @type {Terms} */ terms) => network === undefined || terms.network === network
  const ways = () => waysOf(offer, wallet).filter(isIn(currency)).filter(isOn)
  const way = await account.way(ways())
  if (expiresAt() < siteSeconds() + QUOTE_MARGIN_SECONDS) {
    const before = priceOf(offer, currency)
    await refresh()
    if (priceOf(offer, currency) !== before) throw new Stop(text('priceChanged', { price: priceOf(offer) }))
  }
  const terms = ways().find(({ network }) => network === way?.network)
  if (!terms) throw new Stop(noWay(offer))
  const others = waysOf(offer, wallet).filter((one) => one.network === terms.network && one.asset !== terms.asset)
  const payload = await account.payload(terms, others)
  const { 'newsstand-quote': quote } = challenge.extensions
  const payment = {
    x402Version: 2,
    resource: { url: page.resource },
    accepted: terms,
    payload,
    extensions: {
      'payment-identifier': { info: { required: false, id: random(16) } },
      ...(quote ? { 'newsstand-quote': { info: quote.info } } : {}),
    },
  }
  const isLasting = page.accessSeconds[offer] !== 0
  const signed = { header: encode(payment), offer, currency, price: priceIn(terms), isLasting, paidAtMs: null }
  await send(keep(signed), wallet)
}

/** An authorization of the token's transfer, signed. @param {EvmWallet} wallet @param {string} account @param {Terms} terms @param {Terms[]} others */
async function authorized(wallet, account, terms, others) {
  await weigh(wallet, terms, others, (one) => balanceOf(wallet, account, one))
  const authorization = {
    from: account,
    to: terms.payTo,
    value: terms.amount,
    validAfter: '0',
    validBefore: String(siteSeconds() + terms.maxTimeoutSeconds),
    nonce: random(32),
  }
  const signature = await request(wallet, 'eth_signTypedData_v4', [
    account,
    JSON.stringify(typedData(terms, authorization)),
  ])
  return { signature, authorization }
}

/** EIP-712, as EIP-3009 has it: what the wallet shows is what is paid. @param {Terms} terms @param {object} message */
function typedData({ network, asset, extra }, message) {
  const fields = (/** @type {string} */ list) =>
    list.split(',').map((field) => ({ type: field.split(' ')[0], name: field.split(' ')[1] }))
  return {
    types: {
      EIP712Domain: fields('string name,string version,uint256 chainId,address verifyingContract'),
      TransferWithAuthorization: fields(
        'address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce',
      ),
    },
    primaryType: 'TransferWithAuthorization',
    domain: { name: extra.name, version: extra.version, chainId: Number(network.slice(7)), verifyingContract: asset },
    message,
  }
}

// Coming back without the cookie: the wallet that paid signs a message, which is no payment.

function chooseSignIn() {
  const found = listed()
  // The wallet that paid is somewhere else.
  if (found.length === 0) {
    elsewhere()
    return
  }
  const [only] = found
  if (only && found.length === 1) {
    attempt(only, signIn)
    return
  }
  const paid = found.map((wallet) => ({
    text: labelOf(wallet),
    icon: wallet.icon,
    act: () => attempt(wallet, signIn),
  }))
  show(text('signInText'), [...paid, { text: text('startAgain'), isPlain: true, act: () => home() }])
}

/** @param {Wallet} wallet */
async function signIn(wallet) {
  const account = await accountOf(wallet)
  const issued = challenge.extensions[SIGN_IN]?.info.issuedAt ?? ''
  if (Date.parse(issued) / 1000 < siteSeconds() - SIGN_IN_SECONDS) await refresh('signInFailed')
  const offered = challenge.extensions[SIGN_IN]
  const chainId = ('standard' in wallet ? solanaOf(wallet) : evmNetworks[0])?.network
  if (!offered || !chainId) throw new Stop(text('signedInNothing'))
  const message = signInText(offered.info, account, chainId)
  atWallet(wallet, text('willSign', { wallet: wallet.name }))
  const signature = await account.sign(message)
  const proof = { ...offered.info, address: account.address, chainId, type: account.type, signature }
  const headers = { Accept: 'application/json, */*;q=0.5', 'SIGN-IN-WITH-X': encode(proof) }
  const response = await fetch(location.href, { headers, cache: 'no-store' }).catch(() => null)
  if (response?.ok) {
    await response.body?.cancel()
    show(text('opening'), [], { tone: 'good' })
    return goOn()
  }
  const header = response?.headers.get('PAYMENT-REQUIRED')
  if (header) adopt(header)
  const { error } = (await response?.json().catch(() => null)) ?? {}
  const said = NOT_SIGNED_IN[error] ?? 'signInFailed'
  throw new Stop(text(said, { wallet: wallet.name }), undefined, MAY_BE_ANOTHERS.includes(said) ? {} : undefined)
}

/** What a sign-in came to, by the site's word for it. Only the first says that nothing was bought. @type {Record<string, string>} */
const NOT_SIGNED_IN = {
  sign_in_nothing_bought: 'signedInNothing',
  // Of a wallet with code that owns nothing here the site says the same.
  invalid_siwx_signature: 'signInOther',
  invalid_siwx_verifier_error: 'signInUnasked',
  settlement_pending: 'signInPending',
}
/** After these another account may be the one that has bought it. */
const MAY_BE_ANOTHERS = ['signedInNothing', 'signInOther']

// Where the wallet is elsewhere: in a wallet's own browser on this phone, or on a phone beside this screen.

/** The code of another screen, or of this phone's own browser, that led here. */
const carried = () => /^#newsstand=([\w-]+\.[\w-]+)$/.exec(location.hash)?.[1] ?? null

/** Paid, or signed in: the page itself, or the question of whether it opens on the screen that the code is of. Anybody can write a code into a link: where the site has no such question, the page is what was bought. */
async function goOn() {
  const code = carried()
  if (code === null) return location.reload()
  const address = `${location.origin}/_newsstand/checkout/${code}`
  const headers = { Accept: 'application/json' }
  const asked = await fetch(address, { headers, cache: 'no-store', redirect: 'manual' }).catch(() => null)
  if (asked?.ok) location.assign(address)
  else location.reload()
}

/** What this screen waits with, while its reader pays elsewhere. */
const SCREEN = `newsstand screen ${location.pathname}${location.search}`

/** Whether this page was loaded anew while it waited. */
function isWaiting() {
  try {
    return JSON.parse(sessionStorage.getItem(SCREEN) ?? '{}').untilMs > Date.now()
  } catch {
    return false
  }
}

async function elsewhere() {
  busy('')
  try {
    /** @type {typeof import('./elsewhere.js')} */
    const { open } = await import(location.origin + page.elsewhere)
    await open({
      key: SCREEN,
      carried: carried(),
      resource: page.resource,
      isLasting: page.accessSeconds.some((seconds) => seconds > 0),
      networks: networks.map(({ network }) => network),
      back: text('startAgain'),
      show: (status, actions, above = []) => show(status, actions, { above }),
      home: look,
      opened() {
        show(text('opening'), [], { tone: 'good' })
        channel?.postMessage('bought')
        location.reload()
      },
    })
    element('status').focus()
  } catch {
    home(text('unprepared'))
  }
}

/** Its reader is back, perhaps with more money or a wallet. */
async function lookAgain() {
  if (document.visibilityState !== 'visible') return
  const asking = recheck
  if (asking === null) {
    if (element('status').textContent === withoutWallet()) call()
    return
  }
  if ((await asking()) && recheck === asking) home(text('enoughNow'))
}
window.addEventListener('focus', lookAgain)
document.addEventListener('visibilitychange', lookAgain)

// After signing: one payment, sent until something is known of it.

// Where a browser blocks storage, the payment stays with this entry of the tab's history, which outlives a reload too.

/** @param {Signed} signed */
function keep(signed) {
  try {
    sessionStorage.setItem(STORE, JSON.stringify(signed))
  } catch {
    history.replaceState({ ...history.state, [STORE]: signed }, '')
  }
  return signed
}

/** @returns {Signed | null} */
function kept() {
  try {
    const found = sessionStorage.getItem(STORE)
    if (found !== null) return JSON.parse(found)
  } catch {}
  return history.state?.[STORE] ?? null
}

function forget() {
  try {
    sessionStorage.removeItem(STORE)
  } catch {}
  if (history.state?.[STORE]) history.replaceState({ ...history.state, [STORE]: null }, '')
}

/** To the site's other tabs; null where that is blocked with storage. */
function openChannel() {
  try {
    return new BroadcastChannel('newsstand')
  } catch {
    return null
  }
}
const channel = openChannel()

/** Statuses at which the same payment is sent again: busy, broken, or not known yet. */
const OPEN = [429, 500, 502, 503, 504]

/** What the site calls a payment whose time is over. */
const OVER = /^invalid_payment_requirements$|_valid_before$|_height_exceeded$|^payment_expired$/

/** Why a payment surely did not go through, where more can be said of it. @type {Record<string, string>} */
const NOT_PAID = {
  insufficient_funds: 'heldTooLittle',
  invalid_exact_svm_transaction_simulation_failed: 'cannotLand',
}

/** @param {Signed} signed @param {Wallet} [wallet] */
async function send(signed, wallet) {
  busy(text('settling'))
  /** @type {Response} */
  let response
  try {
    // Of lasting access only the cookie counts: the page itself is opened by the browser.
    const Accept = signed.isLasting ? 'application/json, */*;q=0.5' : 'text/html, */*;q=0.8'
    const headers = { Accept, 'PAYMENT-SIGNATURE': signed.header }
    response = await fetch(location.href, { headers, cache: 'no-store' })
    if (response.ok) return await opened(signed, response)
  } catch {
    return lost(signed)
  }
  const { error } = await response.json().catch(() => ({ error: '' }))
  const { offer, currency, price } = signed
  // Of what may have been paid before, the content's own answer says nothing.
  const isSure = [400, 402, 409].includes(response.status) || error === 'payment_refused'
  if (OPEN.includes(response.status) || (signed.isDoubtful && !isSure)) {
    const isOpen =
      signed.isDoubtful || ['settlement_pending', 'payment_in_progress', 'internal_error', ''].includes(error)
    const seconds = Math.min(Number(response.headers.get('Retry-After')) || 5, 60)
    return wait(signed, isOpen ? 'waiting' : 'unavailable', seconds)
  }
  forget()
  if (response.status === 403) return home(text('notAccepted'))
  const header = response.headers.get('PAYMENT-REQUIRED')
  if (header) adopt(header)
  wanted = currency ?? wanted
  const now = priceOf(offer, currency)
  if (now !== price) return home(text('priceChanged', { price: priceOf(offer) }))
  if (['invalid_exact_evm_payload_signature', 'invalid_exact_svm_payload_signature_invalid'].includes(error)) {
    return home(text('otherAccount', { wallet: wallet?.name ?? text('yourWallet') }))
  }
  if (OVER.test(error)) return home(text('quoteExpired', { price: now }))
  home(text(NOT_PAID[error] ?? 'refused', { tokens: symbolsOf(offer, currency) }))
}

/** @param {Signed} signed @param {Response} response */
async function opened(signed, response) {
  const content = signed.isLasting ? null : await response.blob()
  keep({ ...signed, paidAtMs: Date.now() })
  if (content === null) {
    await response.body?.cancel()
    const when = endOf(page.accessSeconds[signed.offer] ?? 0)
    show(text('paidUntil', { price: signed.price, when }), [], {
      tone: 'good',
      lines: [linkTo('/_newsstand/receipts', text('receipt'), '')],
    })
    channel?.postMessage('bought')
    return goOn()
  }
  offerToOpen(content, text('bought'))
}

/** A single answer: it is opened beside this page, which keeps it. @param {Blob} content @param {string} status */
function offerToOpen(content, status) {
  // Its links count from its address.
  const base = /^text\/html/.test(content.type) ? `<!doctype html><base href="${location.href}">` : ''
  const address = URL.createObjectURL(new Blob([base, content], content))
  show(status, [], { tone: 'good', above: [linkTo(address, text('open'), 'button')] })
}

/** @param {Signed} signed @param {'waiting' | 'unavailable'} why @param {number} seconds */
function wait(signed, why, seconds) {
  if (why === 'waiting') signed = keep({ ...signed, isDoubtful: true })
  busy(text(why, { seconds: String(seconds) }))
  const timer = setTimeout(() => send(signed), seconds * 1000)
  const act = () => {
    clearTimeout(timer)
    send(signed)
  }
  show(text(why, { seconds: String(seconds) }), [{ text: text('tryNow'), act }], { tone: 'wait' })
}

/** @param {Signed} signed */
function lost(signed) {
  signed = keep({ ...signed, isDoubtful: true })
  const again = () => send(signed)
  window.addEventListener('online', again, { once: true })
  const act = () => {
    window.removeEventListener('online', again)
    again()
  }
  show(text('lost'), [{ text: text('sendAgain'), act }], { tone: 'bad' })
}

/** Paid, and still here: the cookie did not stay, or there is none for a single answer. The payment's identifier brings the content all the same. @param {Signed} signed */
function withoutCookie(signed) {
  const said = text(signed.isLasting ? 'noCookie' : 'bought')
  const act = async () => {
    busy(text('settling'))
    try {
      const headers = { 'PAYMENT-SIGNATURE': signed.header }
      const response = await fetch(location.href, { headers, cache: 'no-store' })
      if (response.ok) return offerToOpen(await response.blob(), said)
      if (OPEN.includes(response.status)) return wait(signed, 'waiting', 5)
    } catch {
      return lost(signed)
    }
    forget()
    look()
  }
  show(said, [{ text: text('open'), act }], { tone: 'good' })
}

function begin() {
  const signed = kept()
  if (!signed) return isWaiting() ? elsewhere() : look()
  if (signed.paidAtMs === null) {
    send(signed)
    // For the next payment, should this one be refused.
    return call()
  }
  // A page that comes back long after it was paid is a page whose time is over.
  if (Date.now() - signed.paidAtMs < 60_000) return withoutCookie(signed)
  forget()
  look()
}

for (const radio of offers) radio.addEventListener('change', () => home())
for (const radio of currencies) {
  radio.addEventListener('change', () => {
    wanted = radio.value === 'EUR' ? 'EUR' : 'USD'
    home()
  })
}
// Back from the article: this page is a picture of the past.
window.addEventListener('pageshow', (event) => event.persisted && location.reload())
// Bought in another tab: perhaps this page too.
channel?.addEventListener('message', () => {
  if (!kept()) refresh().catch(() => {})
})

/** What the page says where no script runs: it says so again where this one cannot begin. */
const stuck = [...element('wallets').childNodes]
function start() {
  try {
    begin()
  } catch {
    show('', [])
    element('wallets').replaceChildren(...stuck)
  }
}
// A page that is only prepared asks nothing of wallets, and sends nothing.
if (/** @type {{ prerendering?: boolean }} */ (document).prerendering) {
  document.addEventListener('prerenderingchange', start, { once: true })
} else start()
