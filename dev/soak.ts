// `npm run soak -- --seconds N [--seed S]`: random faults, hang-ups and kills against the real local stack, and then the
// counts that must be zero. Exit status 1 when one is not.
import { parseArgs } from 'node:util'
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { startChain, USDC } from './chain.ts'
import { startFacilitator } from './facilitator.ts'
import { audit, type Findings, KINDS } from './soak/audit.ts'
import { retryAll, signAgain } from './soak/calm.ts'
import { articles, catalogue, ROUTES, startPress, textOf } from './soak/catalogue.ts'
import { misbehave, Witness, wait } from './soak/faults.ts'
import { type Entry, Journal } from './soak/journal.ts'
import { Random } from './soak/random.ts'
import { read } from './soak/reader.ts'
import { type RpcProxy, startRpcProxy } from './soak/rpc.ts'
import { type LedgerRow, type SoakSite, startSite } from './soak/site.ts'
import { type Settlement, settlementsOnChain } from './soak/truth.ts'
import { wallets } from './wallets.ts'

const READERS = 14
const WALLETS = 10
const WEALTH = 100_000_000n
/** One wallet runs dry, so that there are real refusals. */
const POVERTY = 120_000n
const PROGRESS_MS = 5_000
const CALM_LIMIT_MS = 75_000
/** An alarm comes 20 s after a failure, and another 20 s later. */
const LEDGER_LIMIT_MS = 75_000

const stops: (() => Promise<void>)[] = []
let stopping = false

type Count = { purchases: number; kills: number[]; ways: Map<string, number> }

async function main(): Promise<void> {
  const { seconds, seed } = options()
  const random = new Random(seed)
  const witness = new Witness()
  console.log(`newsstand soak: ${seconds} s, seed ${seed}\n`)

  const accounts = Array.from({ length: WALLETS }, (_, i) => privateKeyToAccount(random.fork(`wallet ${i}`).hex()))
  const [poor, ...rich] = accounts
  if (!poor) return
  const chain = await startChain()
  stops.push(chain.stop)
  for (const { address } of rich) await chain.fund(address, WEALTH)
  await chain.fund(poor.address, POVERTY)
  const faults = misbehave(random.fork('facilitator'), witness)
  const facilitator = await startFacilitator({ rpcUrl: chain.rpcUrl, hook: faults.hook })
  stops.push(facilitator.stop)
  const rpc = await startRpcProxy(chain.rpcUrl, random.fork('rpc'), witness)
  stops.push(rpc.stop)
  const press = await startPress()
  stops.push(press.stop)
  const network = `eip155:${chain.chainId}`
  const site = await startSite({
    SITE_URL: 'https://news.example',
    PAY_TO: wallets.publisher.address,
    NETWORKS: [network],
    FACILITATORS: [facilitator.url],
    RPC_URLS: { [network]: rpc.url },
    ORIGIN_URL: press.url,
    ROUTES,
  })
  stops.push(site.stop)
  for (const { path } of articles) await site.putArticle(path, textOf(path))

  const journal = new Journal(site.port, chain.chainId)
  const count: Count = { purchases: 0, kills: [], ways: new Map() }
  const endsAt = Date.now() + seconds * 1_000
  const goesOn = () => !stopping && Date.now() < endsAt
  const startedAt = Date.now()
  const progress = setInterval(() => {
    const elapsed = String(Math.round((Date.now() - startedAt) / 1_000)).padStart(4)
    const settles = facilitator.counts.settle
    console.log(
      `${elapsed} s  ${journal.phase.padEnd(5)}  ${count.purchases} purchases, ${settles} settle calls, ` +
        `${journal.answers.get('200 whole') ?? 0} answers with content, ${count.kills.length} kills, ${journal.hangUps} hang-ups`,
    )
  }, PROGRESS_MS)
  stops.push(async () => clearInterval(progress))

  const everyone: [PrivateKeyAccount, ...PrivateKeyAccount[]] = [poor, ...rich]
  const readers = Array.from({ length: READERS }, (_, i) =>
    read(journal, everyone, random.fork(`reader ${i}`), goesOn, (way) => {
      count.purchases += 1
      count.ways.set(way, (count.ways.get(way) ?? 0) + 1)
    }),
  )
  await Promise.all([
    ...readers,
    killing(site, random.fork('kills'), goesOn, count.kills),
    hiding(site, random.fork('ledger'), goesOn, witness),
    weather(rpc, random.fork('weather'), goesOn),
    wait(seconds * 1_000).then(faults.lift),
  ])
  if (stopping) return

  journal.phase = 'calm'
  // What an empty wallet cannot pay stays in doubt until it expires.
  await chain.fund(poor.address, WEALTH)
  await untilDone(() => site.hideLedger(false))
  await faults.idle()
  const open = await retryAll(journal, Date.now() + CALM_LIMIT_MS)
  const onChain = () => settlementsOnChain(chain.rpcUrl, USDC, wallets.publisher.address)
  await signAgain(journal, (await onChain()).settlements, accounts, random.fork('calm'))
  const { settlements, stray } = await onChain()
  const ledger = await untilComplete(site, settlements)
  clearInterval(progress)

  const findings = audit({
    journal,
    settlements,
    stray,
    ledger,
    kills: count.kills,
    witness,
    once: (path) => catalogue.find((item) => item.path === path)?.once ?? false,
  })
  print({ seed, count, settlements, journal, witness, site, findings, open, startedAt })
  await shutdown(findings.violations.length + open.length > 0 ? 1 : 0)
}

