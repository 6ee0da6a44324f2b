// `npm start`: the whole site on this machine. A chain, a facilitator, the publisher's own site, the demo's content
// and `wrangler dev`; says what to do next; Ctrl-C takes all of it down.
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startChain } from '../stack/chain.ts'
import { startFacilitator } from '../stack/facilitator.ts'
import { networkVars } from '../stack/offered.ts'
import { inCheckout, type Local, localFile, persistDirectory, readLocal, stateDirectory } from '../stack/paths.ts'
import { portIsBusy } from '../stack/ports.ts'
import { localSecrets } from '../stack/secrets.ts'
import type { Solana } from '../stack/solana.ts'
import { type Wallet, wallets } from '../stack/wallets.ts'
import { quietWrangler, startWorker, type Worker } from '../stack/worker.ts'
import { writeDemoWallet } from './build-wallet.ts'
import { startOrigin } from './origin.ts'

const PAYER_FUNDS = 100_000_000n
const SHUTDOWN_LIMIT_MS = 2_500
const ANSWER_LIMIT_MS = 15_000
const PARENT_CHECK_MS = 250

/** A mistake of the person at the keyboard: said in one line, without a stack. */
class Complaint extends Error {}

const stops: (() => Promise<void>)[] = []
let stopping = false

async function main(): Promise<void> {
  const ports = {
    site: portFrom('PORT', 8787),
    chain: portFrom('CHAIN_PORT', 8545),
    solana: portFrom('SOLANA_PORT', 8899),
    facilitator: portFrom('FACILITATOR_PORT', 4021),
    origin: portFrom('ORIGIN_PORT', 8788),
  }
  await checkPorts(Object.values(ports))
  const other = readLocal()
  if (other !== undefined && isAlive(other.pid) && (await portIsBusy(Number(new URL(other.siteUrl).port)))) {
    throw new Complaint(`npm start already runs here, at ${other.siteUrl} (process ${other.pid}); stop it first`)
  }
  const startedAt = performance.now()
  const siteUrl = `http://localhost:${ports.site.port}`
  console.log('newsstand: starting the local stack\n')

  // The chain is a new one, so what payers own and the ledger of the chain before it are gone with it. Content stays.
  for (const stale of ['do', 'd1', 'cache']) {
    rmSync(join(persistDirectory, 'v3', stale), { recursive: true, force: true })
  }
  mkdirSync(stateDirectory, { recursive: true })
  const secrets = await localSecrets(join(stateDirectory, 'secrets.json'))
  const seeding = step('content', 'articles in KV, pictures and film in R2, the ledger in D1', seedInChild)
  // Until it is awaited below, so that a failure meanwhile is not an unhandled one.
  seeding.catch(() => undefined)

  const chain = await step('chain', 'Base Sepolia’s USDC on a chain of its own', async () => {
    const started = await startChain({ port: ports.chain.port })
    stops.push(started.stop)
    await started.fund(wallets.payer.address, PAYER_FUNDS)
    await started.fund(wallets.alice.address, PAYER_FUNDS)
    return started
  })
  chain.exited.then((said) => partDied('the chain (anvil)', said))
  const solana = await startSolana(ports.solana.port)
  const facilitator = await step('facilitator', 'x402 v1 and v2', () =>
    startFacilitator({
      rpcUrl: chain.rpcUrl,
      port: ports.facilitator.port,
      ...(solana && { solana: { rpcUrl: solana.rpcUrl } }),
    }),
  )
  stops.push(facilitator.stop)
  const origin = await step('origin', 'the publisher’s own site', () =>
    startOrigin({ port: ports.origin.port, siteUrl }),
  )
  stops.push(origin.stop)
  await seeding

  const offered = networkVars([
    { network: `eip155:${chain.chainId}`, payTo: wallets.publisher.address, rpcUrl: chain.rpcUrl },
    ...(solana ? [{ network: solana.network, payTo: solana.publisher, rpcUrl: solana.rpcUrl }] : []),
  ])
  await writeDemoWallet(join(stateDirectory, 'demo-wallet.txt'))
  await step('site', 'the paywall, in wrangler dev', async () => {
    const worker = await startWorker({
      port: ports.site.port,
      persistTo: persistDirectory,
      main: inCheckout('dev/demo/worker.ts'),
      vars: {
        SITE_URL: siteUrl,
        PAY_TO: JSON.stringify(offered.PAY_TO),
        NETWORKS: JSON.stringify(offered.NETWORKS),
        FACILITATORS: JSON.stringify([facilitator.url]),
        RPC_URLS: JSON.stringify(offered.RPC_URLS),
        ORIGIN_URL: origin.url,
        ...secrets,
      },
      onLine: (line) => console.log(`worker | ${line}`),
    })
    stops.push(worker.stop)
    worker.exited.then((said) => partDied('the site (wrangler dev)', said))
    await untilItSells(`${siteUrl}/articles/hello`, worker)
  })

  const local: Local = {
    siteUrl,
    rpcUrl: chain.rpcUrl,
    ...(solana && { solanaRpcUrl: solana.rpcUrl }),
    facilitatorUrl: facilitator.url,
    originUrl: origin.url,
    chainId: chain.chainId,
    pid: process.pid,
  }
  writeFileSync(localFile, `${JSON.stringify(local, null, 2)}\n`)
  stops.push(async () => rmSync(localFile, { force: true }))

  const { payer, alice, publisher } = wallets
  const balanceOf = async ({ address }: Wallet) => dollars(await chain.balance(address))
  const [program, browser, till] = [await balanceOf(payer), await balanceOf(alice), await balanceOf(publisher)]
  console.log(`
Ready in ${seconds(startedAt)}. Open ${siteUrl}, and the publisher’s till beside it: ${siteUrl}/till

  See the price     curl -i ${siteUrl}/articles/hello
  Buy the article   npm run buy -- ${siteUrl}/articles/hello
  Buy the film      npm run buy -- ${siteUrl}/media/tides.mp4${solana ? `\n  Buy on Solana     npm run buy -- ${siteUrl}/articles/tides --network solana` : ''}

  Demo wallet       ${alice.address}   ${browser} USDC, in the browser
  npm run buy       ${payer.address}   ${program} USDC
  Publisher         ${publisher.address}   ${till} USDC

The parts: chain ${chain.rpcUrl},${solana ? ` Solana ${solana.rpcUrl},` : ''} facilitator ${facilitator.url}, origin ${origin.url}.
Secrets, the admin token among them: .newsstand/secrets.json. Ctrl-C stops everything.
`)
}

