// The well-known development keys of anvil ("test test … junk"), by what the local stack uses each for.
// Everybody knows these keys: never send them real money.
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'

/** A development account: its private key, and the viem account made from it. */
export type Wallet = { privateKey: `0x${string}`; address: `0x${string}`; account: PrivateKeyAccount }

const wallet = (privateKey: `0x${string}`): Wallet => {
  const account = privateKeyToAccount(privateKey)
  return { privateKey, address: account.address, account }
}

/** anvil's ten accounts. Each has 10,000 ether; none has USDC until `fund` gives it some. */
export const wallets = {
  /** Deploys the contracts; the token's owner, master minter and minter. */
  deployer: wallet('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'),
  /** Who is paid: `PAY_TO` of the demo site. */
  publisher: wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d'),
  /** Broadcasts the settlements and pays their gas. */
  facilitator: wallet('0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a'),
  /** Who pays: the wallet of `npm run buy`. */
  payer: wallet('0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6'),
  /** The token proxy's admin. FiatTokenProxy refuses to pass this account's calls on to the token. */
  proxyAdmin: wallet('0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a'),
  /** The demo wallet in a browser: another payer than the program, so that each pays for what it reads. In tests one more reader. */
  alice: wallet('0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba'),
  /** Further readers, for tests. */
  bob: wallet('0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e'),
  carol: wallet('0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356'),
  dave: wallet('0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97'),
  erin: wallet('0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6'),
} as const
