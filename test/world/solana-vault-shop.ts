// A newspaper that takes payments which a program makes, its facilitator, and the vault that pays: what its tests share.
import { getBase58Decoder } from '@solana/kit'
import * as z from 'zod'
import type { FacilitatorHook } from '../../dev/stack/facilitator.ts'
import { assemble, type Instruction, readTransaction } from '../../dev/stack/solana/message.ts'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import type { Answer } from './answer.ts'
import type { Version } from './payer.ts'
import { PRICE } from './shop.ts'
import { paySolana, type SolanaChange } from './solana-payer.ts'
import { openSolanaShop, type SolanaShop } from './solana-shop.ts'
import { openVault, type Vault } from './solana-vault.ts'

export const PAGE = '/articles/hello'
export const OTHER = '/articles/other'
export const CONTENT = 'the whole article'
const { publisher, bob, feePayers } = solanaWallets
const sent = z.looseObject({
  paymentPayload: z.looseObject({ payload: z.looseObject({ transaction: z.base64() }) }),
})

/** What a facilitator says of a settlement in place of the truth. */
type Lie = (transaction: Uint8Array) => object
/** What the vault moves, and whom it says it is for. */
type Moves = () => Promise<readonly Instruction[]> | null

export type VaultShop = {
  shop: SolanaShop
  vault: Vault
  /** From now on a reader's settlements are what the lie makes of them. */
  lie(reader: SolanaWallet, lie: Lie): void
  /** Puts a transaction onto the chain with its fee payer's signature, and calls it a success whatever it has moved. */
  landAndPraise: Lie
  /** The same without putting it there. */
  praise: Lie
  /** A reader who has nothing herself: what she pays is in the vault. */
  newReader(): Promise<SolanaWallet>
  /** A payment for a page; `moves`: in place of the price. */
  header(
    version: Version,
    reader: SolanaWallet,
    moves?: Moves,
    change?: SolanaChange,
    path?: string,
  ): Promise<Record<string, string>>
  ask(headers: Record<string, string>, path?: string): Promise<Answer>
  toPublisher(amount: bigint): Promise<Instruction>
  /** What does not bring the publisher the price, by its name. */
  cheats: readonly [string, () => Promise<Instruction[]>][]
}

/** Close its shop in `afterAll`. */
export async function openVaultShop(): Promise<VaultShop> {
  const lies = new Map<string, Lie>()
  const hook: FacilitatorHook = async ({ path, body }, proceed) => {
    const settled = path === '/settle' ? sent.safeParse(body).data : undefined
    if (!settled) return proceed()
    const transaction = new Uint8Array(Buffer.from(settled.paymentPayload.payload.transaction, 'base64'))
    const lie = lies.get(readTransaction(transaction).keys[1] ?? '')
    return lie ? { status: 200, body: JSON.stringify(lie(transaction)) } : proceed()
  }
  const shop = await openSolanaShop({}, { solana: { vault: true, simulates: true }, hook })
  const vault = await openVault(shop.solana)
  for (const path of [PAGE, OTHER]) await shop.site.kv.put(path, CONTENT)
  await shop.solana.fund(vault.address, 1_000_000_000n)
  await shop.solana.fund(bob.address, 0n)
  const signed = (transaction: Uint8Array) => {
    const read = readTransaction(transaction)
    const payer = feePayers.find(({ address }) => address === read.keys[0])
    if (!payer) throw new Error('that is no fee payer of this facilitator')
    return { ...read, signature: payer.sign(read.messageBytes) }
  }
  const praise: Lie = (transaction) => ({
    success: true,
    transaction: getBase58Decoder().decode(signed(transaction).signature),
    network: SOLANA_NETWORK,
    payer: vault.address,
  })
  const toPublisher = (amount: bigint) => vault.move(publisher.address, amount)
  return {
    shop,
    vault,
    lie: (reader, lie) => void lies.set(reader.address, lie),
    praise,
    landAndPraise(transaction) {
      const { signature, signatures, messageBytes } = signed(transaction)
      const problem = shop.solana.land(assemble([signature, ...signatures.slice(1)], messageBytes))
      if (problem !== null) throw new Error(`it did not land: ${JSON.stringify(problem)}`)
      return praise(transaction)
    },
    newReader: () => shop.readerOnSolana(0n),
    async header(version, reader, make = () => null, change = {}, path = PAGE) {
      const challenge = await shop.challengeOnSolana(path)
      const moves = await make()
      const paid = moves ? vault.paying(reader, moves, change) : await vault.honest(challenge, reader, change)
      return paySolana(version, shop.solana, challenge, reader, paid)
    },
    ask: (headers, path = PAGE) => shop.ask(path, { headers }),
    toPublisher,
    cheats: [
      ['a unit less', async () => [await toPublisher(PRICE - 1n)]],
      ['all of it to somebody else', async () => [await vault.move(bob.address, PRICE)]],
      ['half of it twice', async () => [await toPublisher(PRICE / 2n), await toPublisher(PRICE / 2n - 1n)]],
      ['to itself', async () => [await vault.move(vault.address, PRICE)]],
    ],
  }
}