function options(): { seconds: number; seed: string } {
  const { values } = parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' } } })
  const seconds = Number(values.seconds ?? '60')
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 86_400) {
    console.error('usage: npm run soak -- --seconds N [--seed S]')
    process.exit(2)
  }
  return { seconds, seed: values.seed ?? String(Math.floor(Math.random() * 1_000_000)) }
}

async function killing(site: SoakSite, random: Random, goesOn: () => boolean, kills: number[]): Promise<void> {
  while (goesOn()) {
    await wait(random.between(1_500, 6_000))
    if (!goesOn()) return
    kills.push(Date.now())
    await site.kill()
  }
}

/** The ledger is away for some seconds now and then. */
async function hiding(site: SoakSite, random: Random, goesOn: () => boolean, witness: Witness): Promise<void> {
  while (goesOn()) {
    await wait(random.between(4_000, 10_000))
    witness.count('ledger away')
    await site.hideLedger(true).catch(() => undefined)
    await wait(random.between(1_000, 5_000))
    await site.hideLedger(false).catch(() => undefined)
  }
}

async function weather(rpc: RpcProxy, random: Random, goesOn: () => boolean): Promise<void> {
  while (goesOn()) {
    rpc.change()
    await wait(random.between(800, 4_000))
  }
  rpc.lift()
}

/** A kill may break off what is asked of the local database. */
async function untilDone(work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (tries === 10) throw error
      await wait(500)
    }
  }
}

async function untilComplete(site: SoakSite, settlements: readonly Settlement[]): Promise<LedgerRow[]> {
  const deadline = Date.now() + LEDGER_LIMIT_MS
  for (;;) {
    const rows = await site.ledger()
    const isComplete = settlements.every(({ nonce }) => rows.some(({ id }) => id.endsWith(nonce)))
    if (isComplete || Date.now() > deadline) return rows
    await wait(1_000)
  }
}

type Outcome = {
  seed: string
  count: Count
  settlements: readonly Settlement[]
  journal: Journal
  witness: Witness
  site: SoakSite
  findings: Findings
  open: readonly Entry[]
  startedAt: number
}

function print({ seed, count, settlements, journal, witness, site, findings, open, startedAt }: Outcome): void {
  const line = (name: string, value: number | string) => console.log(`  ${name.padEnd(58)} ${value}`)
  const table = (counts: ReadonlyMap<string, number>) => {
    for (const [name, value] of [...counts].sort()) line(`  ${name}`, value)
  }
  console.log('')
  line('purchases attempted', count.purchases)
  table(count.ways)
  line('authorizations signed', journal.entries.size)
  line('settlements on chain', settlements.length)
  line('content served (whole answers)', findings.served)
  line('kills (SIGKILL, and back on the same state)', count.kills.length)
  line('hang-ups', journal.hangUps)
  line('faults', '')
  table(witness.counts)
  line('answers', '')
  table(journal.answers)
  line('worker log', '')
  table(site.events)
  line('cut off while being delivered (single answers)', findings.cutOff)
  line('paid twice after a lie of the facilitator, RPC failing', findings.lied)
  line('handed out again after a kill', findings.againAfterKill)
  console.log('\nmust be zero')
  for (const kind of KINDS) line(kind, findings.violations.filter((each) => each.kind === kind).length)
  line('outcome still open', open.length)
  const told = [
    ...findings.violations,
    ...open.map(({ payment }) => ({ kind: 'open', text: '', nonces: [payment.nonce] })),
  ]
  for (const { kind, text, nonces } of told) {
    console.log(`\n${kind}: ${text} (seed ${seed})`)
    for (const nonce of nonces) describe(nonce)
  }

  function describe(nonce: string): void {
    const entry = journal.entries.get(nonce)
    const settlement = settlements.find((each) => each.nonce === nonce)
    const at = (ms: number) => ((ms - startedAt) / 1_000).toFixed(3)
    const paid = settlement ? `settled ${at(settlement.timeSeconds * 1_000)} ${settlement.transaction}` : 'not settled'
    const known = witness.knownAt.get(nonce)
    console.log(
      `  ${nonce} by ${entry?.payment.payer}, ${paid}, answered by the facilitator ${known ? at(known) : 'never'}`,
    )
    console.log(
      `    identifier: ${entry?.payment.identifier ?? 'none'}; faults: ${witness.met.get(nonce)?.join(', ') ?? 'none'}`,
    )
    for (const made of entry?.tries ?? []) {
      console.log(
        `    ${at(made.startedMs)}–${at(made.endedMs)} ${made.path} ${made.version} ${made.phase}: ` +
          `${made.status ?? 'no status'} ${made.code ?? ''} content ${made.content}, ${made.end}`,
      )
    }
    const from = Math.min(...(entry?.tries ?? []).map((made) => made.startedMs))
    const to = Math.max(...(entry?.tries ?? []).map((made) => made.endedMs))
    const near = count.kills.filter((ms) => ms > from - 1_000 && ms < to + 1_000).map(at)
    console.log(`    kills meanwhile: ${near.join(', ') || 'none'}`)
  }
}

async function shutdown(status: number): Promise<void> {
  if (stopping && status === 130) return
  stopping = true
  await Promise.race([Promise.allSettled(stops.reverse().map((stop) => stop())), wait(4_000)])
  process.exit(status)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    console.log('\nStopping everything.')
    void shutdown(130)
  })
}

main().catch((error: unknown) => {
  if (stopping) return
  console.error(error)
  void shutdown(1)
})
