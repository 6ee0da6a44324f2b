// @ts-check
// The checkout's part for Solana, fetched once a reader picks such a wallet (wallet-standard). It writes the one transaction
// that the site takes and has the wallet sign it. What the wallet gives back is sent as it is: the site checks it.

/** @typedef {{ address: string, chains: readonly string[], features: readonly string[] }} Account */
/**
 * A wallet as wallet-standard has it, with what is used of it.
 * @typedef {object} Standard
 * @property {string} name
 * @property {string} icon
 * @property {readonly string[]} chains
 * @property {Features} features
 */
/** @typedef {{ connect(): Promise<{ accounts: readonly Account[] }> }} Connect */
/** @typedef {{ account: Account, transaction: Uint8Array, chain: string }} ToSign */
/** @typedef {{ supportedTransactionVersions?: readonly (string | number)[], signTransaction(ask: ToSign): Promise<readonly { signedTransaction: Uint8Array }[]> }} SignTransaction */
/** @typedef {{ signMessage(ask: { account: Account, message: Uint8Array }): Promise<readonly { signature: Uint8Array }[]> }} SignMessage */
/** @typedef {{ 'standard:connect'?: Connect, 'solana:signTransaction'?: SignTransaction, 'solana:signMessage'?: SignMessage }} Features */
/** @typedef {{ network: string, amount: string, asset: string, payTo: string, maxTimeoutSeconds: number, extra: { name: string, version: string, feePayer: string, memo: string, assetTransferMethod?: string, offer?: string } }} Terms `extra`: name and version on EVM, else the rest */
/** @typedef {{ blockhash: string, source: string, destination: string, balance: string, decimals: number }} Look What the site says of the chain */
/**
 * What the checkout lends.
 * @typedef {object} Hands
 * @property {<Result>(act: () => Promise<Result>) => Promise<Result>} ask Asks the wallet; its errors become what to tell the reader.
 * @property {(name: string) => unknown} stop What ends the attempt, by the name of its text.
 * @property {(terms: Terms, others: Terms[], balanceOf: (terms: Terms) => Promise<bigint | null>) => Promise<void>} weigh Ends the attempt where the balance is too little, else says what the wallet asks.
 */

const TOKEN_PROGRAM = 'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA'
const COMPUTE_BUDGET_PROGRAM = 'ComputeBudget111111111111111111111111111111'
const MEMO_PROGRAM = 'MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr'
/** Transfer and memo take about a third of this; the rest is for what wallets add. */
const UNITS = 60_000
/** Micro-lamports for a unit, as the stock clients have it. */
const UNIT_PRICE = 1n

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** `digits` of one base in another, the most significant first; leading zeros stay. @param {number[]} digits @param {number} from @param {number} to */
function inBase(digits, from, to) {
  /** @type {number[]} */
  const others = []
  let zeros = 0
  for (const digit of digits) {
    if (digit === 0 && others.length === 0) zeros += 1
    let carry = digit
    for (const [place, other] of others.entries()) {
      carry += other * from
      others[place] = carry % to
      carry = Math.floor(carry / to)
    }
    for (; carry > 0; carry = Math.floor(carry / to)) others.push(carry % to)
  }
  return [...Array(zeros).fill(0), ...others.reverse()]
}

/** @param {Uint8Array} bytes */
export const encodeBase58 = (bytes) =>
  inBase([...bytes], 256, 58)
    .map((digit) => ALPHABET[digit])
    .join('')

/** The 32 bytes of an address. @param {string} address */
function keyBytes(address) {
  const digits = [...address].map((char) => ALPHABET.indexOf(char))
  const bytes = digits.includes(-1) ? [] : inBase(digits, 58, 256)
  if (bytes.length !== 32) throw new Error('an address in the offer is not 32 bytes of base58')
  return bytes
}

/** The least significant byte first. @param {bigint} number @param {number} size */
const inBytes = (number, size) => Array.from({ length: size }, (_, i) => Number((number >> BigInt(8 * i)) & 255n))

/**
 * The transaction as the wallet gets it: two signatures that are not there yet, and a message of version 0 that sets the
 * compute budget's limit and price, transfers, and carries the memo. Every count is below 128, so that it is one byte.
 * @param {Terms} terms @param {Look} look @param {string} payer
 */
