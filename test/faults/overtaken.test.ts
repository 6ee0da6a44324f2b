// A stranger broadcasts the payment before the facilitator does, and the wallet is empty then: the facilitator finds that
// funds are insufficient, or that the nonce is used. The payment has landed, and brings its content.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { behaviours, fault } from '../world/behaviour.ts'
import { broadcast } from '../world/on-chain.ts'
import { pay } from '../world/payer.ts'
import { openShop, PRICE, type Shop } from '../world/shop.ts'
import { CONTENT, transfersOf } from '../world/story.ts'

const PATH = '/articles/hello'
const insufficient = fault('says insufficient_funds', 'never settled')
const facilitator = behaviours()
let shop: Shop

beforeAll(async () => {
  shop = await openShop({}, { hook: facilitator.hook })
  await shop.site.kv.put(PATH, CONTENT)
})

afterAll(() => shop.close())

const WAYS = ['sends the same payment again', 'signs a new payment'] as const
const FACILITATORS = ['looks for itself', 'says insufficient_funds'] as const

test.each(FACILITATORS.flatMap((who) => WAYS.map((way) => [who, way] as const)))(
  'the facilitator %s; the reader %s',
  async (who, way) => {
    const reader = await shop.reader(PRICE)
    const transfers = () => transfersOf({ shop, facilitator }, reader.address)
    facilitator.set(reader.address, async (proceed, payment) => {
      if ((await transfers()).length === 0) await broadcast(shop.stack.chain, payment)
      return who === 'looks for itself' ? proceed() : insufficient.reply(null)
    })
    const headers = await pay('v2', await shop.challenge(PATH), reader)
    const answers = [await shop.ask(PATH, { headers })]
    if (answers[0]?.status !== 200) {
      const again = way === 'signs a new payment' ? await pay('v2', await shop.challenge(PATH), reader) : headers
      answers.push(await shop.ask(PATH, { headers: again }))
    }
    expect(answers.at(-1)?.text).toBe(CONTENT)
    expect(await transfers()).toHaveLength(1)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
  },
)
