// @ts-check
// The receipts' script: times in the reader's own zone, signing in with a wallet for all receipts, printing, and the check of
// a receipt's signature against the site's published key. Every page says what it says without it.
import { codeOf, encode, findWallets, hex, REFUSALS, signInText } from './wallets.js'

/** @typedef {import('./wallets.js').Wallet} Wallet */
/** @typedef {{ address: string, sign(message: string): Promise<unknown> }} Account */
/** @typedef {{ info: import('./wallets.js').SignIn, networks: import('./wallets.js').Network[], solana: string | null }} SignInPage */
/** @typedef {{ signIn?: SignInPage, signed?: { jws: string, said: Record<string, unknown> }, texts: Record<string, string> }} Page */

/** Less than the five minutes for which the site takes what it has offered to sign. */
const OFFERED_MS = 240_000

/** @param {string} id */
const element = (id) => document.getElementById(id)
/** @type {Page} */
const page = JSON.parse(element('receipts')?.textContent ?? '{}')

/** @param {string} name @param {Record<string, string>} [slots] */
const text = (name, slots = {}) => (page.texts[name] ?? name).replace(/\{(\w+)\}/g, (_, slot) => slots[slot] ?? '')

const format = new Intl.DateTimeFormat(document.documentElement.lang, {
  dateStyle: 'medium',
  timeStyle: 'short',
})
for (const time of document.querySelectorAll('time')) time.textContent = format.format(new Date(time.dateTime))

const print = element('print')
print?.addEventListener('click', () => window.print())
if (print) print.hidden = false

/** Ends an attempt, with what the reader is told. */
class Stop {
  /** @param {string} message */
  constructor(message) {
    this.message = message
  }
}

/** @param {string} said @param {{ text: string, act(): unknown }[]} actions */
function show(said, actions) {
  const status = element('status')
  if (status) status.textContent = said
  element('wallets')?.replaceChildren(
    ...actions.map((action) => {
      const button = document.createElement('button')
      button.type = 'button'
      button.append(action.text)
      button.addEventListener('click', action.act)
      return button
    }),
  )
}

/** @param {SignInPage} offer */
function offerSignIn({ info, networks, solana }) {
  const loadedAtMs = Date.now()
  /** Number of the attempt that counts: what a wallet says to an earlier one is dropped. */
  let turn = 0
  const { wallets, listed, solanaOf, labelOf, call } = findWallets(
    networks,
    solana !== null,
    () => turn === 0 && home(),
  )

  /** @param {string} [said] */
  function home(said = '') {
    const found = listed()
    const again = { text: text('checkAgain'), act: look }
    const ways = found.map((wallet) => ({
      text: text('signInWith', { wallet: labelOf(wallet) }),
      act: () => attempt(wallet),
    }))
    show(said || (found.length > 0 ? '' : text('noWallet')), found.length > 0 ? ways : [again])
  }

  function look() {
    call()
    const injected = /** @type {{ ethereum?: import('./wallets.js').Provider }} */ (window).ethereum
    const isAnnounced = [...wallets.values()].some((wallet) => 'provider' in wallet)
    if (!isAnnounced && injected) wallets.set('', { name: text('yourWallet'), icon: '', provider: injected })
    home()
  }

  /** @template Result @param {Wallet} wallet @param {() => Promise<Result>} act */
  async function ask(wallet, act) {
    try {
      return await act()
    } catch (problem) {
      const name = REFUSALS[Number(codeOf(problem))]
      throw name ? new Stop(text(name, { wallet: wallet.name })) : problem
    }
  }

  /** @param {Wallet} wallet @returns {Promise<Account>} */
  async function accountOf(wallet) {
    if ('standard' in wallet) {
      /** @type {typeof import('./solana.js')} */
      const { open } = await import(location.origin + solana).catch(() => {
        throw new Stop(text('unprepared'))
      })
      const chain = solanaOf(wallet)
      return open(wallet.standard, chain?.chain ?? '', {
        ask: (act) => ask(wallet, act),
        stop: (name) => new Stop(text(name, { wallet: wallet.name, network: chain?.name ?? '' })),
        // Nothing is paid here.
        weigh: async () => {},
      })
    }
    const request = (/** @type {string} */ method, /** @type {unknown[]} */ params) =>
      ask(wallet, () => wallet.provider.request({ method, params }))
    const accounts = await request('eth_requestAccounts', [])
    if (!Array.isArray(accounts) || !accounts[0]) throw new Stop(text('locked', { wallet: wallet.name }))
    const address = String(accounts[0])
    return {
      address,
      sign: (message) => request('personal_sign', [hex(new TextEncoder().encode(message)), address]),
    }
  }

  /** @param {Wallet} wallet */
  async function attempt(wallet) {
    // What is offered to sign is too old by now: a page that is loaded anew has another.
    if (Date.now() - loadedAtMs > OFFERED_MS) return location.reload()
    turn += 1
    const mine = turn
    const act = () => {
      turn += 1
      home()
    }
    const back = [{ text: text('startAgain'), act }]
    show(text('openWallet', { wallet: wallet.name }), back)
    try {
      const account = await accountOf(wallet)
      const isSolana = 'standard' in wallet
      const network = isSolana ? solanaOf(wallet) : networks.find((one) => 'rpcUrl' in one)
      const chainId = network?.network ?? ''
      const message = signInText(info, { kind: isSolana ? 'Solana' : 'Ethereum', address: account.address }, chainId)
      if (mine !== turn) return
      show(text('willSign', { wallet: wallet.name }), back)
      const signature = await account.sign(message)
      if (mine !== turn) return
      const type = isSolana ? 'ed25519' : 'eip191'
      await begin({ ...info, address: account.address, chainId, type, signature })
    } catch (problem) {
      if (mine !== turn) return
      home(problem instanceof Stop ? problem.message : text('walletFailed', { wallet: wallet.name }))
    }
  }

  /** @param {object} proof */
  async function begin(proof) {
    const headers = { Accept: 'application/json', 'SIGN-IN-WITH-X': encode(proof) }
    const sent = { method: 'POST', headers, redirect: /** @type {const} */ ('manual') }
    const response = await fetch(location.pathname, sent).catch(() => null)
    // The site sends on who is signed in; where to is known.
    if (response?.type === 'opaqueredirect') {
      const shown = await fetch(location.pathname, { headers: { Accept: 'application/json' }, cache: 'no-store' })
      if ((await shown.json()).payer === undefined) throw new Stop(text('noCookies'))
      return location.assign(location.pathname)
    }
    const { error } = (await response?.json().catch(() => null)) ?? {}
    throw new Stop(text(NOT_SIGNED_IN[error] ?? 'signInFailed'))
  }

  look()
}

