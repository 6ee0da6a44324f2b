// @ts-check
// The reader's wallets, for every page that asks one to sign: which there are, what they answer, and the text of a sign-in.
// It shows nothing and signs nothing itself. Built into the scripts that import it.

/** @typedef {{ request(ask: { method: string, params?: unknown[] }): Promise<unknown> }} Provider EIP-1193 */
/** @typedef {{ name: string, icon: string, turn?: number }} Shown `turn`: the attempt it is used in */
/** @typedef {Shown & { provider: Provider }} EvmWallet */
/** @typedef {Shown & { standard: import('./solana.js').Standard }} SolanaWallet as wallet-standard has it */
/** @typedef {EvmWallet | SolanaWallet} Wallet */
/** @typedef {{ network: string, name: string, rpcUrl: string, currency: string }} EvmNetwork */
/** @typedef {{ network: string, name: string, chain: string }} SolanaNetwork `chain`: what wallets call it */
/** @typedef {EvmNetwork | SolanaNetwork} Network */
/** @typedef {{ domain: string, uri: string, version: string, nonce: string, issuedAt: string }} SignIn */

/** @param {unknown} json */
export const encode = (json) => btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(json))))
/** @param {Uint8Array} bytes */
export const hex = (bytes) => `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`

/**
 * Wallets: those that announce themselves (EIP-6963, and wallet-standard for Solana).
 * @param {Network[]} networks of the site @param {boolean} hasSolana whether wallets for Solana can be used @param {(wallet: Wallet) => unknown} added told of each
 */
export function findWallets(networks, hasSolana, added) {
  /** By what tells one from another. @type {Map<unknown, Wallet>} */
  const wallets = new Map()
  const hasEvm = networks.some((network) => 'rpcUrl' in network)

  /** Those that know a network of this site: they may sign in, whatever they can pay. */
  const listed = () => [...wallets.values()].filter((wallet) => ('provider' in wallet ? hasEvm : solanaOf(wallet)))

  /** @param {SolanaWallet} wallet */
  const solanaOf = ({ standard }) =>
    networks.filter((network) => 'chain' in network).find(({ chain }) => standard.chains.includes(chain))

  /** Some wallets are there twice, once for each kind of network. @param {Wallet} wallet */
  function labelOf(wallet) {
    const isTwice = listed().some((other) => other.name === wallet.name && 'provider' in other)
    const network = 'standard' in wallet && isTwice && solanaOf(wallet)
    return network ? `${wallet.name} (${network.name})` : wallet.name
  }

  /** Wallets announce themselves now, if they have not. */
  function call() {
    window.dispatchEvent(new Event('eip6963:requestProvider'))
    if (hasSolana) window.dispatchEvent(new CustomEvent('wallet-standard:app-ready', { detail: { register } }))
  }

  /** @param {unknown} key @param {Wallet} wallet */
  function add(key, wallet) {
    wallets.set(key, wallet)
    added(wallet)
  }

  window.addEventListener('eip6963:announceProvider', (event) => {
    const { info, provider } = /** @type {CustomEvent} */ (event).detail
    if (wallets.has(info.uuid)) return
    add(info.uuid, { name: String(info.name), icon: String(info.icon), provider })
  })

  /** What wallets of wallet-standard call, as often as they like. @param {...import('./solana.js').Standard} found */
  function register(...found) {
    for (const standard of found) {
      const signing = standard.features['solana:signTransaction']
      const isAble = standard.features['standard:connect'] && signing?.supportedTransactionVersions?.includes(0)
      const isOurs = networks.some((network) => 'chain' in network && standard.chains.includes(network.chain))
      if (isAble && isOurs && !wallets.has(standard)) {
        add(standard, { name: String(standard.name), icon: String(standard.icon), standard })
      }
    }
    return () => {
      for (const standard of found) wallets.delete(standard)
    }
  }
  if (hasSolana) {
    window.addEventListener('wallet-standard:register-wallet', (event) =>
      /** @type {CustomEvent} */ (event).detail({ register }),
    )
  }

  return { wallets, listed, solanaOf, labelOf, call }
}

/** What a wallet's codes mean, as the texts of a page name it. @type {Record<number, string>} */
export const REFUSALS = { 4001: 'declined', 4100: 'locked', [-32002]: 'pending' }

/** @param {unknown} problem @returns {unknown} */
export function codeOf(problem) {
  if (typeof problem !== 'object' || problem === null) return null
  const { code, data } = /** @type {{ code?: unknown, data?: { originalError?: unknown } }} */ (problem)
  return code === -32603 && data?.originalError ? codeOf(data.originalError) : code
}

/** What a wallet signs to come back: EIP-4361, and its twin for Solana. @param {SignIn} offered @param {{ kind: string, address: string }} account @param {string} chainId CAIP-2 */
export function signInText({ domain, uri, version, nonce, issuedAt }, account, chainId) {
  return [
    `${domain} wants you to sign in with your ${account.kind} account:`,
    account.address,
    '',
    // EIP-4361 keeps the line of a statement that is not there.
    ...(account.kind === 'Ethereum' ? [''] : []),
    `URI: ${uri}`,
    `Version: ${version}`,
    `Chain ID: ${chainId.split(':')[1]}`,
    `Nonce: ${nonce}`,
    `Issued At: ${issuedAt}`,
  ].join('\n')
}
