// Permits whose nonce is used while they are on their way, and nobody can say what for: held, then 503 without a challenge.
// The tests run at the same time, since each has to wait.
import type { PrivateKeyAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer } from '../world/answer.ts'
import { says } from '../world/behaviour.ts'
import { FEE_TOKEN, feeBalance, giveFeeToken, installFeeToken } from '../world/fee-token.ts'
import { atSettle, type PermitBehaviour, permitBehaviours } from '../world/permit2-behaviour.ts'
import { burnElsewhere, invalidate, isUsed, settleWrapped, transfer } from '../world/permit2-on-chain.ts'
import { type SignedPermit, signPermit, wrapPermit } from '../world/permit2-payer.ts'
import { ASSETS, openPermitShop, type PermitShop, POLYGON } from '../world/permit2-shop.ts'
import { PRICE } from '../world/shop.ts'

const PAGE = '/articles/hello'
const CONTENT = 'the whole article'
const facilitator = permitBehaviours()
let shop: PermitShop

beforeAll(async () => {
  shop = await openPermitShop({}, { hook: facilitator.hook })
  await shop.site.kv.put(PAGE, CONTENT)
})
afterAll(() => shop.close())

const outOfOrder = says({ error: 'out of order' }, 500)
const spent = async ({ address }: PrivateKeyAccount) => 1_000_000n - (await shop.balance(address))

/** What somebody does with the permit before the facilitator has sent it. */
type Meanwhile = (reader: PrivateKeyAccount, signed: SignedPermit) => Promise<void>

async function paidWhile(meanwhile: Meanwhile, after: PermitBehaviour) {
  const reader = await shop.reader()
  const challenge = await shop.challenge(PAGE)
  const signed = await signPermit(challenge, reader)
  facilitator.set(
    reader.address,
    atSettle(async (proceed, sent, path) => {
      await meanwhile(reader, signed)
      return after(proceed, sent, path)
    }),
  )
  const headers = wrapPermit(challenge, signed)
  return { reader, signed, headers, answer: await shop.ask(PAGE, { headers }) }
}

const isPending = ({ status, error, text, headers, receipt }: Answer) =>
  status === 503 &&
  error === 'settlement_pending' &&
  Number(headers.get('Retry-After')) > 0 &&
  !headers.has('PAYMENT-REQUIRED') &&
  !text.includes('accepts') &&
  !text.includes(CONTENT) &&
  receipt?.success !== true

describe.concurrent('a nonce used on the way to the facilitator, whose failure says nothing', () => {
  test.concurrent.each<[string, Meanwhile, bigint]>([
    ['taken back by its owner', (reader, { permit }) => invalidate(shop.stack.chain, reader, permit.nonce), 0n],
    [
      'spent by its owner on themselves',
      (reader, it) => burnElsewhere(shop.stack.chain, reader, it, reader.address),
      0n,
    ],
    [
      'spent on themselves, beside a transfer of as much to the payee that bought something else',
      async (reader, signed) => {
        await burnElsewhere(shop.stack.chain, reader, signed, reader.address)
        await transfer(shop.stack.chain, reader, shop.payTo, PRICE)
      },
      PRICE,
    ],
    // The money has come, and the chain does not show for what: docs/threat-model.md.
    ['settled by a stranger through another contract', (_, it) => settleWrapped(shop.stack.chain, [it]), PRICE],
  ])('%s: neither served nor charged again, and no new signature is asked for', async (_, meanwhile, moved) => {
    const { reader, signed, headers, answer } = await paidWhile(meanwhile, (proceed) => proceed())
    expect(isPending(answer)).toBe(true)
    expect(await isUsed(shop.stack.chain, signed)).toBe(true)
    facilitator.set(reader.address, null)
    expect(isPending(await shop.ask(PAGE, { headers }))).toBe(true)
    expect(await spent(reader)).toBe(moved)
    expect(await shop.ledger(reader.address)).toEqual([])
  })

  test.concurrent('never sent, and nobody knows: held, then pending; the same permit is sent again and served', async () => {
    const { reader, headers, answer } = await paidWhile(async () => {}, outOfOrder)
    expect(isPending(answer)).toBe(true)
    expect(await spent(reader)).toBe(0n)
    facilitator.set(reader.address, null)
    expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
    expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
    expect(await spent(reader)).toBe(PRICE)
  })
})

describe.concurrent('a token that keeps a part of what it moves, and that no shop should sell in', () => {
  let unwise: PermitShop
  beforeAll(async () => {
    const [token] = ASSETS[POLYGON]
    unwise = await openPermitShop(
      { ASSETS: { [POLYGON]: [{ ...token, address: FEE_TOKEN }] } },
      { hook: facilitator.hook },
    )
    await installFeeToken(unwise.stack.chain)
    await unwise.site.kv.put(PAGE, CONTENT)
  })
  afterAll(() => unwise.close())

  async function paying(behaviour: PermitBehaviour | null) {
    const { chain } = unwise.stack
    const reader = await unwise.reader({ funds: 0n, isApproved: false })
    await giveFeeToken(chain, reader.address, PRICE)
    facilitator.set(reader.address, behaviour && atSettle(behaviour))
    const answer = await unwise.buy(PAGE, reader)
    expect(await feeBalance(chain, reader.address)).toBe(0n)
    return { reader, answer }
  }

  test.concurrent('is sold on a facilitator’s word, which the chain does not bear out', async () => {
    const { reader, answer } = await paying(null)
    expect(answer.text).toBe(CONTENT)
    await expect.poll(() => unwise.ledger(reader.address)).toMatchObject([{ position: null }])
  })

  test.concurrent('without that word it is neither served nor in the ledger, and the log names the token’s fault', async () => {
    const { reader, answer } = await paying((proceed) => proceed().then(outOfOrder))
    expect(isPending(answer)).toBe(true)
    expect(await unwise.ledger(reader.address)).toEqual([])
    expect(unwise.site.logs.some((line) => line.includes('strange_logs'))).toBe(true)
  })
})
