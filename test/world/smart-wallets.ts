// Wallets with code, of real contracts at their canonical addresses: a Safe, a Safe with a passkey, and the account of a key
// that has given itself code (EIP-7702). Each signs as its own software does.
import { createHash, randomBytes, webcrypto } from 'node:crypto'
import {
  type Address,
  concat,
  createTestClient,
  createWalletClient,
  encodeAbiParameters,
  encodeFunctionData,
  encodePacked,
  getContractAddress,
  type Hex,
  hashMessage,
  hashTypedData,
  http,
  keccak256,
  pad,
  parseAbi,
  publicActions,
  serializeErc6492Signature,
  size,
  toHex,
  zeroAddress,
} from 'viem'
import { type PrivateKeyAccount, toAccount } from 'viem/accounts'
import { passkeyContract, safeContract, simple7702Account } from '../../dev/stack/artifacts.ts'
import type { Chain } from '../../dev/stack/chain.ts'
import { inOrder } from '../../dev/stack/in-order.ts'
import { wallets } from '../../dev/stack/wallets.ts'

/** What signs payments and sign-ins. */
export type Wallet = Pick<PrivateKeyAccount, 'address' | 'signTypedData' | 'signMessage'>
/** Answers for a wallet's owner: a signature of a hash, as the wallet's code wants it. */
type SignHash = (hash: Hex) => Promise<Hex>

/** A Safe before and after it is on the chain. */
export type Safe = {
  /** Signs as the code at its address wants it (ERC-1271). */
  wallet: Wallet
  /** Signs with the call that creates it around the signature (ERC-6492). */
  undeployed: Wallet
  deploy(): Promise<void>
}

/** The deterministic deployers of Safe and of everybody else: the same code. */
const SAFE_DEPLOYER: Address = '0x914d7Fec6aaC8cd542e72Bca78B30650d45643d7'
const DEPLOYER: Address = '0x4e59b44847b379578588920cA78FbF26c0B4956C'
const SALT = pad('0x')

const placeOf = (from: Address, bytecode: Hex) => getContractAddress({ opcode: 'CREATE2', from, salt: SALT, bytecode })

/** Where the deployers put these contracts, by their code alone. */
export const SAFE = {
  singleton: placeOf(SAFE_DEPLOYER, safeContract('Safe')),
  factory: placeOf(SAFE_DEPLOYER, safeContract('proxies/SafeProxyFactory')),
  handler: placeOf(SAFE_DEPLOYER, safeContract('handler/CompatibilityFallbackHandler')),
}
export const PASSKEY = {
  factory: placeOf(DEPLOYER, passkeyContract('SafeWebAuthnSignerFactory')),
  verifier: placeOf(DEPLOYER, passkeyContract('verifiers/FCLP256Verifier')),
}
export const SIMPLE_7702_ACCOUNT = placeOf(DEPLOYER, simple7702Account())

const abi = parseAbi([
  'function setup(address[] owners, uint256 threshold, address to, bytes data, address fallbackHandler, address paymentToken, uint256 payment, address paymentReceiver)',
  'function createProxyWithNonce(address singleton, bytes initializer, uint256 saltNonce)',
  'function createSigner(uint256 x, uint256 y, uint176 verifiers)',
  'function getSigner(uint256 x, uint256 y, uint176 verifiers) view returns (address)',
])

const clientOf = ({ rpcUrl }: Chain) =>
  createTestClient({ mode: 'anvil', transport: http(rpcUrl) }).extend(publicActions)

/** Puts the contracts of all these wallets on the chain. */
export async function installWallets(chain: Chain): Promise<void> {
  const client = clientOf(chain)
  const deployer = await client.getCode({ address: DEPLOYER })
  if (deployer === undefined) throw new Error('anvil has no deterministic deployer: start it with its default one')
  await client.setCode({ address: SAFE_DEPLOYER, bytecode: deployer })
  const contracts: [Address, Hex][] = [
    [SAFE_DEPLOYER, safeContract('Safe')],
    [SAFE_DEPLOYER, safeContract('proxies/SafeProxyFactory')],
    [SAFE_DEPLOYER, safeContract('handler/CompatibilityFallbackHandler')],
    [DEPLOYER, passkeyContract('SafeWebAuthnSignerFactory')],
    [DEPLOYER, passkeyContract('verifiers/FCLP256Verifier')],
    [DEPLOYER, simple7702Account()],
  ]
  for (const [to, creationCode] of contracts) await chain.send({ to, data: concat([SALT, creationCode]) })
}

/** Whether there is code at an address. */
export const hasCode = async (chain: Chain, address: Address): Promise<boolean> =>
  (await clientOf(chain).getCode({ address })) !== undefined

const walletOf = (address: Address, signHash: SignHash): Wallet =>
  toAccount({
    address,
    signMessage: ({ message }) => signHash(hashMessage(message)),
    signTypedData: (typedData) => signHash(hashTypedData(typedData)),
    signTransaction: () => Promise.reject(new Error('a wallet with code signs no transactions')),
  })

/** What an owner of a Safe signs for a hash that the Safe is asked about (EIP-712). */
const safeMessage = ({ chainId }: Chain, safe: Address, hash: Hex) =>
  ({
    domain: { chainId, verifyingContract: safe },
    types: { SafeMessage: [{ name: 'message', type: 'bytes' }] },
    primaryType: 'SafeMessage',
    message: { message: hash },
  }) as const

const setupCall = (owner: Address) =>
  encodeFunctionData({
    abi,
    functionName: 'setup',
    args: [[owner], 1n, zeroAddress, '0x', SAFE.handler, zeroAddress, 0n, zeroAddress],
  })

