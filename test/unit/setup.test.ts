// What setup decides, without asking anybody: answers, the two deployments, what is to be done, and the sentences of failures.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { answerTo, QUESTIONS, readFlags, readPayTo } from '../../cli/setup/answers.ts'
import {
  type Deployment,
  NO_D1,
  NO_KV,
  networksFor,
  type Separate,
  sharedProblems,
  written,
} from '../../cli/setup/deployment.ts'
import { sentenceFor } from '../../cli/setup/failures.ts'
import { knownOf, mustBeDemo, mustLeaveTheRest, problemsOf, reading } from '../../cli/setup/file.ts'
import { type Found, linesOf, planOf } from '../../cli/setup/plan.ts'
import { inCheckout } from '../../dev/stack/paths.ts'
import { wallet } from '../world/svm.ts'

const SHIPPED = readFileSync(inCheckout('wrangler.toml'), 'utf8')

/** A wallet, and not one that real money is refused to. */
const SOLANA_PAYEE = wallet(99).address

const TEST: Deployment = {
  money: 'test',
  worker: 'newsstand-test',
  siteUrl: 'https://newsstand-test.daily.workers.dev',
  route: null,
  payTo: { eip155: `0x${'1'.repeat(40)}` },
  networks: ['eip155:84532'],
  facilitators: null,
  originUrl: null,
  brand: 'news.example',
  kv: { title: 'newsstand-test-content', id: 'c'.repeat(32) },
  d1: { name: 'newsstand-test-ledger', id: 'dddddddd-dddd-4ddd-8ddd-000000000001' },
  bucket: null,
  sold: { path: '/articles/*', price: '$0.05', content: 'kv' },
  cpuMs: null,
  dataset: null,
}
const LIVE: Deployment = {
  ...TEST,
  money: 'live',
  worker: 'newsstand-live',
  siteUrl: 'https://news.example',
  route: { pattern: 'news.example/*', zone: 'news.example' },
  networks: ['eip155:8453'],
  facilitators: ['cdp', 'https://facilitator.example'],
  kv: { title: 'newsstand-live-content', id: 'e'.repeat(32) },
  d1: { name: 'newsstand-live-ledger', id: 'dddddddd-dddd-4ddd-8ddd-000000000002' },
  sold: null,
}

function textOf(text: string, deployment: Deployment): string {
  const result = written(text, deployment, knownOf(reading(text).environments.get(deployment.money)))
  if (!result.ok) throw new Error(result.error)
  return result.value
}
const environmentOf = (text: string, name: string) => {
  const found = reading(text).environments.get(name)
  if (found === undefined) throw new Error(`no ${name}`)
  return found
}