export function transactionOf({ amount, asset, extra }, { blockhash, source, destination, decimals }, payer) {
  // Two signers, of whom the second is not written to; of the others the last four are not.
  const header = [0x80, 2, 1, 4]
  const keys = [
    ...[extra.feePayer, payer],
    ...[source, destination],
    ...[asset, COMPUTE_BUDGET_PROGRAM, TOKEN_PROGRAM, MEMO_PROGRAM],
  ]
  const [authority, from, to, mint, budget, token, memo] = [1, 2, 3, 4, 5, 6, 7]
  const instructions = [
    ...instruction(budget, [], [2, ...inBytes(BigInt(UNITS), 4)]),
    ...instruction(budget, [], [3, ...inBytes(UNIT_PRICE, 8)]),
    ...instruction(token, [from, mint, to, authority], [12, ...inBytes(BigInt(amount), 8), decimals]),
    ...instruction(memo, [], [...new TextEncoder().encode(extra.memo)]),
  ]
  const accounts = [keys.length, ...keys.flatMap(keyBytes)]
  const noLookupTables = 0
  const message = [...header, ...accounts, ...keyBytes(blockhash), 4, ...instructions, noLookupTables]
  return Uint8Array.from([2, ...Array(128).fill(0), ...message])
}

/** What cannot be written is not the wallet's doing. @template Result @param {() => Result} write @param {Hands['stop']} stop */
function written(write, stop) {
  try {
    return write()
  } catch {
    throw stop('unprepared')
  }
}

/** @param {number} program @param {number[]} accounts @param {number[]} data */
const instruction = (program, accounts, data) => [program, accounts.length, ...accounts, data.length, ...data]

/** @param {Uint8Array} bytes */
const base64 = (bytes) => btoa(String.fromCharCode(...bytes))

/** What only the chain knows, asked of this site; null where it cannot say. @param {Terms} terms @param {string} payer @returns {Promise<Look | null>} */
async function lookAt({ network, asset }, payer) {
  try {
    const query = new URLSearchParams({ network, asset, payer })
    const headers = { Accept: 'application/json' }
    const response = await fetch(`${location.origin}/_newsstand/checkout/solana?${query}`, {
      headers,
      cache: 'no-store',
    })
    return response.ok ? await response.json() : null
  } catch {
    return null
  }
}

/** Wallets say no in several ways, and some try out what they sign; the checkout knows the codes of EIP-1193. @template Result @param {Hands['stop']} stop @param {() => Promise<Result>} act @returns {Promise<Result>} */
async function told(stop, act) {
  try {
    return await act()
  } catch (problem) {
    const { code, message } = /** @type {{ code?: unknown, message?: unknown }} */ (problem ?? {})
    const said = String(message ?? problem)
    // 4001000: what wallet-standard's own errors have.
    if (code === 4_001_000 || /\b(?:reject|denied|declin|cancel)/i.test(said)) throw { code: 4001 }
    // Whatever the code: a node's for this, -32002, is what EIP-1193 has for a question that is open already.
    throw /simulat|blockhash|block height/i.test(said) ? stop('cannotLand') : problem
  }
}

/**
 * Connects a wallet on a chain: what the checkout does with an account.
 * @param {Standard} wallet @param {string} chain @param {Hands} hands
 */
export async function open({ features }, chain, { ask, stop, weigh }) {
  const connected = await ask(() => told(stop, async () => features['standard:connect']?.connect()))
  const accounts = connected?.accounts ?? []
  const account = accounts.find((one) => one.chains.includes(chain) && one.features.includes('solana:signTransaction'))
  if (!account) throw stop(accounts.length > 0 ? 'noAccount' : 'locked')
  const { address } = account
  return {
    address,
    /** The payload of a payment for these terms, signed. @param {Terms} terms @param {Terms[]} others */
    async payload(terms, others) {
      // A transfer to where it comes from moves nothing, and the site takes none.
      if (address === terms.payTo) throw stop('notAccepted')
      const look = await lookAt(terms, address)
      if (!look) throw stop('unprepared')
      await weigh(terms, others, async (one) => {
        const found = one === terms ? look : await lookAt(one, address)
        return found && BigInt(found.balance)
      })
      const transaction = written(() => transactionOf(terms, look, address), stop)
      const signed = await ask(() =>
        told(stop, async () => features['solana:signTransaction']?.signTransaction({ account, transaction, chain })),
      )
      const bytes = signed?.[0]?.signedTransaction
      if (!bytes) throw stop('walletFailed')
      return { transaction: base64(bytes) }
    },
    /** A signature under a text. @param {string} text */
    async sign(text) {
      const message = new TextEncoder().encode(text)
      const signed = await ask(() =>
        told(stop, async () => features['solana:signMessage']?.signMessage({ account, message })),
      )
      const signature = signed?.[0]?.signature
      if (!signature) throw stop('walletFailed')
      return encodeBase58(signature)
    },
  }
}
