// The table: each row sends one kind of request to newsstand and to whom it is measured beside.
import { passOf } from './counting.ts'
import { type Asked, sendAll } from './load.ts'
import type { Row, Work } from './measure.ts'
import { asBrowser, asProgram, newPayer, payment, purchase } from './payments.ts'
import { BLOCKED } from './stand-ins.ts'
import type { SubjectName } from './subjects.ts'

const times = <Value>(count: number, make: (i: number) => Value): Value[] =>
  Array.from({ length: count }, (_, i) => make(i))

const ADDRESSES = 1_000
/** So many addresses in turn. */
const inTurn = (prefix: string, i: number) => `${prefix}${i % ADDRESSES}`

type Making = (path: (i: number) => string) => (subject: SubjectName) => Work
/** Unpaid requests by programs, and by browsers. */
const unpaid: Making = (path) => (subject) => ({
  subject,
  make: (count) => times(count, (i) => ({ path: path(i), headers: asProgram(), status: 402, ...coded(subject) })),
})
const unpaidPage: Making = (path) => (subject) => ({
  subject,
  make: (count) => times(count, (i) => ({ path: path(i), headers: asBrowser(), status: 402 })),
})
/** The reference middleware says it in a header alone. */
const coded = (subject: SubjectName) => (subject === '@x402/hono' ? {} : { code: 'payment_required' })

const passing = (path: string) => (subject: SubjectName) => ({
  subject,
  make: (count: number) => times(count, () => ({ path, headers: asProgram(), status: 200 })),
})

/** Bought by one payer, who has bought before. */
function known(subject: SubjectName): Work {
  const payer = newPayer()
  return { subject, make: (count) => Promise.all(times(count, (i) => purchase(payer, `/once/${i}`))) }
}
/** Bought by payers nobody has seen before. */
const strangers = (subject: SubjectName): Work => ({
  subject,
  make: (count) => Promise.all(times(count, (i) => purchase(newPayer(), `/once/${i}`))),
})

/** Signed by another key than the payer's, each new. */
const forged =
  (status: number) =>
  (subject: SubjectName): Work => ({
    subject,
    make: (count) =>
      Promise.all(
        times(count, async () => {
          const header = await payment(newPayer(), '/once/a', true)
          return { path: '/once/a', headers: { ...asProgram(), 'PAYMENT-SIGNATURE': header }, status }
        }),
      ),
  })

function held(subject: SubjectName): Work {
  let token = ''
  return {
    subject,
    prepare: async (running) => {
      token = await passOf(running)
    },
    make: (count) =>
      times(count, () => ({
        path: '/lasting/a',
        headers: { ...asProgram(), Authorization: token },
        status: 200,
      })),
  }
}

/** A payment that has bought what it buys, again and again. */
function replayed(subject: SubjectName): Work {
  let spent: Asked
  return {
    subject,
    prepare: async ({ port }) => {
      spent = await purchase(newPayer(), '/once/a')
      await sendAll(port, [spent], 1)
    },
    make: (count) =>
      times(count, () => ({
        ...spent,
        headers: { ...spent.headers, ...asProgram() },
        status: 402,
        code: 'payment_already_used',
      })),
  }
}

const garbage = (subject: SubjectName): Work => ({
  subject,
  make: (count) =>
    times(count, (i) => ({
      path: '/once/a',
      headers: { ...asProgram(), 'PAYMENT-SIGNATURE': `garbage${i}` },
      status: 400,
      code: 'invalid_payload',
    })),
})

/** From addresses that have failed too often. */
function blocked(subject: SubjectName): Work {
  const address = (i: number) => `${BLOCKED}${i % 256}`
  const from = (asked: Asked, i: number) => ({
    ...asked,
    headers: { ...asked.headers, 'cf-connecting-ip': address(i) },
  })
  const made = forged(402)(subject)
  return {
    subject,
    prepare: async (running) => {
      await sendAll(running.port, (await made.make(256, running)).map(from), 8)
    },
    make: async (count, running) =>
      (await made.make(count, running)).map((asked, i) => ({
        ...from(asked, i),
        status: 429,
        code: 'too_many_requests',
      })),
  }
}

