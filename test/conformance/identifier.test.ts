// `payment-identifier`: a lost answer is never lost money, and an identifier belongs to one payment at one resource.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { otherVersion, pay, sign, VERSIONS, wrap } from '../world/payer.ts'
import { NOTHING, ONE_SALE, PRICE } from '../world/shop.ts'
import { CELLS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop({
    ROUTES: [
      { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
      { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
    ],
  })
  for (const path of ['/articles/hello', '/articles/other', '/once/hello', '/once/other']) {
    await shop.site.kv.put(path, `the whole of ${path}`)
  }
})

afterAll(() => shop.close())

const newIdentifier = () => `pay_${randomBytes(12).toString('hex')}`

describe.each(CELLS)('in $version on $name', ({ version, kind }) => {
  describe.each(['/articles', '/once'])('at %s', (section) => {
    const page = `${section}/hello`

    async function bought() {
      const reader = await kind.reader(shop)
      const signed = await reader.sign(version, await shop.ask(page))
      const identifier = newIdentifier()
      const first = await shop.ask(page, { headers: signed(version, { identifier }) })
      expect(first.status).toBe(200)
      return { reader, signed, identifier, first }
    }

    test.each([
      ['as it was', version],
      ['in the other wrapping', otherVersion(version)],
    ])('the same payment %s gets the content and the receipt again, and again', async (_, wrapping) => {
      const { signed, identifier, first } = await bought()
      const headers = signed(wrapping, { identifier })
      const { cost } = await shop.costOf(async () => {
        for (let time = 0; time < 4; time++) {
          const again = await shop.ask(page, { headers })
          expect(again.status).toBe(200)
          expect(again.text).toBe(`the whole of ${page}`)
          expect(again.receipt).toEqual(first.receipt)
        }
      })
      expect(cost).toEqual(NOTHING)
    })

    test.each([
      ['without its identifier', {}],
      ['with another identifier', { identifier: newIdentifier() }],
    ])('the same payment %s is used up', async (_, change) => {
      const { signed } = await bought()
      const { result: answer, cost } = await shop.costOf(() => shop.ask(page, { headers: signed(version, change) }))
      expect(answer.status).toBe(402)
      expect(answer.error).toBe('payment_already_used')
      expect(cost).toEqual(NOTHING)
    })

    test('the same payment at another resource is a conflict', async () => {
      const { signed, identifier } = await bought()
      const { result: answer, cost } = await shop.costOf(() =>
        shop.ask(`${section}/other`, { headers: signed(version, { identifier, echo: false }) }),
      )
      expect(answer.status).toBe(409)
      expect(answer.error).toBe('payment_identifier_conflict')
      expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
      expect(cost).toEqual(NOTHING)
    })

    test.each([
      ['there', '/hello'],
      ['at another resource', '/other'],
    ])('another payment with the same identifier %s is a conflict, and stays unspent', async (_, place) => {
      const { reader, identifier } = await bought()
      const path = section + place
      const signed = await reader.sign(version, await shop.ask(path))
      const { result: answer, cost } = await shop.costOf(() =>
        shop.ask(path, { headers: signed(version, { identifier }) }),
      )
      expect(answer.status).toBe(409)
      expect(answer.error).toBe('payment_identifier_conflict')
      expect(cost).toEqual(NOTHING)
      const later = await shop.ask(path, { headers: signed(version) })
      expect(later.status).toBe(200)
    })
  })

  test('each single answer is charged, when each has an identifier of its own', async () => {
    const reader = await kind.reader(shop)
    const { cost } = await shop.costOf(async () => {
      for (let time = 0; time < 2; time++) {
        const answer = await reader.buy(version, '/once/hello', { identifier: newIdentifier() })
        expect(answer.status).toBe(200)
      }
    })
    expect(cost).toEqual({ earned: 2n * PRICE, settles: 2, verifies: 0 })
  })
})

// How an identifier is read does not depend on the network.
describe.each(VERSIONS)('in %s', (version) => {
  test('an identifier given only the second time comes too late', async () => {
    const challenge = await shop.challenge('/once/hello')
    const signed = await sign(version, challenge, await shop.reader())
    expect((await shop.ask('/once/hello', { headers: wrap(version, challenge, signed) })).status).toBe(200)
    const headers = wrap(version, challenge, signed, { identifier: newIdentifier() })
    expect((await shop.ask('/once/hello', { headers })).error).toBe('payment_already_used')
  })

  test.each([16, 128])('an identifier of %i characters is one', async (length) => {
    const identifier = newIdentifier().padEnd(length, '_-').slice(0, length)
    const reader = await shop.reader()
    const { result: answer, cost } = await shop.costOf(() => shop.buy(version, '/once/hello', reader, { identifier }))
    expect(answer.status).toBe(200)
    expect(cost).toEqual(ONE_SALE)
  })

  test.each(['', 'x'.repeat(15), 'x'.repeat(129), 'not.an.identifier', 'ünïcödé-ünïcödé-'])(
    'the identifier "%s" is none, and nothing is charged',
    async (identifier) => {
      const payment = await pay(version, await shop.challenge('/once/hello'), await shop.reader(), { identifier })
      const { result: answer, cost } = await shop.costOf(() => shop.ask('/once/hello', { headers: payment }))
      expect(answer.status).toBe(400)
      expect(answer.error).toBe('invalid_payload')
      expect(cost).toEqual(NOTHING)
    },
  )

  test.each<[string, unknown]>([
    ['a number', { info: { id: 1234567890123456 } }],
    ['null', { info: { id: null } }],
    ['a list', { info: { id: ['an-identifier-of-it'] } }],
    ['an object', { info: { id: {} } }],
    ['with a line break', { info: { id: 'an-identifier-of-it\n' } }],
    ['with a null byte', { info: { id: 'an-identifier-of-it\0' } }],
    ['in no info', { info: null }],
    ['in a list', { info: ['an-identifier-of-it'] }],
    ['itself a text', 'an-identifier-of-it'],
    ['nothing', null],
    ['a list itself', []],
  ])('an identifier that is %s is none: 400 before anything is asked or stored', async (_, echo) => {
    const extensions = { 'payment-identifier': echo }
    const challenge = await shop.challenge('/once/hello')
    const objects = await shop.site.objects()
    const headers = await pay(version, challenge, await shop.reader(), { payment: { extensions } })
    const { result: answer, cost } = await shop.costOf(() => shop.ask('/once/hello', { headers }))
    expect(answer.status).toBe(400)
    expect(answer.error).toBe('invalid_payload')
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(cost).toEqual(NOTHING)
    expect(await shop.site.objects()).toBe(objects)
  })

  test.each<[string, Record<string, unknown>]>([
    ['says that it is required', { info: { required: true } }],
    ['says so in words', { info: { required: 'yes, please' } }],
    ['holds nothing', {}],
  ])(
    'an echo that names none and %s pays as one without: what is required is not for the client to say',
    async (_, echo) => {
      const challenge = await shop.challenge('/once/hello')
      const extensions = { 'payment-identifier': echo }
      const headers = await pay(version, challenge, await shop.reader(), { payment: { extensions } })
      const { result: answers, cost } = await shop.costOf(async () => [
        await shop.ask('/once/hello', { headers }),
        await shop.ask('/once/hello', { headers }),
      ])
      expect(answers.map(({ status }) => status)).toEqual([200, 402])
      expect(answers[1]?.error).toBe('payment_already_used')
      expect(cost).toEqual(ONE_SALE)
    },
  )

  test.each<[string, unknown]>([
    ['that refuses everything', false],
    ['that no machine ends with', { properties: { id: { pattern: '^(([A-Za-z0-9_-]+)+)+$$' } } }],
    ['that is elsewhere', { $ref: 'http://127.0.0.1:9/schema.json' }],
    ['that names itself', { $id: '#', allOf: [{ $ref: '#' }] }],
    ['that is none', 'x'.repeat(2000)],
  ])('a schema of the client’s %s is not read', async (_, schema) => {
    const challenge = await shop.challenge('/once/hello')
    const extensions = { 'payment-identifier': { info: { required: true, id: newIdentifier() }, schema } }
    const headers = await pay(version, challenge, await shop.reader(), { payment: { extensions } })
    const { result: answers, cost } = await shop.costOf(async () => [
      await shop.ask('/once/hello', { headers }),
      await shop.ask('/once/hello', { headers }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    expect(answers[1]?.receipt).toEqual(answers[0]?.receipt)
    expect(cost).toEqual(ONE_SALE)
  })

  test('an identifier is told from the same in other letters', async () => {
    const challenge = await shop.challenge('/once/hello')
    const reader = await shop.reader()
    const signed = await sign(version, challenge, reader)
    const identifier = `pay_${reader.address}`
    const first = await shop.ask('/once/hello', { headers: wrap(version, challenge, signed, { identifier }) })
    expect(first.status).toBe(200)
    const headers = wrap(version, challenge, signed, { identifier: identifier.toUpperCase() })
    expect((await shop.ask('/once/hello', { headers })).error).toBe('payment_already_used')
  })

  test('two readers may choose the same one, and each has what is theirs', async () => {
    const identifier = newIdentifier()
    const { cost } = await shop.costOf(async () => {
      const readers = [await shop.reader(), await shop.reader()]
      const answers = await Promise.all(
        readers.map((reader) => shop.buy(version, '/once/hello', reader, { identifier })),
      )
      expect(answers.map(({ receipt }) => receipt?.payer)).toEqual(readers.map(({ address }) => address.toLowerCase()))
    })
    expect(cost).toEqual({ earned: 2n * PRICE, settles: 2, verifies: 0 })
  })

  test('beside the payment of the other version it counts for both; two of them are malformed', async () => {
    const challenge = await shop.challenge('/once/hello')
    const signed = await sign(version, challenge, await shop.reader())
    const identifier = newIdentifier()
    const named = wrap(version, challenge, signed, { identifier })
    const both = { ...named, ...wrap(otherVersion(version), challenge, signed) }
    const two = { ...named, ...wrap(otherVersion(version), challenge, signed, { identifier: newIdentifier() }) }
    const { result: refused, cost: free } = await shop.costOf(() => shop.ask('/once/hello', { headers: two }))
    expect(refused.status).toBe(400)
    expect(refused.error).toBe('invalid_payload')
    expect(free).toEqual(NOTHING)
    const { cost } = await shop.costOf(async () => {
      const first = await shop.ask('/once/hello', { headers: both })
      expect(first.status).toBe(200)
      for (const headers of [both, named]) {
        const again = await shop.ask('/once/hello', { headers })
        expect(again.status).toBe(200)
        expect(again.receipt).toEqual(first.receipt)
      }
    })
    expect(cost).toEqual(ONE_SALE)
  })
})