describe('wrangler.toml', () => {
  test.each([TEST, { ...LIVE, sold: TEST.sold }])(
    'a new environment is what the worker takes, and the rest stays',
    (deployment) => {
      const text = textOf(SHIPPED, deployment)
      expect(text.startsWith(SHIPPED)).toBe(true)
      expect(mustLeaveTheRest(SHIPPED, text, deployment.money).environments.has(deployment.money)).toBe(true)
      expect(problemsOf(environmentOf(text, deployment.money))).toEqual([])
    },
  )

  test('written twice, it is the same', () => {
    const once = textOf(SHIPPED, TEST)
    expect(textOf(once, TEST)).toBe(once)
    const both = textOf(once, LIVE)
    expect(textOf(both, LIVE)).toBe(both)
    expect(textOf(both, TEST)).toBe(both)
  })

  test('a route of the top level is never the test deployment’s', () => {
    const byHand = SHIPPED.replace('workers_dev = true', 'workers_dev = false\nroutes = ["news.example/*"]')
    expect(environmentOf(textOf(byHand, TEST), 'test').routes).toEqual([])
  })

  test('what differs is changed in its place, and what was written by hand stays', () => {
    const byHand = textOf(SHIPPED, TEST).concat(
      '# By hand.\n[[env.test.vars.ROUTES]]\npath = "/press"\nprice = "free"\n',
    )
    const text = textOf(byHand, { ...TEST, sold: { path: '/articles/*', price: '$0.07', content: null }, cpuMs: 500 })
    const { vars, limits } = environmentOf(text, 'test')
    expect(vars.ROUTES).toMatchObject([
      { path: '/articles/*', price: '$0.07', content: 'kv' },
      { path: '/press', price: 'free' },
    ])
    expect(limits).toEqual({ cpu_ms: 500 })
    expect(text).toContain('# By hand.')
    expect(text.startsWith(SHIPPED)).toBe(true)
  })

  test('Solana beside Base: the payee and the network are added, and what stands there stays', () => {
    const BOTH = { eip155: TEST.payTo.eip155, solana: SOLANA_PAYEE }
    const networks = networksFor('test', { solana: SOLANA_PAYEE }, TEST.networks)
    expect(networks).toEqual(['eip155:84532', 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'])
    const text = textOf(textOf(SHIPPED, TEST), { ...TEST, payTo: BOTH, networks })
    expect(text).toContain(`PAY_TO = { eip155 = "${BOTH.eip155}", solana = "${SOLANA_PAYEE}" }\n`)
    const { vars } = environmentOf(text, 'test')
    expect(vars).toMatchObject({ PAY_TO: BOTH, NETWORKS: networks })
    expect(problemsOf(environmentOf(text, 'test'))).toEqual([])
    expect(textOf(text, { ...TEST, payTo: BOTH, networks })).toBe(text)
  })

  test('Solana alone', () => {
    const payTo = { solana: SOLANA_PAYEE }
    const networks = networksFor('live', payTo, [])
    expect(networks).toEqual(['solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp'])
    const text = textOf(SHIPPED, { ...LIVE, payTo, networks, sold: TEST.sold })
    expect(text).toContain(`PAY_TO = { solana = "${SOLANA_PAYEE}" }\n`)
    expect(problemsOf(environmentOf(text, 'live'))).toEqual([])
  })

  test('a payee that stands ready adds no network, and networks by hand stay', () => {
    expect(networksFor('live', {}, ['eip155:137'])).toEqual(['eip155:137'])
    expect(networksFor('live', { eip155: 'a', solana: 'b' }, ['eip155:137'])).toEqual([
      'eip155:137',
      'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp',
    ])
  })

  test('a new route comes behind the others, and a bucket with the first that lies in R2', () => {
    const text = textOf(textOf(SHIPPED, TEST), {
      ...TEST,
      bucket: 'newsstand-test-content',
      sold: { path: '/media/*', price: '$0.02', content: 'r2' },
    })
    const test = environmentOf(text, 'test')
    expect(test.vars.ROUTES.map(({ path }) => path)).toEqual(['/articles/*', '/media/*'])
    expect(test.r2_buckets).toEqual([{ binding: 'CONTENT_R2', bucket_name: 'newsstand-test-content' }])
    expect(problemsOf(test)).toEqual([])
  })

  test('Analytics Engine is bound where it was asked for, once', () => {
    const first = textOf(SHIPPED, { ...TEST, dataset: 'newsstand_test' })
    const later = textOf(textOf(SHIPPED, TEST), { ...TEST, dataset: 'newsstand_test' })
    for (const text of [first, later, textOf(later, { ...TEST, dataset: 'newsstand_test' })]) {
      expect(text.match(/^dataset = /gm)).toHaveLength(1)
      expect(environmentOf(text, 'test').analytics_engine_datasets).toEqual([{ binding: 'ANALYTICS' }])
      expect(problemsOf(environmentOf(text, 'test'))).toEqual([])
    }
    expect(textOf(SHIPPED, TEST)).not.toMatch(/^dataset = /m)
  })

  test('an environment that is written in another way is refused, not overwritten', () => {
    const inline = `${SHIPPED}\n[env.test]\nname = "mine"\nvars = { SITE_URL = "https://a.example" }\n`
    expect(written(inline, TEST, knownOf(environmentOf(inline, 'test')))).toMatchObject({
      ok: false,
      error: expect.stringContaining('by hand'),
    })
  })

  test('an edit that would touch anything else is refused', () => {
    const text = textOf(SHIPPED, TEST)
    const sly = text.replace('compatibility_date = "2026-08-01"', 'compatibility_date = "2026-08-02"')
    expect(() => mustLeaveTheRest(SHIPPED, sly, 'test')).toThrow('without touching its top level')
    expect(() => mustLeaveTheRest(SHIPPED, text, 'test')).not.toThrow()
  })

  test('a top level that takes real money is left alone', () => {
    const real = SHIPPED.replace('NETWORKS = ["eip155:84532"]', 'NETWORKS = ["eip155:8453"]')
    expect(() => mustBeDemo(reading(real))).toThrow(
      'The top level of wrangler.toml takes real money (NETWORKS names eip155:8453)',
    )
    expect(() => mustBeDemo(reading(SHIPPED))).not.toThrow()
  })

  test('a file that cannot be read is told with wrangler’s words', () => {
    expect(() => reading('name = ')).toThrow('wrangler.toml cannot be read')
  })
})

describe('test money and real money', () => {
  const separate = (deployment: Deployment, limiter: string): Separate => ({
    worker: deployment.worker,
    routes: deployment.route === null ? [] : [deployment.route.pattern],
    sites: [deployment.siteUrl],
    kvIds: [deployment.kv.id],
    d1Ids: [deployment.d1.id],
    buckets: deployment.bucket === null ? [] : [deployment.bucket],
    limiters: [limiter],
    networks: deployment.networks,
  })
  const [test_, live] = [separate(TEST, '4022'), separate(LIVE, '4023')]

  test('share nothing', () => {
    expect(sharedProblems(test_, live)).toEqual({ ok: true, value: null })
  })

  test.each([
    ['the name', { worker: live.worker }],
    ['the route', { routes: live.routes }],
    ['SITE_URL', { sites: live.sites }],
    ['the KV namespace', { kvIds: live.kvIds }],
    ['the D1 database', { d1Ids: live.d1Ids }],
    ['the rate limiter', { limiters: live.limiters }],
  ])('%s in common is refused', (what, change) => {
    const result = sharedProblems({ ...test_, ...change }, live)
    expect(result).toMatchObject({ ok: false, error: expect.stringContaining(`share ${what} `) })
  })

  test('a bucket in common is refused', () => {
    expect(sharedProblems({ ...test_, buckets: ['b'] }, { ...live, buckets: ['b'] }).ok).toBe(false)
  })

  test('each has its own kind of network', () => {
    expect(sharedProblems({ ...test_, networks: ['eip155:8453'] }, live).ok).toBe(false)
    expect(sharedProblems(test_, { ...live, networks: ['eip155:84532'] }).ok).toBe(false)
  })

  test('what is not made yet is nothing in common', () => {
    expect(
      sharedProblems({ ...test_, kvIds: [NO_KV], d1Ids: [NO_D1] }, { ...live, kvIds: [NO_KV], d1Ids: [NO_D1] }).ok,
    ).toBe(true)
  })
})

describe('what is to be done', () => {
  const NOTHING: Found = { namespaces: [], databases: [], buckets: null, secrets: [] }
  const known = knownOf(environmentOf(textOf(SHIPPED, TEST), 'test'))
  const kv = { id: TEST.kv.id, title: TEST.kv.title }
  const d1 = { uuid: TEST.d1.id, name: TEST.d1.name }

  test('everything, in an empty account', () => {
    const plan = planOf(TEST, null, NOTHING, [])
    expect(plan.ok && linesOf(plan.value, TEST.worker)).toEqual([
      'make     KV namespace newsstand-test-content',
      'make     D1 database newsstand-test-ledger',
      'write    wrangler.toml, as shown below',
      'migrate  D1 database newsstand-test-ledger',
      'put      PASS_SECRET, RECEIPT_KEY into newsstand-test',
      'check    newsstand-test with doctor',
      'deploy   newsstand-test',
    ])
  })

  test('what bears the name is found, though wrangler.toml does not know it', () => {
    expect(planOf(TEST, null, { ...NOTHING, namespaces: [kv], databases: [d1] }, [])).toMatchObject({
      value: { kv: { id: kv.id }, d1: { id: d1.uuid } },
    })
  })

  test('an id that the account does not have is never replaced by another', () => {
    expect(planOf(TEST, known, { ...NOTHING, databases: [d1] }, [])).toMatchObject({
      ok: false,
      error: expect.stringContaining(`names the KV namespace ${kv.id}, and this account has none with that id`),
    })
    expect(planOf(TEST, known, { ...NOTHING, namespaces: [kv] }, [])).toMatchObject({ ok: false })
  })

  test('a secret that is there is not made again', () => {
    expect(planOf(TEST, null, { ...NOTHING, secrets: ['PASS_SECRET'] }, [])).toMatchObject({
      value: { secrets: ['RECEIPT_KEY'] },
    })
  })

  test('Coinbase’s key is asked for once, where its facilitator is used', () => {
    const keys = ['CDP_API_KEY_ID', 'CDP_API_KEY_SECRET']
    expect(planOf(LIVE, null, NOTHING, ['CDP_API_KEY_ID'])).toMatchObject({
      error: expect.stringContaining('CDP_API_KEY_SECRET of newsstand-live is not set'),
    })
    expect(planOf(LIVE, null, { ...NOTHING, secrets: keys }, [])).toMatchObject({ ok: true })
    expect(planOf({ ...LIVE, facilitators: ['https://facilitator.example'] }, null, NOTHING, [])).toMatchObject({
      value: { secrets: ['PASS_SECRET', 'RECEIPT_KEY'] },
    })
  })

  test('a bucket that is there is kept', () => {
    const deployment = { ...TEST, bucket: 'b' }
    expect(planOf(deployment, null, { ...NOTHING, buckets: ['b'] }, [])).toMatchObject({
      value: { bucket: { isThere: true } },
    })
    expect(planOf(deployment, null, { ...NOTHING, buckets: [] }, [])).toMatchObject({
      value: { bucket: { isThere: false } },
    })
  })
})

describe('answers', () => {
  test('without flags it is test money, and nothing is known', () => {
    expect(readFlags([])).toMatchObject({ money: 'test', domain: null, payTo: null, isLocal: false, isDry: false })
  })

  test('are read as people write them', () => {
    const flags = ['--domain', 'https://News.example/', '--price', '$0.5', '--money', 'real', '--facilitator', 'cdp']
    expect(readFlags(flags)).toMatchObject({
      domain: 'news.example',
      sold: { price: '$0.50' },
      money: 'live',
      facilitators: ['cdp'],
    })
  })

  test('an address says by its form which network it is for, or by a word in front; both may be given', () => {
    const [evm, solana] = [`0x${'1'.repeat(40)}`, SOLANA_PAYEE]
    const payTo = (...given: string[]) => readFlags(given.flatMap((address) => ['--pay-to', address]))?.payTo
    expect(payTo(evm)).toEqual({ eip155: evm })
    expect(payTo(solana)).toEqual({ solana })
    expect(payTo(`solana:${solana}`, evm)).toEqual({ eip155: evm, solana })
    expect(payTo(`eip155:${evm}, ${solana}`)).toEqual({ eip155: evm, solana })
    expect(readPayTo(QUESTIONS.payTo.read(`${solana} ${evm}`))).toEqual({ eip155: evm, solana })
  })

  test.each([
    [['--pay-to', SOLANA_PAYEE, '--pay-to', `solana:${SOLANA_PAYEE}`], 'there are two addresses for Solana'],
    [['--pay-to', `0x${'1'.repeat(40)} 0x${'2'.repeat(40)}`], 'there are two addresses for EVM networks'],
    [['--pay-to', ' '], '--pay-to names nobody: write 0x… or a Solana address'],
    [['--pay-to', `solana:0x${'1'.repeat(40)}`], 'write a Solana address: 32 bytes in base58'],
    [['--pay-to', '11111111111111111111111111111111'], 'this is the system program, not a wallet'],
    [['--domain', 'localhost'], '--domain localhost is not a domain'],
    [['--domain', 'news.example/a'], '--domain news.example/a is not a domain'],
    [['--pay-to', '0x123'], '--pay-to 0x123: write an EVM address: 0x and 40 hexadecimal digits'],
    [['--pay-to', `0x${'0'.repeat(40)}`], 'this is the zero address'],
    [
      ['--path', 'articles/*'],
      "--path articles/* does not start with a slash: write a path such as '/articles/*', in quotation marks",
    ],
    [['--price', 'free'], '--price free: write a price such as "$0.05"'],
    [['--price', '0'], '--price 0: a price of zero is written "free"'],
    [['--price', '0.0000001'], 'a price has at most 6 decimals, this one has 7'],
    [['--money', 'both'], '--money both is neither of the two: write test or real'],
    [['--content', 'disk'], '--content disk is no place: write origin (your own site), kv or r2'],
    [['--local', '--money', 'real'], '--local never takes real money'],
    [['--facilitator', 'cdp'], '--facilitator is for real money'],
    [['--money', 'real', '--facilitator', 'http://f.example'], '--facilitator: write an https:// URL'],
    [['--cpu-ms', 'many'], '--cpu-ms many is not a time: write whole milliseconds, from 10 to 300000'],
    [['--unknown'], 'usage: npm run setup'],
  ])('%j is refused', (flags, sentence) => {
    expect(() => readFlags(flags)).toThrow(sentence)
  })

  test('at a terminal a question is asked until it is answered', async () => {
    const typed = ['nowhere', 'news.example']
    const said: string[] = []
    const answer = await answerTo(
      QUESTIONS.domain,
      async () => typed.shift() ?? '',
      (line) => said.push(line),
    )
    expect(answer).toBe('news.example')
    expect(said).toEqual(['--domain nowhere is not a domain: write its name alone, such as news.example'])
  })

  test('without a terminal the flag is named', async () => {
    await expect(answerTo(QUESTIONS.price, null, () => undefined)).rejects.toThrow(
      '--price is missing, and there is no terminal to ask at. Write it: --price …',
    )
  })
})

describe('failures', () => {
  test.each([
    ['Invalid access token [code: 9109]', 'You are not logged in to Cloudflare.'],
    [
      'More than one account available but unable to select one',
      'several accounts. Choose one by CLOUDFLARE_ACCOUNT_ID=…',
    ],
    ['Please enable R2 through the Cloudflare Dashboard. [code: 10042]', 'R2 is not enabled in this account.'],
    ['CPU limits are not supported for the Free plan. [code: 100328]', 'The Free plan refuses a limit of CPU time.'],
    ['Could not find zone for `news.example`.', 'The domain is no zone of this account.'],
    ['A route with the same pattern already exists. [code: 10020]', 'Another worker lies on this route.'],
    ['Authentication error [code: 10000]', 'This login or token may not do that.'],
    ['fetch failed', 'Cloudflare cannot be reached.'],
  ])('%s', (words, sentence) => {
    expect(sentenceFor('Deploying newsstand-test', words)).toMatch(/^Deploying newsstand-test: /)
    expect(sentenceFor('Deploying newsstand-test', words)).toContain(sentence)
  })

  test('what is not known is told in wrangler’s words', () => {
    const sentence = sentenceFor('Deploying newsstand-test', '🌀 Building\n✘ [ERROR] The moon is full. [code: 4711]\n')
    expect(sentence).toContain('Wrangler says: The moon is full. [code: 4711]')
    expect(sentence).toContain('run this again')
  })
})
