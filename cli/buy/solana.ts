// The purse of `npm run buy` on Solana. Its packages take a while to load: only who pays there loads them.
import { address, createKeyPairSignerFromBytes, createSolanaRpc, getBase58Encoder } from '@solana/kit'
import { findAssociatedTokenPda, TOKEN_PROGRAM_ADDRESS } from '@solana-program/token'
import { ExactSvmScheme } from '@x402/svm/exact/client'
import { readLocal } from '../../dev/stack/paths.ts'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { Refusal } from '../command.ts'
import { caip2, type Purse } from './purse.ts'

const LOCAL_NETWORK = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'

/** The purse on Solana: the key in `BUY_PRIVATE_KEY`, else the demo's. Its node is the local one, where the site is. */
export async function solanaPurse(url: string): Promise<Purse> {
  const signer = await createKeyPairSignerFromBytes(keyBytes())
  const local = readLocal()
  const rpcUrl = local?.siteUrl === new URL(url).origin ? local.solanaRpcUrl : undefined
  const scheme = new ExactSvmScheme(signer, rpcUrl === undefined ? {} : { rpcUrl })
  return {
    address: signer.address,
    register: (client) => void client.register('solana:*', scheme),
    token: ({ asset, network }) => scheme.findDefaultAsset(asset, caip2(network)),
    async balance(_, { network, asset, payTo }) {
      if (rpcUrl === undefined || network !== LOCAL_NETWORK) return undefined
      try {
        const mint = address(asset)
        const [account] = await findAssociatedTokenPda({
          owner: address(payTo),
          mint,
          tokenProgram: TOKEN_PROGRAM_ADDRESS,
        })
        const rpc = createSolanaRpc(rpcUrl)
        const { value } = await rpc.getTokenAccountBalance(account, { commitment: 'confirmed' }).send()
        return BigInt(value.amount)
      } catch {
        return undefined
      }
    },
  }
}

/** 64 bytes: the private key and the public one. */
function keyBytes(): Uint8Array {
  const key = process.env.BUY_PRIVATE_KEY
  if (key === undefined || key === '') {
    const { seed, address: own } = solanaWallets.payer
    return Uint8Array.from([...seed, ...getBase58Encoder().encode(own)])
  }
  try {
    const bytes = Uint8Array.from(getBase58Encoder().encode(key))
    if (bytes.length === 64) return bytes
  } catch {
    // Said below.
  }
  throw new Refusal('BUY_PRIVATE_KEY is not a private key of Solana: 64 bytes in base58, as wallets export it')
}
