// What setup wants to know: flags, or questions at a terminal. Each answer is checked where it is given.
import { parseArgs } from 'node:util'
import { addressProblem } from '../../src/networks/address.ts'
import { solanaAddressProblem } from '../../src/networks/solana.ts'
import { formatPrice, parsePrice } from '../../src/policy/rules.ts'
import { isLocalHost, parseBase } from '../../src/settings.ts'
import { Refusal } from '../command.ts'
import type { Money, PayTo, Sold } from './deployment.ts'

export const USAGE = `usage: npm run setup -- [--domain news.example] [--pay-to ADDRESS] [--path '/articles/*'] [--price 0.05]
  --pay-to ADDRESS     who is paid: 0x… on Base, or a Solana address (solana:… is the same); twice for both networks
  --money test|real    test money (the default), or real money, after test money
  --content origin|kv|r2   where what is sold lies: your own site (the default), KV or R2
  --facilitator URL    for real money: a base URL, or cdp for Coinbase's; several times for spares
  --cpu-ms N           the CPU time of one request; the Free plan refuses it
  --analytics          counts every request in Analytics Engine, which has to be enabled in the account
  --local              on this machine only, without an account
  --dry-run            says what it would do, and does nothing
  --yes                does not ask before it goes on`

/** What was asked for; null where it was not said. */
export type Answers = {
  money: Money
  domain: string | null
  /** Those that were said; each stands for a network. */
  payTo: PayTo | null
  sold: { path: string | null; price: string | null; content: Sold['content'] }
  facilitators: readonly string[] | null
  cpuMs: number | null
  hasAnalytics: boolean
  isLocal: boolean
  isDry: boolean
  isAgreed: boolean
}

/** One thing to know: the flag that says it, the question, and how an answer is read. `read` throws a Refusal. */
type Question = { flag: string; text: string; read: (input: string) => string }

export const QUESTIONS = {
  domain: { flag: '--domain', text: 'Your domain, such as news.example', read: readDomain },
  payTo: {
    flag: '--pay-to',
    text: 'The address that is paid (0x…, or of Solana; with a space between them both)',
    read: payees,
  },
  path: { flag: '--path', text: 'What is sold, such as /articles/*', read: readPath },
  price: { flag: '--price', text: 'Its price in dollars, such as 0.05', read: readPrice },
} satisfies Record<string, Question>

const OPTIONS = {
  domain: { type: 'string' },
  'pay-to': { type: 'string', multiple: true },
  path: { type: 'string' },
  price: { type: 'string' },
  money: { type: 'string' },
  content: { type: 'string' },
  facilitator: { type: 'string', multiple: true },
  'cpu-ms': { type: 'string' },
  analytics: { type: 'boolean' },
  local: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  yes: { type: 'boolean' },
  help: { type: 'boolean' },
} as const

/** Reads the flags. null: only the usage was asked for. */
export function readFlags(args: readonly string[]): Answers | null {
  let values: ReturnType<typeof parsedFlags>
  try {
    values = parsedFlags(args)
  } catch (error) {
    throw new Refusal(`${error instanceof Error ? error.message.split('. ')[0] : error}.\n${USAGE}`)
  }
  if (values.help) return null
  const read = (question: Question, value: string | undefined) => (value === undefined ? null : question.read(value))
  const money = readMoney(values.money ?? 'test')
  const isLocal = values.local ?? false
  if (isLocal && money === 'live') {
    throw new Refusal('--local never takes real money: leave out --local, or write --money test')
  }
  if (money === 'test' && values.facilitator !== undefined) {
    throw new Refusal(
      '--facilitator is for real money; test money goes through https://x402.org/facilitator. Leave it out',
    )
  }
  return {
    money,
    domain: read(QUESTIONS.domain, values.domain),
    payTo: values['pay-to'] === undefined ? null : readPayTo(values['pay-to'].join(' ')),
    sold: {
      path: read(QUESTIONS.path, values.path),
      price: read(QUESTIONS.price, values.price),
      content: values.content === undefined ? null : readContent(values.content),
    },
    facilitators: values.facilitator?.map(readFacilitator) ?? null,
    cpuMs: values['cpu-ms'] === undefined ? null : readCpuMs(values['cpu-ms']),
    hasAnalytics: values.analytics ?? false,
    isLocal,
    isDry: values['dry-run'] ?? false,
    isAgreed: values.yes ?? false,
  }
}

