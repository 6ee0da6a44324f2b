// `npm run setup`, from a clone to two deployments, against a stand-in of Cloudflare's API that notes each call.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inCheckout } from '../../dev/stack/paths.ts'
import type { Run } from '../world/checkout.ts'
import { ACCOUNT, type Fault, TOKEN } from '../world/cloudflare-api.ts'
import { type Publisher, startPublisher } from '../world/setup.ts'

/** Each command of wrangler takes seconds on a busy machine, and one run of setup has ten. */
const RUN_LIMIT_MS = 240_000

const PAYEE = `0x${'2'.repeat(40)}`
const put = (worker: string) => `PUT /workers/scripts/${worker}`
/** What `wrangler deploy` changes. */
const deployed = (worker: string) => [
  put(worker),
  `PATCH /workers/scripts/${worker}/script-settings`,
  `POST /workers/scripts/${worker}/subdomain`,
  `PUT /workers/scripts/${worker}/schedules`,
]
/** The ledger's. */
const MIGRATIONS = readdirSync(inCheckout('migrations')).length

describe('with an account', { timeout: RUN_LIMIT_MS }, () => {
  let publisher: Publisher
  let first: Run
  const shipped = () => publisher.checkout.read('wrangler.toml')
  let before: string

  beforeAll(async () => {
    publisher = await startPublisher()
    before = shipped()
    first = await publisher.setup()
  }, RUN_LIMIT_MS)
  afterAll(() => publisher.leave())

  const secretsOf = (worker: string) => [...(publisher.api.workers.get(worker)?.secrets ?? [])]
  const bindingsOf = (worker: string) => publisher.api.workers.get(worker)?.deployed.at(-1)?.bindings ?? []
  const bindingOf = (worker: string, name: string) => bindingsOf(worker).find((binding) => binding.name === name)

  test('one command deploys to test money, the secrets before the first request', () => {
    expect(first).toMatchObject({ status: 0, output: expect.stringContaining('deployed newsstand-test') })
    expect(publisher.api.changes()).toEqual([
      'POST /storage/kv/namespaces',
      'POST /d1/database',
      ...Array.from({ length: MIGRATIONS }, () => 'POST /d1/database/query'),
      'PATCH /workers/scripts/newsstand-test/secrets-bulk',
      put('newsstand-test'),
      'PATCH /workers/scripts/newsstand-test/secrets-bulk',
      ...deployed('newsstand-test'),
    ])
    expect(publisher.doctorRuns()).toEqual(['-c wrangler.toml --env test --remote'])
  })

  test('the test deployment lies at workers.dev, and on no route', () => {
    expect([...publisher.api.routes]).toEqual([])
    expect(bindingOf('newsstand-test', 'SITE_URL')).toMatchObject({ text: 'https://newsstand-test.daily.workers.dev' })
    expect(bindingOf('newsstand-test', 'NETWORKS')).toMatchObject({ json: ['eip155:84532'] })
  })

  test('no bucket is asked for or made where no route uses one', () => {
    expect(publisher.api.calls.filter(({ path }) => path.includes('/r2/'))).toEqual([])
    expect(bindingOf('newsstand-test', 'CONTENT_R2')).toBeUndefined()
  })

  test('nothing of wrangler.toml is lost, and each new line was printed', () => {
    const now = shipped()
    expect(now.startsWith(before)).toBe(true)
    const printed = [...first.output.matchAll(/^ {2}\+ \d+: ?(.*)$/gm)].map(([, line]) => line)
    expect(printed.filter((line) => line !== '')).toEqual(
      now
        .slice(before.length)
        .split('\n')
        .filter((line) => line !== ''),
    )
    expect(first.output).not.toMatch(/^ {2}- \d+:/m)
  })

  test('the migrations are applied, each once', () => {
    const [ledger] = publisher.api.databases
    expect(ledger?.sql.prepare('SELECT name FROM d1_migrations').all()).toHaveLength(MIGRATIONS)
    expect(ledger?.sql.prepare('SELECT count(*) AS rows FROM payments').get()).toEqual({ rows: 0 })
  })

  test('nothing secret is printed, written to a file, or on a command line', () => {
    const values = secretsOf('newsstand-test').map(([, value]) => value)
    expect(secretsOf('newsstand-test').map(([name]) => name)).toEqual(['PASS_SECRET', 'RECEIPT_KEY'])
    const lines = publisher.checkout.commandLines()
    expect(lines).toContain('secret bulk')
    for (const secret of [TOKEN, ...values]) {
      expect(secret.length).toBeGreaterThan(20)
      for (const text of [first.output, lines, shipped()]) expect(text).not.toContain(secret)
    }
  })

  test('run again without an answer, it makes nothing new and keeps what was written by hand', async () => {
    const byHand = shipped().concat(
      '# Free for everybody.\n[[env.test.vars.ROUTES]]\npath = "/press/*"\nprice = "free"\n',
    )
    publisher.checkout.write('wrangler.toml', byHand)
    const secrets = secretsOf('newsstand-test')
    publisher.api.calls.length = 0
    const again = await publisher.setupAgain()
    expect(again).toMatchObject({ status: 0, output: expect.stringContaining('wrangler.toml stays as it is') })
    expect(shipped()).toBe(byHand)
    expect(secretsOf('newsstand-test')).toEqual(secrets)
    expect(publisher.api.changes()).toEqual([...deployed('newsstand-test')])
  })

  test('a dry run changes nothing, and says what it would do', async () => {
    const text = shipped()
    publisher.api.calls.length = 0
    const dry = await publisher.setupAgain(['--dry-run', '--path', '/articles/*', '--price', '0.07'])
    expect(dry).toMatchObject({ status: 0, output: expect.stringContaining('price = "$0.07"') })
    expect(dry.output).toContain('Nothing was done')
    expect(publisher.api.changes()).toEqual([])
    expect(shipped()).toBe(text)
  })

  test('where doctor finds an error, nothing is deployed', async () => {
    publisher.checkout.write('doctor-finds-an-error', '')
    publisher.api.calls.length = 0
    const stopped = await publisher.setupAgain()
    await publisher.checkout.run('rm', ['doctor-finds-an-error'])
    expect(stopped).toMatchObject({
      status: 1,
      output: expect.stringContaining('doctor found errors, so nothing was deployed'),
    })
    expect(publisher.api.changes()).toEqual([])
  })

  test('where Coinbase’s key is missing, it says so before anything is made', async () => {
    publisher.api.calls.length = 0
    const text = shipped()
    const refused = await publisher.setupAgain(['--money', 'real', '--domain', 'news.example', '--pay-to', PAYEE])
    expect(refused.status).toBe(1)
    expect(refused.output).toContain('CDP_API_KEY_ID and CDP_API_KEY_SECRET of newsstand-live is not set')
    expect(publisher.api.changes()).toEqual([])
    expect(shipped()).toBe(text)
  })

  test('a domain that is no zone of the account stops real money before anything is made', async () => {
    publisher.api.calls.length = 0
    const refused = await publisher.setupAgain(['--money', 'real', '--domain', 'other.example', '--pay-to', PAYEE])
    expect(refused.status).toBe(1)
    expect(refused.output).toContain('other.example lies in no zone of this account. Add the domain in the dashboard')
    expect(publisher.api.changes()).toEqual([])
  })

  test('real money comes after test money, and shares nothing with it', async () => {
    publisher.api.calls.length = 0
    const [id, secret] = ['the id of a key at Coinbase', 'the secret of a key at Coinbase']
    const flags = ['--money', 'real', '--domain', 'www.news.example', '--pay-to', PAYEE]
    const run = await publisher.setupAgain(flags, { CDP_API_KEY_ID: id, CDP_API_KEY_SECRET: secret })
    expect(run).toMatchObject({
      status: 0,
      output: expect.stringContaining('deployed newsstand-live at https://www.news.example'),
    })
    const changes = publisher.api.changes()
    const deploys = changes.filter((change) => /^PUT \/workers\/scripts\/[^/]+$/.test(change))
    // The second is what wrangler makes to hold secrets.
    expect(deploys).toEqual([put('newsstand-test'), put('newsstand-live'), put('newsstand-live')])
    expect(changes.lastIndexOf('PATCH /workers/scripts/newsstand-live/secrets-bulk')).toBeLessThan(
      changes.lastIndexOf(put('newsstand-live')),
    )
    expect([...publisher.api.routes]).toEqual([['www.news.example/*', 'newsstand-live']])
    expect(publisher.doctorRuns().at(-1)).toBe('-c wrangler.toml --env live --remote --first')
    for (const binding of ['CONTENT_KV', 'LEDGER_DB', 'FAILED_PAYMENTS', 'SITE_URL', 'NETWORKS', 'FACILITATORS']) {
      expect(bindingOf('newsstand-live', binding)).toBeDefined()
      expect(bindingOf('newsstand-live', binding)).not.toEqual(bindingOf('newsstand-test', binding))
    }
    // What is sold, and what was written by hand, is taken over.
    expect(bindingOf('newsstand-live', 'ROUTES')).toEqual(bindingOf('newsstand-test', 'ROUTES'))
    expect(shipped().match(/^# Free for everybody\.$/gm)).toHaveLength(2)
    const live = new Map(secretsOf('newsstand-live'))
    expect(live.get('CDP_API_KEY_SECRET')).toBe(secret)
    expect([...live.keys()]).toEqual(['PASS_SECRET', 'RECEIPT_KEY', 'CDP_API_KEY_ID', 'CDP_API_KEY_SECRET'])
    for (const [name, value] of secretsOf('newsstand-test')) expect(live.get(name)).not.toBe(value)
    for (const value of live.values()) {
      for (const text of [run.output, publisher.checkout.commandLines(), shipped()]) expect(text).not.toContain(value)
    }
  })

  test('the Free plan’s refusal of a CPU limit is told with what to do', async () => {
    const secrets = secretsOf('newsstand-test')
    publisher.api.fault = ({ method, body }) =>
      method === 'PUT' && body.includes('"cpu_ms"')
        ? { status: 400, code: 100328, message: 'CPU limits are not supported for the Free plan.' }
        : undefined
    const refused = await publisher.setupAgain(['--cpu-ms', '500'])
    publisher.api.fault = () => undefined
    expect(refused.status).toBe(1)
    expect(refused.output).toContain(
      'The Free plan refuses a limit of CPU time. Take the Paid plan, or remove the line with limits from wrangler.toml',
    )
    expect(secretsOf('newsstand-test')).toEqual(secrets)
  })

  test('Analytics Engine that is not enabled is told with what to do', async () => {
    publisher.api.fault = ({ method, body }) =>
      method === 'PUT' && body.includes('"analytics_engine"')
        ? { status: 403, code: 10089, message: 'You need to enable Analytics Engine.' }
        : undefined
    const written = shipped()
    const refused = await publisher.setupAgain(['--analytics'])
    publisher.api.fault = () => undefined
    publisher.checkout.write('wrangler.toml', written)
    expect(refused.status).toBe(1)
    expect(refused.output).toContain('Analytics Engine is not enabled in this account. Open it in the dashboard once')
  })

  test('npm run deploy asks which deployment is meant', async () => {
    publisher.api.calls.length = 0
    const run = await publisher.checkout.run('npm', ['run', '--silent', 'deploy'], publisher.login)
    expect(run.status).toBe(1)
    expect(run.output).toContain(
      'wrangler.toml has several deployments. Say which one:\n  npm run deploy -- --env test\n',
    )
    expect(publisher.api.calls).toEqual([])
  })

  test('npm run deploy checks, migrates and deploys that one alone', async () => {
    publisher.api.calls.length = 0
    const run = await publisher.checkout.run(
      'npm',
      ['run', '--silent', 'deploy', '--', '--env', 'test'],
      publisher.login,
    )
    expect(run.status).toBe(0)
    expect(publisher.doctorRuns().at(-1)).toBe('-c wrangler.toml --env test --remote')
    expect(publisher.api.changes()).toEqual(deployed('newsstand-test'))
  })
})

describe('what stops it is said with what to do, and nothing is made', { timeout: RUN_LIMIT_MS }, () => {
  let publisher: Publisher
  beforeAll(async () => {
    publisher = await startPublisher()
  })
  afterAll(() => publisher.leave())

  async function refusalOf(flags: readonly string[], env: Record<string, string> = {}, fault: Fault = () => undefined) {
    const before = publisher.checkout.read('wrangler.toml')
    publisher.api.fault = fault
    const run = await publisher.setup(flags, env)
    publisher.api.fault = () => undefined
    expect(run.status).toBe(1)
    expect(publisher.api.changes()).toEqual([])
    expect(publisher.checkout.read('wrangler.toml')).toBe(before)
    return run.output
  }

  test('no login', async () => {
    expect(await refusalOf([], { CLOUDFLARE_API_TOKEN: '' })).toContain(
      'You are not logged in to Cloudflare. Run npx wrangler login, or put an API token into CLOUDFLARE_API_TOKEN',
    )
  })

  test('a token that Cloudflare refuses', async () => {
    const output = await refusalOf([], { CLOUDFLARE_API_TOKEN: 'a-token-of-somebody' })
    expect(output).toContain('You are not logged in to Cloudflare')
    expect(output).not.toContain('a-token-of-somebody')
  })

  test('several accounts, and one that this login does not have', async () => {
    publisher.api.accounts.push({ id: 'b'.repeat(32), name: 'Another' })
    const output = await refusalOf([])
    const wrong = await refusalOf([], { CLOUDFLARE_ACCOUNT_ID: 'c'.repeat(32) })
    publisher.api.accounts.pop()
    expect(output).toContain('This login has several accounts. Choose one by CLOUDFLARE_ACCOUNT_ID=…')
    expect(output).toContain(`${ACCOUNT}  The Daily Stand`)
    expect(wrong).toContain(`This login has no account ${'c'.repeat(32)}`)
  })

  test('R2 that is not enabled', async () => {
    const fault: Fault = ({ path }) =>
      path.includes('/r2/')
        ? { status: 403, code: 10042, message: 'Please enable R2 through the Cloudflare Dashboard.' }
        : undefined
    expect(await refusalOf(['--content', 'r2'], {}, fault)).toContain(
      'R2 is not enabled in this account. Open R2 in the dashboard once and enable it, or sell from elsewhere with --content kv',
    )
  })

  test('no terminal to ask at', async () => {
    const run = await publisher.setupAgain(['--domain', 'news.example'])
    expect(run.status).toBe(1)
    expect(run.output).toContain('--pay-to is missing, and there is no terminal to ask at. Write it: --pay-to …')
    expect(publisher.api.changes()).toEqual([])
  })
})

describe('on this machine alone', { timeout: RUN_LIMIT_MS }, () => {
  let publisher: Publisher
  let run: Run
  beforeAll(async () => {
    publisher = await startPublisher()
    run = await publisher.setup(['--local'], { CLOUDFLARE_API_TOKEN: '' })
  }, RUN_LIMIT_MS)
  afterAll(() => publisher.leave())

  test('it asks nobody, and says what to type next', () => {
    expect(run.status).toBe(0)
    expect(publisher.api.calls).toEqual([])
    expect(run.output).toContain('npx wrangler dev --env test')
    expect(run.output).toContain('curl -i http://localhost:8787/articles/my-piece')
  })

  test('its secrets are new, for this user alone, and printed nowhere', () => {
    const { folder, read } = publisher.checkout
    expect(statSync(join(folder, '.dev.vars')).mode & 0o077).toBe(0)
    const values = [...read('.dev.vars').matchAll(/^(?:PASS_SECRET|RECEIPT_KEY)='(.{20,})'$/gm)].map(
      ([, value = '']) => value,
    )
    expect(values).toHaveLength(2)
    for (const value of values) {
      for (const text of [run.output, publisher.checkout.commandLines()]) expect(text).not.toContain(value)
    }
  })

  test('run again, it changes nothing', async () => {
    const files = ['wrangler.toml', '.dev.vars'].map((file) => publisher.checkout.read(file))
    const again = await publisher.setupAgain(['--local'], { CLOUDFLARE_API_TOKEN: '' })
    expect(again.status).toBe(0)
    expect(['wrangler.toml', '.dev.vars'].map((file) => publisher.checkout.read(file))).toEqual(files)
  })

  test('the ledger is there', async () => {
    const args = [
      'wrangler',
      'd1',
      'execute',
      'LEDGER_DB',
      '--local',
      '--env',
      'test',
      '--json',
      '--command',
      'SELECT count(*) AS n FROM payments',
    ]
    expect((await publisher.checkout.run('npx', args)).output).toContain('"n": 0')
  })
})
