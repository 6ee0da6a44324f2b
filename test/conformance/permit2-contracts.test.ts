// Permit2, the exact proxy and the plain token of the local chain: that they are what they are taken for, and that the reference
// facilitator and client pay through them. No worker has a part in it.
import { createPublicClient, getContractAddress, http } from 'viem'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { uniswapContract } from '../../dev/stack/artifacts.ts'
import { DEPLOYER, EXACT_PROXY, EXACT_PROXY_HASH, EXACT_PROXY_SALT, PERMIT2 } from '../../dev/stack/exact-proxy.ts'
import { addressOf, installPermit2, mint, PERMIT2_SALT, PLAIN_TOKEN, plainBalance } from '../../dev/stack/permit2.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { approve, burnElsewhere, invalidate, isUsed, settlePermit, settleWrapped } from '../world/permit2-on-chain.ts'
import { type PermitChange, permitAsSent, signPermit } from '../world/permit2-payer.ts'
import { type Stack, startStack } from '../world/stack.ts'
import { stockClientFor } from '../world/stock.ts'

const AMOUNT = 50_000n
const TERMS = {
  scheme: 'exact',
  network: 'eip155:84532',
  amount: AMOUNT.toString(),
  asset: addressOf(PLAIN_TOKEN),
  payTo: wallets.publisher.address,
  maxTimeoutSeconds: 300,
  extra: { assetTransferMethod: 'permit2' as const },
} as const
const REQUIRED = { x402Version: 2, error: '', resource: { url: 'https://news.example' }, extensions: {} }
let stack: Stack

beforeAll(async () => {
  stack = await startStack()
  await installPermit2(stack.chain)
})
afterAll(() => stack.stop())

async function reader(isApproved = true): Promise<PrivateKeyAccount> {
  const account = privateKeyToAccount(generatePrivateKey())
  await mint(stack.chain, account.address, AMOUNT * 2n)
  if (isApproved) await approve(stack.chain, account)
  return account
}

const signed = (account: PrivateKeyAccount, change?: PermitChange) =>
  signPermit({ ...REQUIRED, x402Version: 2, accepts: [TERMS] }, account, change)
const spent = async ({ address }: PrivateKeyAccount) => AMOUNT * 2n - (await plainBalance(stack.chain, address))

describe('the contracts are the canonical ones', () => {
  test('Permit2 has its address from its creation code, and the deterministic deployer put that here', async () => {
    const bytecode = uniswapContract('Permit2')
    expect(getContractAddress({ opcode: 'CREATE2', from: DEPLOYER, salt: PERMIT2_SALT, bytecode })).toBe(PERMIT2)
    const chain = createPublicClient({ transport: http(stack.chain.rpcUrl) })
    const { data: left } = await chain.call({ data: bytecode })
    const code = await chain.getCode({ address: PERMIT2 })
    expect(code).toHaveLength(left?.length ?? 0)
    // Its own address is no part of the code; the chain's domain is, and both were made on this chain.
    expect(code?.slice(0, 2_000)).toBe(left?.slice(0, 2_000))
  })

  test('the exact proxy has its address from the hash of the creation code that its authors publish', () => {
    const place = { opcode: 'CREATE2', from: DEPLOYER, salt: EXACT_PROXY_SALT, bytecodeHash: EXACT_PROXY_HASH } as const
    expect(getContractAddress(place)).toBe(EXACT_PROXY)
  })
})

