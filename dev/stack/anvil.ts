// Finds and runs the anvil binary, a local Ethereum node. Knows nothing about tokens.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { accessSync, constants } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import * as z from 'zod'
import { LOOPBACK } from './ports.ts'

/** A running anvil. `exited` settles when its process is gone, with what it said on the way out. */
export type Anvil = { rpcUrl: string; exited: Promise<string>; stop(): Promise<void> }

const Genesis = z.object({ result: z.object({ gasLimit: z.string() }) })
const GAS_LIMIT = 60_000_000
const STARTUP_LIMIT_MS = 10_000
/** anvil removes its temporary files on SIGTERM; past this it is killed. */
const GRACE_MS = 1_500
/** Account states of old blocks to keep; nothing here asks about older ones, and they would fill the disk. */
const BLOCKS_TO_REMEMBER = '64'

/** The path of anvil: `ANVIL_BIN`, else the installed package, else the PATH. Throws with what to do. */
export function findAnvil(): string {
  const named = process.env.ANVIL_BIN
  if (named !== undefined && named !== '') {
    if (isExecutable(named)) return named
    throw new Error(`ANVIL_BIN is ${named}, which is not a program that can be run`)
  }
  try {
    const packaged = createRequire(import.meta.url).resolve('@foundry-rs/anvil-linux-amd64/bin/anvil')
    if (isExecutable(packaged)) return packaged
  } catch {
    // Not installed: an optional dependency, for Linux on x64 only.
  }
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const candidate = join(directory, 'anvil')
    if (directory !== '' && isExecutable(candidate)) return candidate
  }
  throw new Error(
    'anvil, the local Ethereum node, was not found. On Linux x64 `npm install` brings it (do not omit optional ' +
      'dependencies); elsewhere install Foundry (https://getfoundry.sh) or set ANVIL_BIN to the program.',
  )
}

/** Starts anvil on `port` and waits until this very process answers. */
export async function startAnvil(options: { port: number; chainId: number }): Promise<Anvil> {
  const args = ['--host', LOOPBACK, '--port', String(options.port), '--chain-id', String(options.chainId)]
  // With automine alone, eth_call would run at the time of the last block and go stale.
  // The genesis block's gas limit is this node's fingerprint: whoever else answers at that port does not have it.
  const gasLimit = GAS_LIMIT + randomInt(2 ** 24)
  args.push('--gas-limit', String(gasLimit))
  args.push('--silent', '--mixed-mining', '--block-time', '1', '--prune-history', BLOCKS_TO_REMEMBER)
  const child = spawn(findAnvil(), args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const killAtExit = (): void => void child.kill('SIGKILL')
  process.once('exit', killAtExit)

  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-2_000)
  })
  let gone = false
  const exited = new Promise<string>((resolve) => {
    const end = (said: string): void => {
      gone = true
      process.removeListener('exit', killAtExit)
      resolve(said)
    }
    child.once('error', (error) => end(error.message))
    child.once('exit', (code, signal) => end(complaint.trim() || `it ended with ${signal ?? `status ${code}`}`))
  })

  const rpcUrl = `http://${LOOPBACK}:${options.port}`
  const deadline = Date.now() + STARTUP_LIMIT_MS
  while ((await genesisGasLimit(rpcUrl)) !== gasLimit || gone) {
    if (gone) throw new Error(`anvil did not start: ${await exited}`)
    if (Date.now() > deadline) {
      await stopChild(child, exited)
      throw new Error(`anvil did not answer at ${rpcUrl} within ${STARTUP_LIMIT_MS / 1000} s`)
    }
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
  return { rpcUrl, exited, stop: () => stopChild(child, exited) }
}

async function stopChild(child: ChildProcess, exited: Promise<string>): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
  await exited
  clearTimeout(timer)
}

async function genesisGasLimit(rpcUrl: string): Promise<number | undefined> {
  try {
    const response = await fetch(rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x0",false]}',
      signal: AbortSignal.timeout(1_000),
    })
    return Number(Genesis.parse(await response.json()).result.gasLimit)
  } catch {
    return undefined
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
