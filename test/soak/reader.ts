// A reader of the storm: buys one thing after the other, hangs up, pays twice at once, tries payments elsewhere, is
// impatient. Every choice is drawn from the seed.
import type { PrivateKeyAccount } from 'viem/accounts'
import type { Version } from '../world/payer.ts'
import { catalogue, type Item, neighbourOf } from './catalogue.ts'
import type { HangUp } from './client.ts'
import { wait } from './faults.ts'
import { isDefinite, type Journal, type Try } from './journal.ts'
import type { Payment } from './payment.ts'
import type { Random } from './random.ts'

const WAYS = {
  plainly: 30,
  'hanging up': 30,
  'several times at once': 15,
  'at two things at once': 15,
  impatiently: 10,
}

const MOST_RETRIES = 3

type Reading = { journal: Journal; account: PrivateKeyAccount; random: Random; goesOn: () => boolean }

/** Reads until told to stop. `purchases` counts each thing wanted. */
export async function read(
  journal: Journal,
  accounts: [PrivateKeyAccount, ...PrivateKeyAccount[]],
  random: Random,
  goesOn: () => boolean,
  purchased: (way: string) => void,
): Promise<void> {
  while (goesOn()) {
    const way = random.weighed(WAYS, 'plainly')
    purchased(way)
    await buy({ journal, account: random.pick(accounts), random, goesOn }, way)
    await wait(random.between(20, 200))
  }
}

const versionBy = (random: Random): Version => (random.chance(0.5) ? 'v2' : 'v1')

async function buy(reading: Reading, way: keyof typeof WAYS): Promise<void> {
  const { journal, account, random } = reading
  const item = catalogue[random.below(catalogue.length)]
  if (!item) return
  const named = random.chance(0.35)
  const isElsewhere = way === 'at two things at once'
  const items: [Item, ...Item[]] = isElsewhere ? [item, neighbourOf(item)] : [item]
  const payment = await journal.sign(account, items, random, named)
  if (!payment) return

  switch (way) {
    case 'plainly':
      await persist(reading, payment, await journal.present(payment, item, versionBy(random), patienceOf(random)))
      return
    case 'hanging up':
      await persist(reading, payment, await journal.present(payment, item, versionBy(random), hangUpBy(random)))
      return
    case 'several times at once': {
      const copies = Array.from({ length: 2 + random.below(4) }, () => {
        const hangUp = random.chance(0.2) ? hangUpBy(random) : patienceOf(random)
        return journal.present(payment, item, versionBy(random), hangUp)
      })
      const [first] = await Promise.all(copies)
      if (first) await persist(reading, payment, first)
      return
    }
    case 'at two things at once':
      await Promise.all(items.map((each) => journal.present(payment, each, versionBy(random), patienceOf(random))))
      return
    case 'impatiently': {
      const first = journal.present(payment, item, versionBy(random), patienceOf(random))
      await wait(random.between(0, 1_500))
      const second = await journal.sign(account, [item], random, random.chance(0.35))
      if (second) await journal.present(second, item, versionBy(random), patienceOf(random))
      await first
      return
    }
  }
}

/** What a reader does after an answer that was not the content: asks again, pays anew, or leaves it. */
async function persist(reading: Reading, payment: Payment, answer: Try): Promise<void> {
  const { journal, account, random } = reading
  const [item] = payment.items
  let last = answer
  for (let i = 0; i < MOST_RETRIES && last.content !== 'whole' && reading.goesOn(); i++) {
    await wait(random.between(50, 1_500))
    const next = random.weighed({ again: 65, anew: 15, leave: 20 }, 'leave')
    if (next === 'leave' || (isDefinite(last) && next === 'again' && random.chance(0.5))) return
    if (next === 'anew') {
      const second = await journal.sign(account, [item], random, random.chance(0.35))
      if (!second) continue
      last = await journal.present(second, item, versionBy(random), patienceOf(random))
    } else {
      last = await journal.present(
        payment,
        item,
        versionBy(random),
        random.chance(0.15) ? hangUpBy(random) : patienceOf(random),
      )
    }
  }
}

/** Most readers do not wait as long as the worker would hold them. */
const patienceOf = (random: Random): HangUp | null =>
  random.chance(0.25) ? null : { at: 'time', ms: random.between(6_000, 15_000) }

function hangUpBy(random: Random): HangUp {
  switch (random.weighed({ soon: 30, later: 30, headers: 15, body: 25 }, 'soon')) {
    case 'soon':
      return { at: 'time', ms: random.between(0, 200) }
    case 'later':
      return { at: 'time', ms: random.between(100, 3_000) }
    case 'headers':
      return { at: 'headers' }
    case 'body':
      return { at: 'body', share: random.between(0, 0.95) }
  }
}