/** What a sign-in came to, by the site's word for it. @type {Record<string, string>} */
const NOT_SIGNED_IN = {
  sign_in_nothing_bought: 'nothingBought',
  // Of a wallet with code that has no receipt here the site says the same.
  invalid_siwx_signature: 'nothingBought',
  invalid_siwx_verifier_error: 'signInUnasked',
}

/** @param {string} part */
const bytesOf = (part) => Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
/** @param {string} part */
const jsonOf = (part) => JSON.parse(new TextDecoder().decode(bytesOf(part)))

/** Whether the site's published key has signed just what this page says; null where this browser cannot tell. @param {string} jws @param {Record<string, unknown>} said */
async function isGood(jws, said) {
  const [head = '', payload = '', signature = ''] = jws.split('.')
  const response = await fetch('/.well-known/did.json', { cache: 'no-store' })
  const { kid, alg } = jsonOf(head)
  const { assertionMethod, verificationMethod } = await response.json()
  const jwk = verificationMethod.find((/** @type {{ id: string }} */ { id }) => id === kid)?.publicKeyJwk
  if (alg !== 'EdDSA' || !assertionMethod.includes(kid) || !jwk) return false
  /** @type {CryptoKey} */
  let key
  try {
    key = await crypto.subtle.importKey('jwk', { kty: jwk.kty, crv: jwk.crv, x: jwk.x }, 'Ed25519', false, ['verify'])
  } catch {
    return null
  }
  const signed = new TextEncoder().encode(`${head}.${payload}`)
  const receipt = jsonOf(payload)
  const isSame = Object.entries(said).every(([name, value]) => receipt[name] === value)
  return isSame && (await crypto.subtle.verify('Ed25519', key, bytesOf(signature), signed))
}

/** @param {{ jws: string, said: Record<string, unknown> }} signed */
function offerCheck({ jws, said }) {
  const button = /** @type {HTMLButtonElement | null} */ (element('check'))
  const outcome = element('checked')
  if (!button || !outcome) return
  button.hidden = false
  button.addEventListener('click', async () => {
    const good = await isGood(jws, said).catch(() => undefined)
    const name = good === undefined ? 'checkLater' : good === null ? 'checkUnable' : good ? 'checkGood' : 'checkBad'
    outcome.textContent = text(name)
  })
}

if (page.signIn) offerSignIn(page.signIn)
if (page.signed) offerCheck(page.signed)
