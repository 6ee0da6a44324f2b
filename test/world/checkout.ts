// A checkout of its own in a temporary folder, for commands that change files: what they need of this one, and its packages.
// Each run notes the command line of every Node process it starts.
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inCheckout } from '../../dev/stack/paths.ts'

const NEEDED = ['cli', 'dev', 'src', 'migrations', 'package.json', 'tsconfig.json', 'wrangler.toml', '.gitignore']

export type Run = { status: number; output: string }

export type Checkout = {
  readonly folder: string
  read(file: string): string
  write(file: string, text: string): void
  /** Runs a program there, without a terminal. It sees nothing of this process's environment but PATH. */
  run(command: string, args: readonly string[], env?: Record<string, string>): Promise<Run>
  /** Every command line of Node so far. */
  commandLines(): string
  remove(): void
}

const RECORDER = `require('node:fs').appendFileSync(process.env.COMMAND_LINES, process.argv.join(' ') + '\\n')\n`

export function makeCheckout(): Checkout {
  const parent = mkdtempSync(join(tmpdir(), 'newsstand-checkout-'))
  const folder = join(parent, 'newsstand')
  mkdirSync(folder)
  for (const name of NEEDED) cpSync(inCheckout(name), join(folder, name), { recursive: true })
  symlinkSync(realpathSync(inCheckout('node_modules')), join(folder, 'node_modules'))
  const [recorder, lines, home] = ['recorder.cjs', 'command-lines', 'home'].map((name) => join(parent, name))
  if (recorder === undefined || lines === undefined || home === undefined) throw new Error('three names')
  mkdirSync(home)
  writeFileSync(recorder, RECORDER)
  writeFileSync(lines, '')
  return {
    folder,
    read: (file) => readFileSync(join(folder, file), 'utf8'),
    write: (file, text) => writeFileSync(join(folder, file), text),
    commandLines: () => readFileSync(lines, 'utf8'),
    remove: () => rmSync(parent, { recursive: true, force: true }),
    run(command, args, env = {}) {
      const child = spawn(command, args, {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: `${join(folder, 'node_modules/.bin')}:${process.env.PATH}`,
          HOME: home,
          XDG_CONFIG_HOME: home,
          WRANGLER_SEND_METRICS: 'false',
          COMMAND_LINES: lines,
          NODE_OPTIONS: `--require ${recorder}`,
          ...env,
        },
      })
      let output = ''
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk: Buffer) => {
          output += chunk.toString()
        })
      }
      return new Promise((resolve, reject) => {
        child.once('error', reject)
        child.once('close', (code) => resolve({ status: code ?? -1, output }))
      })
    },
  }
}
