// `npm run soak -- --seconds N [--seed S]`: random faults, hang-ups and kills against the real local stack, and then the
// counts that must be zero. Exit status 1 when one is not.
import { parseArgs } from 'node:util'
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { USDC } from '../../dev/stack/chain.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import build from '../world/build.ts'
import { startOrigin } from '../world/origin.ts'
import { startRpc } from '../world/rpc.ts'
import { NETWORK, openShop } from '../world/shop.ts'
import type { Site } from '../world/site.ts'
import { startStack } from '../world/stack.ts'
import { audit } from './audit.ts'
import { retryAll, signAgain } from './calm.ts'
import { articles, catalogue, press, ROUTES, textOf } from './catalogue.ts'
import { changeWeather, misbehave, Witness, wait } from './faults.ts'
import { Journal } from './journal.ts'
import { Kills } from './kills.ts'
import { WINDOW_SECONDS } from './payment.ts'
import { Random } from './random.ts'
import { read } from './reader.ts'
import { print, sumOf } from './report.ts'
import { chainReader, type LedgerRow, ledgerOf, nonceOf, type Truth } from './truth.ts'
import { Walkers } from './walkers.ts'

const READERS = 14
const WALLETS = 10
const WEALTH = 100_000_000n
/** One wallet runs dry, so that there are real refusals. */
const POVERTY = 120_000n
const PROGRESS_MS = 5_000
/** What nobody can say is certain when its window is over, and a block twenty seconds later. */
const CALM_LIMIT_MS = (WINDOW_SECONDS + 60) * 1_000
/** An alarm comes 20 s after a failure, and another 20 s later. */
const LEDGER_LIMIT_MS = 75_000
/** The first alarm comes 45 s after a settlement began; later ones after half the age of what is open. */
const alarmLimitMs = (seconds: number) => 75_000 + seconds * 500

const stops: (() => Promise<void>)[] = []
let stopping = false

