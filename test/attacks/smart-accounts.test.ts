// A smart account is a key and code at one address (EIP-7702). While it has code the token asks the code, so one
// authorization can be signed twice: in a way only its code accepts, and by the key itself. It is one payment all the same.
import { zeroAddress } from 'viem'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, send, served } from '../world/answer.ts'
import { openNaive } from '../world/naive.ts'
import { authorize, headerOf, paying, type Signed, unpack } from '../world/payer.ts'
import { openShop, PRICE, type Shop } from '../world/shop.ts'
import { becomeSafe, delegate, installWallets, SAFE, type Wallet } from '../world/smart-wallets.ts'

const CONTENT = 'the whole article'
const [HERE, THERE] = ['/articles/here', '/articles/there']
let shop: Shop

beforeAll(async () => {
  shop = await openShop()
  for (const path of [HERE, THERE]) await shop.site.kv.put(path, CONTENT)
  await installWallets(shop.stack.chain)
})

afterAll(() => shop.close())

/** A key whose address has the code of a Safe, and what that code accepts: it is owned by a second key. */
type SmartAccount = { key: PrivateKeyAccount; byItsCode: Wallet }

/** Such an account, with money for two articles. */
async function smartAccount(): Promise<SmartAccount> {
  const key = await shop.reader(2n * PRICE)
  const second = privateKeyToAccount(generatePrivateKey())
  return { key, byItsCode: await becomeSafe(shop.stack.chain, key, second) }
}

const takeCode = ({ key }: SmartAccount) => delegate(shop.stack.chain, key, zeroAddress)
/** What it had stored, the owner among it, is there still. */
const giveCodeBack = ({ key }: SmartAccount) => delegate(shop.stack.chain, key, SAFE.singleton)

/** One authorization under two signatures: the second key's, which only the code accepts, and the account's own. */
async function signTwice({ key, byItsCode }: SmartAccount): Promise<{ byCode: Signed; byKey: Signed }> {
  const byKey = await authorize(key, { value: PRICE })
  const { nonce, validBefore } = byKey.authorization
  const wish = { value: PRICE, nonce, validBefore }
  const byCode = await authorize(byItsCode, wish)
  expect(byCode.authorization).toEqual(byKey.authorization)
  expect(byCode.signature).not.toBe(byKey.signature)
  return { byCode, byKey }
}

const show = (path: string, signed: Signed): Promise<Answer> => shop.ask(path, paying(headerOf(signed)))
const ledgerOf = async ({ key }: SmartAccount) => (await shop.ledger(key.address)).map(({ resource }) => ({ resource }))

function expectUsed(answer: Answer): void {
  expect(answer.status).toBe(402)
  expect(answer.text).toContain('payment_already_used')
  expect(answer.text).not.toContain(CONTENT)
}

describe('against a shop that remembers signatures', () => {
  test('one transfer is served twice', async () => {
    const account = await smartAccount()
    const seen = new Set<string>()
    const proven = new Set<string>()
    const naive = await openNaive(shop, async ({ payment, settle }) => {
      if (payment === '') return null
      const { signature, authorization } = unpack(payment).payload
      if (seen.has(signature)) return null
      seen.add(signature)
      // "It says that the nonce is used, and it is the one I saw paid."
      const isPaid = (await settle(payment)) || proven.has(authorization.nonce)
      if (isPaid) proven.add(authorization.nonce)
      return isPaid ? CONTENT : null
    })
    const { byCode, byKey } = await signTwice(account)
    const { result: answers, cost } = await shop.costOf(async () => [
      await send(naive, paying(headerOf(byCode))),
      await send(naive, paying(headerOf(byKey))),
    ])
    expect(served(answers, CONTENT)).toBe(2)
    expect(cost.earned).toBe(PRICE)
  })
})

describe('here', () => {
  test.each([HERE, THERE])(
    'paid through its code, and shown at %s under the signature of its key: used',
    async (path) => {
      const account = await smartAccount()
      const { byCode, byKey } = await signTwice(account)
      const { cost } = await shop.costOf(async () => {
        expect((await show(HERE, byCode)).text).toBe(CONTENT)
        expectUsed(await show(path, byKey))
        expectUsed(await show(path, byCode))
      })
      expect(cost.earned).toBe(PRICE)
      await expect.poll(() => ledgerOf(account)).toEqual([{ resource: HERE }])
    },
  )

  test.each([HERE, THERE])('paid as a key, and shown at %s through its code: used', async (path) => {
    const account = await smartAccount()
    await takeCode(account)
    const { byCode, byKey } = await signTwice(account)
    const { cost } = await shop.costOf(async () => {
      expect((await show(HERE, byKey)).text).toBe(CONTENT)
      await giveCodeBack(account)
      expectUsed(await show(path, byCode))
      expectUsed(await show(path, byKey))
    })
    expect(cost.earned).toBe(PRICE)
    await expect.poll(() => ledgerOf(account)).toEqual([{ resource: HERE }])
  })

  test('both at once, at two articles: one of them is served', async () => {
    const account = await smartAccount()
    const { byCode, byKey } = await signTwice(account)
    const { result: answers, cost } = await shop.costOf(() => Promise.all([show(HERE, byCode), show(THERE, byKey)]))
    expect(served(answers, CONTENT)).toBeLessThanOrEqual(1)
    // Where the key's signature came first, the token refuses what it was sent: that buys nothing, and is not lost.
    const again = [await show(HERE, byCode), await show(THERE, byKey)]
    expect(served([...answers, ...again], CONTENT)).toBe(cost.earned === 0n ? 0 : 1)
    expect(await ledgerOf(account)).toHaveLength(cost.earned === 0n ? 0 : 1)
  })

  test('what its key signs, while its code says no, is refused and charges nothing', async () => {
    const account = await smartAccount()
    const { byKey } = await signTwice(account)
    const { result: answer, cost } = await shop.costOf(() => show(HERE, byKey))
    expect([402, 503]).toContain(answer.status)
    expect(answer.text).not.toContain(CONTENT)
    expect(cost.earned).toBe(0n)
  })
})