/** Solana beside the EVM chain; null on a machine that has no binary for it: the site then sells on Base alone. */
async function startSolana(port: number): Promise<(Solana & { network: string; publisher: string }) | null> {
  const { solanaWallets } = await import('../stack/solana/wallets.ts')
  const { SOLANA_NETWORK, startSolanaIfPossible } = await import('../stack/solana.ts')
  const started = await step('solana', 'Solana Devnet’s USDC, with the real token programs', () =>
    startSolanaIfPossible({ port, confirmedAfter: 1 }),
  )
  if ('missing' in started) {
    console.log(`  ${started.missing} The site sells on Base alone.`)
    return null
  }
  const { solana } = started
  stops.push(solana.stop)
  await solana.fund(solanaWallets.payer.address, PAYER_FUNDS)
  await solana.fund(solanaWallets.alice.address, PAYER_FUNDS)
  await solana.fund(solanaWallets.publisher.address, 0n)
  return { ...solana, network: SOLANA_NETWORK, publisher: solanaWallets.publisher.address }
}

/** Runs one part's start and says how long it took. */
async function step<T>(name: string, what: string, start: () => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  const result = await start()
  console.log(`  ${name.padEnd(12)} ${what.padEnd(58)} ${seconds(startedAt)}`)
  return result
}