const MEGABYTES = 256
/** What each megabyte costs of a long answer: what comes with every answer is little beside it. */
const perMegabyte = { of: 'MB', from: (cost: number) => cost / MEGABYTES }
const film = (prefix: string) => `${prefix}${MEGABYTES}mb`

const bought = (subject: SubjectName): Work => ({
  subject,
  make: (count) => Promise.all(times(count, () => purchase(newPayer(), film('/once/')))),
})

const CPU = { atOnce: 8, by: 'cpu' } as const
const ONE_BY_ONE = { atOnce: 1, by: 'cpu' } as const
/** Signing takes longer than what is measured. */
const SIGNED = { most: 150, warm: 60 } as const

type Of = (subject: SubjectName) => Work
/** Newsstand beside another, with the same requests. */
const beside = (name: SubjectName, work: Of, other: Of = work) => ({ ours: work('newsstand'), reference: other(name) })

const distinct = unpaid((i) => inTurn('/once/a', i))
const one = unpaid(() => '/once/a')
const withKey = (work: Of) => ({ ours: work('newsstand, RECEIPT_KEY'), reference: work('newsstand') })
const free = passing('/open/a')
const routed = (which: 'the first' | 'the last' | 'none') => ({
  ours: free(`newsstand, 300 routes, ${which}`),
  reference: free('newsstand, 5 routes'),
})

