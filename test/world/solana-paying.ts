// How one pays on each kind of network, for tests that say the same of both: who the buyer is, what is signed once and may be
// sent in either version, and how the network writes things.
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK, SOLANA_USDC } from '../../dev/stack/solana.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import type { Answer, Question } from './answer.ts'
import { type Change, sign, VERSIONS, type Version, wrap } from './payer.ts'
import { NETWORK } from './shop.ts'
import { type SolanaChange, signSolana, solanaChallenge, wrapSolana } from './solana-payer.ts'
import type { SolanaShop } from './solana-shop.ts'
import { SOLANA_V1_NAME } from './solana-stock.ts'

/** What a client of either kind may write around what it signed. */
export type Wrapping = Pick<Change & SolanaChange, 'accepted' | 'payment' | 'encode' | 'echo' | 'identifier'>

/** Something signed once, as the header of either version. */
export type Signed = (version: Version, change?: Wrapping) => Record<string, string>

export type Buyer = {
  /** As receipts and the ledger write it. */
  address: string
  balance(): Promise<bigint>
  /** Signs one of the offers of a 402 on this network. `less`: by how much too little. */
  sign(version: Version, unpaid: Answer, change?: { offer?: number; less?: bigint }): Promise<Signed>
  /** Asks without paying, and signs what is asked for. */
  pay(version: Version, path: string, change?: Wrapping, question?: Question): Promise<Record<string, string>>
  /** Asks, pays, and asks with the payment. */
  buy(version: Version, path: string, change?: Wrapping): Promise<Answer>
}

export type Kind = {
  /** CAIP-2. */
  network: string
  v1Name: string
  asset: string
  payTo: string
  /** How a transaction is written. */
  transaction: RegExp
  /** What a payment of another amount is refused with. */
  amountMismatch: string
  /** What a payment of an empty wallet is refused with. */
  insufficient: string
  /** Somebody nobody has seen before, with a dollar or with what is given. */
  reader(shop: SolanaShop, atomicUnits?: bigint): Promise<Buyer>
  topUp(shop: SolanaShop, buyer: Buyer, atomicUnits: bigint): Promise<void>
}

/** The rest of a buyer follows from how one signs. */
function buyerOf(shop: SolanaShop, own: Pick<Buyer, 'address' | 'balance' | 'sign'>): Buyer {
  const pay: Buyer['pay'] = async (version, path, change, question) =>
    (await own.sign(version, await shop.ask(path, question)))(version, change)
  return {
    ...own,
    pay,
    buy: async (version, path, change) => shop.ask(path, { headers: await pay(version, path, change) }),
  }
}

const EVM: Kind = {
  network: NETWORK,
  v1Name: 'base-sepolia',
  asset: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
  payTo: wallets.publisher.address,
  transaction: /^0x[0-9a-f]{64}$/,
  amountMismatch: 'invalid_exact_evm_payload_authorization_value_mismatch',
  insufficient: 'insufficient_funds',
  async reader(shop, atomicUnits) {
    const account = await shop.reader(atomicUnits)
    return buyerOf(shop, {
      address: account.address.toLowerCase(),
      balance: () => shop.stack.chain.balance(account.address),
      async sign(version, { challenge }, { offer = 0, less = 0n } = {}) {
        const value = BigInt(challenge.v2.accepts[offer]?.amount ?? 0) - less
        const signed = await sign(version, challenge, account, { offer, signed: { value } })
        return (as, change) => wrap(as, challenge, signed, { offer, ...change })
      },
    })
  },
  topUp: async (shop, { address }, atomicUnits) =>
    shop.stack.chain.fund(`0x${address.slice('0x'.length)}`, atomicUnits),
}

const SOLANA: Kind = {
  network: SOLANA_NETWORK,
  v1Name: SOLANA_V1_NAME,
  asset: SOLANA_USDC,
  payTo: solanaWallets.publisher.address,
  transaction: /^[1-9A-HJ-NP-Za-km-z]{80,88}$/,
  amountMismatch: 'invalid_exact_svm_payload_amount_mismatch',
  insufficient: 'invalid_exact_svm_transaction_simulation_failed',
  async reader(shop, atomicUnits) {
    const wallet = await shop.readerOnSolana(atomicUnits)
    return buyerOf(shop, {
      address: wallet.address,
      balance: () => shop.solana.balance(wallet.address),
      async sign(_, unpaid, { offer = 0, less = 0n } = {}) {
        const challenge = solanaChallenge(unpaid)
        const amount = BigInt(challenge.v2.accepts[offer]?.amount ?? 0) - less
        const transaction = await signSolana(shop.solana, challenge, wallet, { offer, amount })
        return (as, change) => wrapSolana(as, challenge, transaction, { offer, ...change })
      },
    })
  },
  topUp: (shop, { address }, atomicUnits) => shop.solana.fund(address, atomicUnits),
}

/** The one list: a further kind of network is one more entry. */
const KINDS = { eip155: EVM, solana: SOLANA } as const

/** Every version on every kind of network. */
export const CELLS = Object.entries(KINDS).flatMap(([name, kind]) =>
  VERSIONS.map((version) => ({ version, name, kind })),
)