/** Seeds in a process of its own, beside everything else: it takes as long as the rest together. */
function seedInChild(): Promise<void> {
  const child = spawn(process.execPath, [inCheckout('dev/demo/seed.ts'), persistDirectory], {
    cwd: inCheckout('.'),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...quietWrangler, WRANGLER_LOG: 'error' },
  })
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4_000)
    })
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      process.removeListener('exit', kill)
      if (code === 0) resolve()
      else reject(new Error(`the demo's content could not be stored:\n${said.trim()}`))
    })
  })
}

/** Waits until a gated article answers 402. */
async function untilItSells(url: string, worker: Worker): Promise<void> {
  const deadline = Date.now() + ANSWER_LIMIT_MS
  let last = 'no answer'
  while (Date.now() < deadline && !stopping) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) })
      const body = await response.text()
      if (response.status === 402) return
      last = `${response.status} ${body.slice(0, 300)}`
    } catch (error) {
      last = String(error)
    }
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  throw new Error(`${url} does not answer 402. It answers: ${last}\n${worker.recentLines()}`)
}

type Port = { part: string; variable: string; port: number }

function portFrom(variable: string, fallback: number): Port {
  const part = {
    PORT: 'the site',
    CHAIN_PORT: 'the chain',
    SOLANA_PORT: 'the Solana node',
    FACILITATOR_PORT: 'the facilitator',
  }[variable]
  const text = process.env[variable]
  const port = text === undefined || text === '' ? fallback : Number(text)
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new Complaint(`${variable}=${text} is not a port; use a number from 1 to 65535`)
  }
  return { part: part ?? 'the publisher’s origin', variable, port }
}

async function checkPorts(ports: Port[]): Promise<void> {
  for (const [index, { part, variable, port }] of ports.entries()) {
    const same = ports.slice(0, index).find((earlier) => earlier.port === port)
    if (same) throw new Complaint(`port ${port} is meant for ${same.part} and for ${part}: set ${variable}=…`)
  }
  const busy: string[] = []
  for (const { part, variable, port } of ports) {
    if (await portIsBusy(port)) busy.push(`port ${port}, for ${part}, is in use: set ${variable}=… to move it`)
  }
  if (busy.length > 0) throw new Complaint(busy.join('; '))
}

function partDied(part: string, said: string): void {
  if (stopping) return
  console.error(`\n${part} ended by itself; stopping the rest. It said:\n${said}`)
  void shutdown(1)
}

async function shutdown(status: number): Promise<void> {
  if (stopping) return
  stopping = true
  const limit = new Promise((resolve) => setTimeout(resolve, SHUTDOWN_LIMIT_MS))
  await Promise.race([Promise.allSettled(stops.map((stop) => stop())), limit])
  // Whatever is left of the children is killed by their handlers of this exit.
  process.exit(status)
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`
}

function dollars(atomicUnits: bigint): string {
  const cents = atomicUnits / 10_000n
  return `$${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // One Ctrl-C can come twice: from the terminal, and passed on by npm.
    if (stopping) return
    console.log('\nStopping everything.')
    void shutdown(0)
  })
}
// npm passes a signal on to the shell it started us in, and that shell not to us: when either is gone, so are we.
if (process.env.npm_lifecycle_event !== undefined) {
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid !== parent) void shutdown(0)
  }, PARENT_CHECK_MS)
  watch.unref()
}
process.stdout.on('error', () => void shutdown(1))
process.on('uncaughtException', (error) => {
  console.error(error)
  void shutdown(1)
})

main().catch((error: unknown) => {
  if (stopping) return
  if (error instanceof Complaint) console.error(`newsstand: ${error.message}`)
  else console.error(`\nnewsstand could not start: ${error instanceof Error ? error.message : String(error)}`)
  void shutdown(1)
})