async function main(): Promise<void> {
  const { seconds, seed } = options()
  const random = new Random(seed)
  const witness = new Witness()
  console.log(`newsstand soak: ${seconds} s, seed ${seed}\n`)

  const accounts = Array.from({ length: WALLETS }, (_, i) => privateKeyToAccount(random.fork(`wallet ${i}`).hex()))
  const [poor, ...rich] = accounts
  if (!poor) return
  const faults = misbehave(random.fork('facilitator'), witness)
  const stack = await startStack({ hook: faults.hook })
  stops.push(stack.stop)
  const { chain, facilitator } = stack
  for (const { address } of rich) await chain.fund(address, WEALTH)
  await chain.fund(poor.address, POVERTY)
  const slowness = random.fork('rpc')
  const rpc = await startRpc(chain.rpcUrl, {
    slownessMs: () => slowness.between(200, 4_000),
    met: (fault) => witness.count(`RPC: ${fault}`),
  })
  stops.push(rpc.stop)
  const origin = await startOrigin()
  origin.tell((request) => {
    // Hours of requests are not kept.
    origin.seen.length = 0
    return press(request)
  })
  stops.push(origin.stop)
  stops.push(await build())
  const shop = await openShop({ RPC_URLS: { [NETWORK]: rpc.url }, ORIGIN_URL: origin.url, ROUTES }, { stack })
  stops.push(shop.close)
  const { site } = shop
  for (const { path } of articles) await site.kv.put(path, textOf(path))

  const journal = new Journal(site.port)
  const kills = new Kills(site, journal)
  const walkers = new Walkers({ journal, fund: chain.fund })
  const purchases = new Map<string, number>()
  const purchased = (way: string) => void purchases.set(way, (purchases.get(way) ?? 0) + 1)
  const walked = () => purchased('and walking away')
  const startedAt = Date.now()
  const leftMs = () => (stopping ? 0 : startedAt + seconds * 1_000 - Date.now())
  const goesOn = () => leftMs() > 0
  const progress = setInterval(() => {
    const elapsed = String(Math.round((Date.now() - startedAt) / 1_000)).padStart(4)
    const { leftToAlarms, finished } = walkers
    console.log(
      `${elapsed} s  ${journal.phase.padEnd(9)}  ${sumOf(purchases)} purchases, ${facilitator.counts.settle} settle calls, ` +
        `${journal.answers.get('200 whole') ?? 0} answers with content, ${kills.atMs.length} kills, ` +
        `${journal.hangUps} hang-ups${goesOn() ? '' : `; alarms: ${finished.size} of ${leftToAlarms.size} done`}`,
    )
  }, PROGRESS_MS)
  stops.push(async () => clearInterval(progress))

  const onChain = chainReader(chain.rpcUrl, USDC, wallets.publisher.address)
  let isIdle = false
  /** The last kill ends whatever the worker had in its memory: what walkers left is for alarms alone from then on. */
  const endOfStorm = async (): Promise<void> => {
    await Promise.all([
      kills.goOn(random.fork('kills'), leftMs),
      walkers.goOn(random.fork('walkers'), leftMs, walked),
      wait(leftMs()),
    ])
    if (stopping) return
    await walkers.lastWave(random.fork('last wave'), walked)
    await kills.kill()
    faults.lift()
    void faults.idle().then(() => {
      isIdle = true
    })
  }
  const alarms = endOfStorm().then(() =>
    walkers.watch({ onChain, ledger: () => ledgerOf(site), isIdle: () => isIdle }, Date.now() + alarmLimitMs(seconds)),
  )
  // Awaited when the readers are done; until then a failure waits.
  alarms.catch(() => undefined)
  const everyone: [PrivateKeyAccount, ...PrivateKeyAccount[]] = [poor, ...rich]
  await Promise.all([
    ...Array.from({ length: READERS }, (_, i) =>
      read(journal, everyone, random.fork(`reader ${i}`), goesOn, purchased),
    ),
    hiding(site, random.fork('ledger'), goesOn, witness),
    changeWeather(rpc, random.fork('weather'), goesOn),
  ])
  if (stopping) return

  // What an empty wallet cannot pay stays in doubt until it expires.
  await chain.fund(poor.address, WEALTH)
  await untilDone(() => site.hideLedger(false))
  journal.phase = 'calm'
  while (!isIdle) await wait(100)
  const stayed = [...journal.entries.values()].filter(({ payment }) => !walkers.entries.has(payment.nonce))
  const open = await retryAll(journal, stayed, Date.now() + CALM_LIMIT_MS)
  await alarms
  journal.phase = 'return'
  open.push(...(await retryAll(journal, walkers.entries.values(), Date.now() + CALM_LIMIT_MS)))
  const bought = await untilComplete(site, onChain)
  // Of an answer that was cut off on its way its reader knows more than the worker: what lasts is theirs all the same.
  journal.phase = 'ownership'
  const all = [...accounts, ...walkers.accounts]
  open.push(...(await signAgain(journal, bought, all, random.fork('ownership'), Date.now() + CALM_LIMIT_MS)))
  const { settlements, stray, ledger } = await untilComplete(site, onChain)
  clearInterval(progress)

  const findings = audit({
    journal,
    settlements,
    stray,
    ledger,
    witness,
    once: (path) => catalogue.find((item) => item.path === path)?.once ?? false,
    unfinished: walkers.unfinished(),
    open,
  })
  const isClean = print({ seed, startedAt, purchases, settlements, journal, witness, site, kills, walkers, findings })
  await shutdown(isClean ? 0 : 1)
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

/** The ledger is away for some seconds now and then. */
async function hiding(site: Site, random: Random, goesOn: () => boolean, witness: Witness): Promise<void> {
  while (goesOn()) {
    await wait(random.between(4_000, 10_000))
    witness.count('ledger away')
    await site.hideLedger(true).catch(() => undefined)
    await wait(random.between(1_000, 5_000))
    await site.hideLedger(false).catch(() => undefined)
  }
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

/** Chain and ledger, once the ledger has all that is on chain, or has had the time for it. */
async function untilComplete(site: Site, onChain: () => Promise<Truth>): Promise<Truth & { ledger: LedgerRow[] }> {
  const deadline = Date.now() + LEDGER_LIMIT_MS
  for (;;) {
    const truth = await onChain()
    const ledger = await ledgerOf(site)
    const written = new Set(ledger.map(nonceOf))
    const isComplete = truth.settlements.every(({ nonce }) => written.has(nonce))
    if (isComplete || Date.now() > deadline) return { ...truth, ledger }
    await wait(1_000)
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
