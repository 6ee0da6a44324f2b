// What takes minutes of `npm run setup`: broken off at each change and run again, and the guide's commands as they are written.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { inCheckout } from '../../dev/stack/paths.ts'
import { type Call, isChange } from '../world/cloudflare-api.ts'
import { startPublisher } from '../world/setup.ts'

const MINUTES = 60_000
/** The ledger's. */
const MIGRATIONS = readdirSync(inCheckout('migrations')).length

/** A change of the account, told from others: one with the code of a worker from one without, queries of D1 by their text. */
const nameOf = ({ method, path, body }: Call, workers: number) =>
  [method, path, path.endsWith('/query') ? body.slice(0, 60) : body.length > 10_000, workers].join(' ')

test(
  'broken off at each change and run again, it ends where one run ends',
  async () => {
    const publisher = await startPublisher()
    const { api, checkout } = publisher
    const broken = new Set<string>()
    const secrets = new Set<string>()
    const statuses: number[] = []
    let last = await publisher.setup(['--dry-run'])
    for (let isBroken = true; isBroken; ) {
      isBroken = false
      // One change is made and nobody hears of it; from then on nothing is answered as hoped, until the next run.
      api.fault = (call) => {
        if (isBroken) return { status: 400, code: 7003, message: 'Broken off.' }
        const name = nameOf(call, api.workers.size)
        if (!isChange(call) || broken.has(name)) return undefined
        broken.add(name)
        isBroken = true
        return 'lose the answer'
      }
      last = await publisher.setup()
      statuses.push(last.status)
      const secret = api.workers.get('newsstand-test')?.secrets.get('PASS_SECRET')
      if (secret !== undefined) secrets.add(secret)
      expect(last.output).not.toContain(secret ?? 'nothing yet')
    }
    const text = checkout.read('wrangler.toml')
    const [ledger] = api.databases
    const migrations = ledger?.sql.prepare('SELECT name FROM d1_migrations').all()
    const worker = api.workers.get('newsstand-test')
    const namespaces = [...api.namespaces]
    await publisher.leave()

    expect(last).toMatchObject({ status: 0, output: expect.stringContaining('deployed newsstand-test') })
    // Two of storage, the migrations, three for the secrets (there is no worker, it is made, they are put), and four of
    // `wrangler deploy`; then one run that ends.
    expect(statuses).toEqual([...Array.from({ length: 2 + MIGRATIONS + 3 + 4 }, () => 1), 0])
    expect(namespaces.map(({ title }) => title)).toEqual(['newsstand-test-content'])
    expect(api.databases.map(({ name }) => name)).toEqual(['newsstand-test-ledger'])
    expect(migrations).toHaveLength(MIGRATIONS)
    expect(text.match(/^\[env\.test\]$/gm)).toHaveLength(1)
    expect(text).toContain(`id = "${namespaces[0]?.id}"`)
    expect(text).toContain(`database_id = "${ledger?.uuid}"`)
    expect([...(worker?.secrets.keys() ?? [])]).toEqual(['PASS_SECRET', 'RECEIPT_KEY'])
    // No run replaced what an earlier one had put.
    expect(secrets.size).toBe(1)
    expect([...api.routes]).toEqual([])
  },
  20 * MINUTES,
)

/** The commands of a guide that Cloudflare or this machine can answer here; those that only a person can do are left out. */
function commandsOf(guide: string): string[] {
  const blocks = [...readFileSync(inCheckout(guide), 'utf8').matchAll(/```sh\n([\s\S]*?)```/g)].map(
    ([, block = '']) => block,
  )
  return blocks
    .flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'))
    .filter((line) => /^(npm run setup|npx wrangler (?!login))/.test(line))
}

test(
  'the guide from test money to real money runs as it is written',
  async () => {
    const publisher = await startPublisher()
    const { api, checkout } = publisher
    const runs: { command: string; status: number; output: string }[] = []
    for (const command of commandsOf('docs/guides/from-test-money-to-real-money.md')) {
      const env = {
        ...publisher.login,
        PAY_TO: `0x${'3'.repeat(40)}`,
        SPARE: 'https://facilitator.example',
        CDP_API_KEY_ID: 'the id of a key',
        CDP_API_KEY_SECRET: 'the secret of a key',
      }
      runs.push({ command, ...(await checkout.run('sh', ['-c', command], env)) })
    }
    await publisher.leave()
    expect(runs.filter(({ status }) => status !== 0)).toEqual([])
    expect(runs).toHaveLength(8)
    const [test, live] = api.namespaces.map(({ id }) => id)
    expect(api.articles).toEqual([`${test} /articles/my-piece`, `${live} /articles/my-piece`])
    expect([...api.routes]).toEqual([['news.example/*', 'newsstand-live']])
  },
  20 * MINUTES,
)