describe('the exact proxy', () => {
  test('moves what was signed to whom it was signed for, whoever sends it, and once', async () => {
    const account = await reader()
    const permit = await signed(account)
    const before = await plainBalance(stack.chain, TERMS.payTo)
    await settlePermit(stack.chain, permit)
    expect(await spent(account)).toBe(AMOUNT)
    expect(await plainBalance(stack.chain, TERMS.payTo)).toBe(before + AMOUNT)
    expect(await isUsed(stack.chain, permit)).toBe(true)
    await expect(settlePermit(stack.chain, permit)).rejects.toThrow()
    expect(await spent(account)).toBe(AMOUNT)
  })

  test.each<[string, PermitChange]>([
    ['an amount of nothing', { signed: { amount: 0n } }],
    ['nobody to pay', { signed: { to: '0x0000000000000000000000000000000000000000' } }],
    ['a permit that is not good yet', { signed: { validAfter: 9_999_999_999n } }],
    ['a permit that is over', { signed: { deadline: 1n } }],
    ['a permit for another spender', { signed: { spender: wallets.bob.address } }],
    ['a permit of another chain', { chainId: 1 }],
  ])('refuses %s', async (_, change) => {
    const account = await reader()
    const permit = await signed(account, change)
    await expect(settlePermit(stack.chain, permit)).rejects.toThrow()
    expect(await spent(account)).toBe(0n)
    expect(await isUsed(stack.chain, permit)).toBe(false)
  })

  test.each([
    ['another payee', { to: wallets.bob.address }],
    ['another amount', { amount: AMOUNT * 2n }],
    ['another time', { validAfter: 1n }],
    ['another nonce', { nonce: 7n }],
  ])('nobody settles a permit for %s than was signed', async (_, change) => {
    const account = await reader()
    const { permit, signature } = await signed(account)
    await expect(settlePermit(stack.chain, { permit: { ...permit, ...change }, signature })).rejects.toThrow()
    expect(await spent(account)).toBe(0n)
  })

  test('a nonce that its owner took back, or spent on something else, settles nothing any more', async () => {
    const account = await reader()
    const [one, two] = [await signed(account), await signed(account)]
    await invalidate(stack.chain, account, one.permit.nonce)
    await burnElsewhere(stack.chain, account, two, account.address)
    for (const permit of [one, two]) {
      expect(await isUsed(stack.chain, permit)).toBe(true)
      await expect(settlePermit(stack.chain, permit)).rejects.toThrow()
    }
    expect(await spent(account)).toBe(0n)
  })

  test('another contract can settle several in one transaction', async () => {
    const account = await reader()
    await settleWrapped(stack.chain, [await signed(account), await signed(account)])
    expect(await spent(account)).toBe(AMOUNT * 2n)
  })
})

describe('the reference facilitator', () => {
  const answer = z.looseObject({})
  const ask = async (path: '/verify' | '/settle', payment: unknown) => {
    const body = JSON.stringify({ paymentPayload: payment, paymentRequirements: TERMS })
    return answer.parse(await (await fetch(stack.facilitator.url + path, { method: 'POST', body })).json())
  }
  const paymentOf = ({ permit, signature }: Awaited<ReturnType<typeof signed>>) => ({
    ...REQUIRED,
    accepted: TERMS,
    payload: { signature, permit2Authorization: permitAsSent(permit) },
  })

  test.each<[string, (account: PrivateKeyAccount) => Promise<unknown>]>([
    ['our own client', async (account) => paymentOf(await signed(account))],
    [
      'the stock client, where it is told that the token is fine',
      (account) =>
        stockClientFor(account, { network: TERMS.network, asset: TERMS.asset }).createPaymentPayload({
          ...REQUIRED,
          accepts: [TERMS],
        }),
    ],
  ])('takes what %s signs', async (_, sign) => {
    const account = await reader()
    const payment = await sign(account)
    expect(await ask('/verify', payment)).toMatchObject({ isValid: true, payer: account.address })
    expect(await spent(account)).toBe(0n)
    expect(await ask('/settle', payment)).toMatchObject({ success: true, network: TERMS.network })
    expect(await spent(account)).toBe(AMOUNT)
    // It has no name for Permit2's InvalidNonce(), and tells the whole call.
    const again = await ask('/settle', payment)
    expect(again).toMatchObject({
      success: false,
      transaction: '',
      errorReason: expect.stringMatching(/^invalid_exact_evm_transaction_failed: [\s\S]*0x756688fe/),
    })
    expect(await spent(account)).toBe(AMOUNT)
  })

  test('asks for the approval, and for enough money', async () => {
    const account = await reader(false)
    const payment = paymentOf(await signed(account))
    expect(await ask('/verify', payment)).toMatchObject({ invalidReason: 'permit2_allowance_required' })
    await approve(stack.chain, account, AMOUNT - 1n)
    expect(await ask('/verify', payment)).toMatchObject({ invalidReason: 'permit2_allowance_required' })
    await approve(stack.chain, account)
    expect(await ask('/verify', payment)).toMatchObject({ isValid: true })
    await settlePermit(stack.chain, await signed(account))
    await settlePermit(stack.chain, await signed(account))
    expect(await ask('/verify', payment)).toMatchObject({ invalidReason: 'permit2_insufficient_balance' })
  })
})
