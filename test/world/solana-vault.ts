// Readers whose tokens are in the vault of a wallet that is a program (`dev/stack/solana/vault-program.ts`): they sign a call of
// the program, and it moves the tokens.
import { address, getProgramDerivedAddress } from '@solana/kit'
import type { Instruction, Meta } from '../../dev/stack/solana/message.ts'
import { MEMO_PROGRAM, TOKEN_PROGRAM } from '../../dev/stack/solana/shapes.ts'
import type { SolanaWallet } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_USDC, type Solana, VAULT_PROGRAM } from '../../dev/stack/solana.ts'
import { type SolanaChallenge, type SolanaChange, transferChecked } from './solana-payer.ts'

export type Vault = {
  address: string
  /** A call of the program that moves so much from one owner's account to another's; from the vault, unless told otherwise. */
  move(to: string, amount: bigint, from?: string): Promise<Instruction>
  /** Pays through the program: `moves` take the place of the honest transfer. */
  paying(reader: SolanaWallet, moves: readonly Instruction[], change?: SolanaChange): SolanaChange
  /** Pays what the challenge asks for. */
  honest(challenge: SolanaChallenge, reader: SolanaWallet, change?: SolanaChange): Promise<SolanaChange>
}

export async function openVault(chain: Pick<Solana, 'tokenAccount'>): Promise<Vault> {
  const [vault, bump] = await getProgramDerivedAddress({ programAddress: address(VAULT_PROGRAM), seeds: [] })
  const paying: Vault['paying'] = (reader, moves, change = {}) => ({
    unitLimit: 60_000,
    ...change,
    instructions: ([limit, price, , ...rest]) =>
      [limit, price, ...moves, ...rest.map(signedBy(reader))].filter((one) => one !== undefined),
  })
  const move: Vault['move'] = async (to, amount, from = vault) => {
    const [source, destination] = await Promise.all([from, to].map((owner) => chain.tokenAccount(owner, SOLANA_USDC)))
    const passed = transferChecked(
      { source: source ?? '', mint: SOLANA_USDC, destination: destination ?? '', authority: vault },
      amount,
    )
    const accounts: Meta[] = (passed.accounts ?? []).map((meta) => ({ ...meta, isSigner: false }))
    return {
      program: VAULT_PROGRAM,
      accounts: [{ address: TOKEN_PROGRAM }, ...accounts],
      data: Uint8Array.of(bump, ...passed.data),
    }
  }
  return {
    address: vault,
    move,
    paying,
    async honest({ v2 }, reader, change) {
      const [wanted] = v2.accepts
      if (!wanted) throw new Error('nothing is offered on Solana')
      return paying(reader, [await move(wanted.payTo, BigInt(wanted.amount))], change)
    },
  }
}

/** The wallet asks nobody's leave: the reader signs beside it, for the memo. */
const signedBy =
  ({ address: reader }: SolanaWallet) =>
  (one: Instruction): Instruction =>
    one.program === MEMO_PROGRAM ? { ...one, accounts: [{ address: reader, isSigner: true }] } : one