/** All rows, in the order of the table. */
export const ROWS: readonly Row[] = [
  {
    name: '402 at 1,000 addresses, beside @x402/hono',
    ...beside('@x402/hono', distinct),
    ...CPU,
    warm: ADDRESSES,
    goal: { least: 1 },
    room: { least: 0.3 },
  },
  {
    name: '402 at one address, beside @x402/hono',
    ...beside('@x402/hono', one),
    ...CPU,
    goal: { least: 1 },
    room: { least: 0.3 },
  },
  {
    name: '402 at 1,000 addresses, beside a constant',
    ...beside('constant', distinct),
    ...CPU,
    warm: ADDRESSES,
    goal: { least: 0.75 },
    room: { least: 0.15 },
  },
  {
    name: '402 at one address, beside a constant',
    ...beside('constant', one),
    ...CPU,
    goal: { least: 0.75 },
    room: { least: 0.15 },
  },
  {
    name: '402 at 1,000 addresses, almost no lines in the log, beside @x402/hono',
    ours: distinct('newsstand, LOG_SAMPLE'),
    reference: distinct('@x402/hono'),
    ...CPU,
    warm: ADDRESSES,
    goal: null,
    room: { least: 0.3 },
  },
  {
    name: 'a constant, a second mac and a line in the log, beside @x402/hono',
    ours: distinct('constant, a second mac and a line'),
    reference: distinct('@x402/hono'),
    ...CPU,
    warm: ADDRESSES,
    goal: null,
    room: { least: 0.3 },
  },
  {
    name: '402 with RECEIPT_KEY, one address, beside without',
    ...withKey(one),
    ...CPU,
    goal: { most: 1.1 },
    room: { most: 2 },
  },
  {
    name: '402 with RECEIPT_KEY, 1,000 addresses, beside without',
    ...withKey(distinct),
    ...CPU,
    warm: ADDRESSES,
    goal: { most: 1.35 },
    room: { most: 2.5 },
  },
  {
    name: '402 from KV, program, beside a get and a constant',
    ...beside(
      'get and constant',
      unpaid((i) => inTurn('/kv/a', i)),
    ),
    ...CPU,
    warm: ADDRESSES,
    goal: { least: 0.7 },
    room: { least: 0.2 },
  },
  {
    name: '402 from KV, plain page, beside the same bytes',
    ...beside(
      'get and same bytes',
      unpaidPage((i) => inTurn('/kv/a', i)),
    ),
    ...CPU,
    warm: ADDRESSES,
    goal: { least: 0.75 },
    room: { least: 0.2 },
  },
  {
    name: 'walled page of 116 KB, beside passing it',
    ours: unpaidPage((i) => `/walled/a?p=${i}`)('newsstand'),
    reference: free('newsstand'),
    ...CPU,
    goal: { most: 3 },
    room: { most: 30 },
  },
  {
    name: 'pass, beside fetching and passing on',
    ours: held('newsstand'),
    reference: passing('/lasting/a')('pass on'),
    ...CPU,
    goal: { most: 1.4 },
    room: { most: 6 },
  },
  {
    name: 'free route, beside fetching and passing on',
    ...beside('pass on', passing('/open-to-all/a')),
    ...CPU,
    goal: { most: 1.2 },
    room: { most: 3 },
  },
  ...(['the first', 'the last', 'none'] as const).map(
    (which): Row => ({
      name: `free, 300 routes, ${which} matches, beside 5`,
      ...routed(which),
      ...CPU,
      goal: { most: 1.2 },
      room: { most: 2.5 },
    }),
  ),
  {
    name: 'each MB bought, beside free',
    ours: bought('newsstand'),
    reference: passing(film('/open/'))('newsstand'),
    ...ONE_BY_ONE,
    most: 4,
    unit: perMegabyte,
    goal: { most: 1.3 },
    room: { most: 3 },
  },
  {
    name: 'purchase, known payer, beside floor B',
    ...beside('floor B', known),
    ...ONE_BY_ONE,
    ...SIGNED,
    goal: { most: 1.3 },
    room: { most: 4 },
  },
  {
    name: 'purchase, known payer, beside floor A',
    ...beside('floor A', known),
    ...ONE_BY_ONE,
    ...SIGNED,
    goal: null,
    room: { most: 7 },
  },
  {
    name: 'purchase, new payer each, beside floor B',
    ...beside('floor B', strangers),
    ...ONE_BY_ONE,
    ...SIGNED,
    goal: { most: 1.25 },
    room: { most: 4 },
  },
  {
    name: 'purchases, 16 at once, one payer, beside floor B',
    ...beside('floor B', known),
    atOnce: 16,
    by: 'time',
    ...SIGNED,
    goal: { least: 0.75 },
    room: { least: 0.15 },
  },
  {
    name: 'purchase, new payer each, beside @x402/hono',
    ...beside('@x402/hono', strangers),
    ...ONE_BY_ONE,
    ...SIGNED,
    goal: null,
    room: { most: 25 },
  },
  {
    name: 'forged signature, beside recovery alone',
    ...beside('recovery', forged(402), forged(200)),
    ...ONE_BY_ONE,
    ...SIGNED,
    goal: { most: 1.3 },
    room: { most: 14 },
  },
  {
    name: 'recovery, beside @noble/curves alone',
    ours: forged(200)('recovery'),
    reference: forged(200)('@noble/curves'),
    ...ONE_BY_ONE,
    ...SIGNED,
    goal: { most: 1.1 },
    room: { most: 4 },
  },
  {
    name: 'replay, beside recovery alone',
    ...beside('recovery', replayed, forged(200)),
    ...ONE_BY_ONE,
    ...SIGNED,
    goal: null,
    room: { most: 8 },
  },
  {
    name: 'garbage, beside a 402',
    ours: garbage('newsstand'),
    reference: one('newsstand'),
    ...CPU,
    goal: null,
    room: { most: 3 },
  },
  {
    name: 'blocked address, beside recovery alone',
    ...beside('recovery', blocked, forged(200)),
    ...ONE_BY_ONE,
    ...SIGNED,
    goal: null,
    room: { most: 10 },
  },
]
