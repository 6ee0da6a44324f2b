// Keys on Solana that everybody has are never paid real money: each is derived here again from what makes it public.
import { createHmac, createPrivateKey, createPublicKey, pbkdf2Sync } from 'node:crypto'
import { expect, test } from 'vitest'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { realMoneyProblems } from '../../src/real-money.ts'
import { networkOf } from '../../src/x402/assets.ts'
import { encodeBase58 } from '../../src/x402/base58.ts'

const SOLANA = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp'
const DEVNET = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'
const KNOWN =
  'PAY_TO.solana: everybody has the key of this development address; write your own address, or only test networks in NETWORKS'

function problems(solana: string, network: string): string[] {
  const known = networkOf(network)
  return realMoneyProblems({
    SITE_URL: 'https://news.example',
    PAY_TO: { solana },
    NETWORKS: known ? [known] : [],
    FACILITATORS: [{ url: 'https://facilitator.example' }],
  }).map(({ path, message }) => `${path}: ${message}`)
}

/** What stands in front of the 32 bytes of an Ed25519 private key in PKCS #8, and of a public one in SPKI. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_BYTES = 12

function addressOf(secret: Uint8Array): string {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, secret]), format: 'der', type: 'pkcs8' })
  return encodeBase58(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(SPKI_BYTES))
}

/** SLIP-0010 for Ed25519: every step is hardened. */
function derived(seed: Uint8Array, path: readonly number[]): Uint8Array {
  let node = createHmac('sha512', 'ed25519 seed').update(seed).digest()
  for (const step of path) {
    const index = Buffer.alloc(4)
    index.writeUInt32BE(0x80000000 + step)
    const data = Buffer.concat([Buffer.of(0), node.subarray(0, 32), index])
    node = createHmac('sha512', node.subarray(32)).update(data).digest()
  }
  return node.subarray(0, 32)
}

const PATHS = [
  [44, 501, 0, 0],
  [44, 501, 1, 0],
  [44, 501, 2, 0],
  [44, 501, 0],
  [44, 501],
]

test.each([`${'test '.repeat(11)}junk`, `${'abandon '.repeat(11)}about`])('no wallet of “%s” is paid', (mnemonic) => {
  const seed = pbkdf2Sync(mnemonic, 'mnemonic', 2048, 64, 'sha512')
  for (const secret of [seed.subarray(0, 32), ...PATHS.map((path) => derived(seed, path))]) {
    expect(problems(addressOf(secret), SOLANA)).toEqual([KNOWN])
  }
})

test('no wallet of the local stack is paid, and none of equal bytes', () => {
  const { feePayers, ...named } = solanaWallets
  const local = [...feePayers, ...Object.values(named)].map(({ address }) => address)
  const equal = [0, 1, 2, 3].map((byte) => addressOf(new Uint8Array(32).fill(byte)))
  for (const address of [...local, ...equal]) expect(problems(address, SOLANA)).toEqual([KNOWN])
})

test('on a test network they are paid, and in another spelling they are another address', () => {
  const { address } = solanaWallets.publisher
  expect(problems(address, DEVNET)).toEqual([])
  expect(problems(address.toLowerCase(), SOLANA)).toEqual([])
  expect(problems(addressOf(new Uint8Array(32).fill(77)), SOLANA)).toEqual([])
})