/** A Safe of one owner, which is not on the chain yet. `sign` makes that owner's signature in the way a Safe reads it. */
function safeOf(chain: Chain, owner: Address, sign: (safe: Address, hash: Hex) => Promise<Hex>): Safe {
  const initializer = setupCall(owner)
  const saltNonce = BigInt(toHex(randomBytes(32)))
  const create = encodeFunctionData({
    abi,
    functionName: 'createProxyWithNonce',
    args: [SAFE.singleton, initializer, saltNonce],
  })
  const address = getContractAddress({
    opcode: 'CREATE2',
    from: SAFE.factory,
    salt: keccak256(encodePacked(['bytes32', 'uint256'], [keccak256(initializer), saltNonce])),
    bytecode: concat([safeContract('proxies/SafeProxy'), pad(SAFE.singleton)]),
  })
  const signHash: SignHash = (hash) => sign(address, hash)
  return {
    wallet: walletOf(address, signHash),
    undeployed: walletOf(address, async (hash) =>
      serializeErc6492Signature({ address: SAFE.factory, data: create, signature: await signHash(hash) }),
    ),
    deploy: async () => void (await chain.send({ to: SAFE.factory, data: create })),
  }
}

/** A Safe whose owner is a key. */
export const safeOfKey = (chain: Chain, owner: PrivateKeyAccount): Safe =>
  safeOf(chain, owner.address, (safe, hash) => owner.signTypedData(safeMessage(chain, safe, hash)))

/** A Safe whose owner is a passkey (WebAuthn, P-256), with the contract that answers for the passkey on the chain. */
export async function safeOfPasskey(chain: Chain): Promise<Safe> {
  const passkey = await newPasskey()
  const args = [passkey.x, passkey.y, BigInt(PASSKEY.verifier)] as const
  await chain.send({ to: PASSKEY.factory, data: encodeFunctionData({ abi, functionName: 'createSigner', args }) })
  const signer = await clientOf(chain).readContract({
    address: PASSKEY.factory,
    abi,
    functionName: 'getSigner',
    args,
  })
  return safeOf(chain, signer, async (safe, hash) => {
    const assertion = await passkey.assert(hashTypedData(safeMessage(chain, safe, hash)))
    // A contract's signature within a Safe's: whose it is, where it stands, its kind (0), its length, itself.
    return concat([pad(signer), toHex(65, { size: 32 }), '0x00', toHex(size(assertion), { size: 32 }), assertion])
  })
}

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest()
const SITE = 'news.example'
/** A person was there, and the device has made sure who. */
const PRESENT_AND_VERIFIED = 0x05

/** A key as an authenticator keeps it, and its assertion of a challenge as Safe's passkey module reads it. */
async function newPasskey(): Promise<{ x: bigint; y: bigint; assert(challenge: Hex): Promise<Hex> }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const { privateKey, publicKey } = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const { x = '', y = '' } = await webcrypto.subtle.exportKey('jwk', publicKey)
  const toBigInt = (bytes: Uint8Array) => BigInt(toHex(bytes))
  return {
    x: toBigInt(Buffer.from(x, 'base64url')),
    y: toBigInt(Buffer.from(y, 'base64url')),
    async assert(challenge) {
      const authenticatorData = Buffer.concat([sha256(SITE), Buffer.from([PRESENT_AND_VERIFIED, 0, 0, 0, 1])])
      const fields = `"origin":"https://${SITE}","crossOrigin":false`
      const told = Buffer.from(challenge.slice(2), 'hex').toString('base64url')
      const clientData = `{"type":"webauthn.get","challenge":"${told}",${fields}}`
      const signed = Buffer.concat([authenticatorData, sha256(clientData)])
      const bytes = await webcrypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, signed)
      const signature = Buffer.from(bytes)
      return encodeAbiParameters(
        [{ type: 'bytes' }, { type: 'string' }, { type: 'uint256' }, { type: 'uint256' }],
        [toHex(authenticatorData), fields, toBigInt(signature.subarray(0, 32)), toBigInt(signature.subarray(32))],
      )
    },
  }
}

const queue = inOrder()

/** A key gives its own address the code of another (EIP-7702); the zero address takes it away. Somebody else sends it. */
export async function delegate(
  chain: Chain,
  key: PrivateKeyAccount,
  address: Address,
  data: Hex = '0x',
): Promise<void> {
  const client = createWalletClient({
    account: wallets.erin.account,
    transport: http(chain.rpcUrl),
    pollingInterval: 15,
  }).extend(publicActions)
  const nonce = await client.getTransactionCount({ address: key.address })
  const authorization = await key.signAuthorization({ address, chainId: chain.chainId, nonce })
  const transaction = { chain: null, to: key.address, data, authorizationList: [authorization], gas: 1_000_000n }
  const hash = await queue(() => client.sendTransaction(transaction))
  const { status } = await client.waitForTransactionReceipt({ hash })
  if (status !== 'success') throw new Error(`transaction ${hash} was reverted`)
  const left = await client.getCode({ address: key.address })
  const expected = BigInt(address) === 0n ? undefined : concat(['0xef0100', address]).toLowerCase()
  if (left !== expected) throw new Error(`the code of ${key.address} is ${left}, not ${expected}`)
}

/** Turns a key's own address into a Safe of another owner: from then on its code knows that owner alone. */
export async function becomeSafe(chain: Chain, key: PrivateKeyAccount, owner: PrivateKeyAccount): Promise<Wallet> {
  await delegate(chain, key, SAFE.singleton, setupCall(owner.address))
  return walletOf(key.address, (hash) => owner.signTypedData(safeMessage(chain, key.address, hash)))
}
