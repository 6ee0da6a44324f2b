// A stranger broadcasts the payment before the facilitator does, and the wallet is empty then: the facilitator finds that
// funds are insufficient, or that the nonce is used. The payment has landed, and brings its content.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { send } from '../world/answer.ts'
import { behaviours } from '../world/behaviour.ts'
import { broadcast } from '../world/broadcast.ts'
import { faults, REFUSAL } from '../world/fault-facilitator.ts'
import { CONTENT, challengeAt, newReader, type Place, placeAt, transfersOf } from '../world/fault-story.ts'
import { pay } from '../world/payer.ts'
import { openShop, PRICE, type Shop } from '../world/shop.ts'

const PATH = '/articles/hello'
const [insufficient] = faults(REFUSAL, ['never settled'])
const facilitator = behaviours()
let shop: Shop
let place: Place

beforeAll(async () => {
  shop = await openShop({}, { hook: facilitator.hook })
  await shop.site.kv.put(PATH, CONTENT)
  place = placeAt(shop.stack, shop.site, facilitator)
})

afterAll(() => shop.close())

const WAYS = ['sends the same payment again', 'signs a new payment'] as const
const FACILITATORS = ['looks for itself', 'says insufficient_funds'] as const

test.each(FACILITATORS.flatMap((who) => WAYS.map((way) => [who, way] as const)))(
  'the facilitator %s; the reader %s',
  async (who, way) => {
    const reader = await newReader(place, PRICE)
    facilitator.set(reader.address, async (proceed, payment) => {
      if ((await transfersOf(place, reader.address)).length === 0) await broadcast(place.chain, payment)
      return who === 'looks for itself' || !insufficient ? proceed() : insufficient.reply(null)
    })
    const url = `${place.url}${PATH}`
    const headers = await pay('v2', await challengeAt(url), reader)
    const answers = [await send(url, { headers })]
    if (answers[0]?.status !== 200) {
      const again = way === 'signs a new payment' ? await pay('v2', await challengeAt(url), reader) : headers
      answers.push(await send(url, { headers: again }))
    }
    expect(answers.at(-1)?.text).toBe(CONTENT)
    expect(await transfersOf(place, reader.address)).toHaveLength(1)
    await expect.poll(() => place.ledger?.(reader.address)).toHaveLength(1)
  },
)
