// What is true on the local Solana, read from the chain itself and not from its node; and what anybody can do there with a
// payment they have seen, or with their own money.
import { assemble, compile, readTransaction, type Transaction } from '../../dev/stack/solana/message.ts'
import { memosOf, readToken } from '../../dev/stack/solana/shapes.ts'
import type { TransactionError } from '../../dev/stack/solana/vm.ts'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_USDC, type Solana } from '../../dev/stack/solana.ts'
import { transferChecked } from './solana-payer.ts'

/** Money that came to a token account. */
export type Arrival = {
  signature: string
  slot: number
  amount: bigint
  /** Whose accounts have less than before. */
  from: string[]
  /** As a node writes it: `[length] text`. */
  memo: string | null
}

/** What has come to the associated account of an owner, the oldest first. */
export async function arrivals(chain: Solana, owner: string, mint = SOLANA_USDC): Promise<Arrival[]> {
  const account = await chain.tokenAccount(owner, mint)
  return chain.ledger.landed.flatMap(({ transaction, signature, slot, err, before, after }) => {
    const moved = transaction.keys.map((key, place) => {
      const [was, is] = [readToken(before[place] ?? null), readToken(after[place] ?? null)]
      const fits = (is ?? was)?.mint === mint
      return { key, owner: (is ?? was)?.owner ?? '', more: fits ? (is?.amount ?? 0n) - (was?.amount ?? 0n) : 0n }
    })
    const amount = moved.find(({ key }) => key === account)?.more ?? 0n
    if (err !== null || amount <= 0n) return []
    const from = moved.filter(({ more }) => more < 0n).map((one) => one.owner)
    return [{ signature, slot, amount, from, memo: memosOf(transaction) }]
  })
}

/** All that its node was asked so far, but for what readers ask themselves. */
export function askedOf({ calls }: Pick<Solana, 'calls'>): Record<string, number> {
  const { getLatestBlockhash: _, ...others } = calls
  return others
}

/** The transaction as its fee payer would send it. Throws where no fee payer of the local facilitator is meant. */
export function withFeePayer(transaction: Uint8Array): Uint8Array {
  const { keys, signatures, messageBytes } = readTransaction(transaction)
  const own = solanaWallets.feePayers.find(({ address }) => address === keys[0])
  if (!own) throw new Error('the fee of this transaction is paid by somebody else')
  return assemble([own.sign(messageBytes), ...signatures.slice(1)], messageBytes)
}

/** The facilitator puts a payment on the chain and tells nobody: why it could not land, or null. */
export const landSilently = (chain: Solana, transaction: Uint8Array): TransactionError | null =>
  chain.land(withFeePayer(transaction))

/** A payer moves all their money out of reach. The faucet pays the fee. */
export async function drainSolana(chain: Solana, wallet: SolanaWallet, mint = SOLANA_USDC): Promise<void> {
  const amount = await chain.balance(wallet.address, mint)
  const { bob, faucet } = solanaWallets
  await chain.fund(bob.address, 0n, mint)
  const accounts = {
    source: await chain.tokenAccount(wallet.address, mint),
    mint,
    destination: await chain.tokenAccount(bob.address, mint),
    authority: wallet.address,
  }
  const { message } = compile({
    version: 0,
    feePayer: faucet.address,
    instructions: [transferChecked(accounts, amount)],
    blockhash: chain.clock.blockhash(chain.clock.slot()),
  })
  const problem = chain.land(assemble([faucet.sign(message), wallet.sign(message)], message))
  if (problem !== null) throw new Error(`the money could not be moved: ${JSON.stringify(problem)}`)
}

/** What a transaction is known by, before it has the fee payer's signature and after. */
export const messageOf = (transaction: Uint8Array): Transaction['messageBytes'] =>
  readTransaction(transaction).messageBytes