const parsedFlags = (args: readonly string[]) => parseArgs({ args: [...args], options: OPTIONS }).values

function readMoney(input: string): Money {
  if (input === 'test') return 'test'
  if (input === 'real') return 'live'
  throw new Refusal(`--money ${input} is neither of the two: write test or real`)
}

function readContent(input: string): 'origin' | 'kv' | 'r2' {
  if (input === 'origin' || input === 'kv' || input === 'r2') return input
  throw new Refusal(`--content ${input} is no place: write origin (your own site), kv or r2`)
}

function readDomain(input: string): string {
  const host = input
    .trim()
    .toLowerCase()
    .replace(/^https:\/\//, '')
    .replace(/\/$/, '')
  const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
  if (new RegExp(`^(${label}\\.)+[a-z][a-z0-9-]*[a-z0-9]$`).test(host) && !isLocalHost(host)) return host
  throw new Refusal(`--domain ${input} is not a domain: write its name alone, such as news.example`)
}

/** One address, or one of each kind with a space between: they are told apart by their form, or by `eip155:`, `solana:`. */
export function readPayTo(input: string): PayTo {
  const found: { eip155?: string; solana?: string } = {}
  for (const text of input.split(/[\s,]+/).filter((part) => part !== '')) {
    const [, named, address = ''] = /^(?:(eip155|solana):)?(.*)$/.exec(text) ?? []
    // What could be either is read as EVM's, which most have.
    const namespace = named === 'solana' || (named === undefined && LIKE_SOLANA.test(address)) ? 'solana' : 'eip155'
    const problem = namespace === 'solana' ? solanaAddressProblem(address) : addressProblem(address)
    if (problem !== null) throw new Refusal(`--pay-to ${text}: ${problem}`)
    if (found[namespace] !== undefined) {
      const kind = namespace === 'solana' ? 'Solana' : 'EVM networks'
      throw new Refusal(`--pay-to ${text}: there are two addresses for ${kind}; write one for each kind of network`)
    }
    found[namespace] = address
  }
  if (Object.keys(found).length === 0) throw new Refusal('--pay-to names nobody: write 0x… or a Solana address')
  return found
}

/** Base58, and no hexadecimal. */
const LIKE_SOLANA = /^(?!0x)[1-9A-HJ-NP-Za-km-z]{32,44}$/

/** The same as a text that can be read again. */
function payees(input: string): string {
  return Object.values(readPayTo(input)).join(' ')
}

function readPath(input: string): string {
  const path = input.trim()
  if (path.startsWith('/')) return path
  throw new Refusal(
    `--path ${input} does not start with a slash: write a path such as '/articles/*', in quotation marks`,
  )
}

function readPrice(input: string): string {
  const price = parsePrice(`$${input.trim().replace(/^\$/, '')}`)
  if (!price.ok) throw new Refusal(`--price ${input}: ${price.error}`)
  if (price.value === 'free') {
    throw new Refusal(`--price ${input} sells nothing: write an amount such as 0.05`)
  }
  return formatPrice(price.value[0])
}

function readFacilitator(input: string): string {
  if (input === 'cdp') return input
  const base = parseBase(input)
  if (base.ok) return base.value
  throw new Refusal(`--facilitator: ${base.error}, or cdp for Coinbase's`)
}

function readCpuMs(input: string): number {
  const limit = Number(input)
  if (Number.isInteger(limit) && limit >= 10 && limit <= 300_000) return limit
  throw new Refusal(`--cpu-ms ${input} is not a time: write whole milliseconds, from 10 to 300000`)
}

/** Asks at the terminal until an answer can be read; `null` where there is no terminal. */
export type Asker = ((text: string) => Promise<string>) | null

/** The answer that was not given as a flag. `ask` is null without a terminal, and then its flag is named. */
export async function answerTo(question: Question, ask: Asker, say: (line: string) => void): Promise<string> {
  if (ask === null) {
    throw new Refusal(`${question.flag} is missing, and there is no terminal to ask at. Write it: ${question.flag} …`)
  }
  for (;;) {
    try {
      return question.read(await ask(`${question.text}: `))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      say(error.message)
    }
  }
}
