// What the readers did and what they received: the soak's own account, which the chain and the ledger are held against.
import type { PrivateKeyAccount } from 'viem/accounts'
import type { Version } from '../world/payer.ts'
import type { Item } from './catalogue.ts'
import { type Answer, ask, type HangUp } from './client.ts'
import { type Payment, signPayment } from './payment.ts'
import type { Random } from './random.ts'

/** `return`: the walk-aways come back after all. `ownership`: new signatures for what is owned. */
export type Phase = 'storm' | 'calm' | 'return' | 'ownership'

/** `metKill`: the worker was killed while this request was under way. */
export type Try = Answer & { version: Version; phase: Phase; metKill: boolean }

export type Entry = { payment: Payment; tries: Try[] }

/** What was bought by whom, as far as "the same thing" goes. */
export const groupOf = (payer: string, path: string): string => `${payer.toLowerCase()} ${path}`

export class Journal {
  readonly entries = new Map<string, Entry>()
  readonly #port: number
  phase: Phase = 'storm'
  hangUps = 0
  /** Answers with content that were read to their end. */
  wholeAnswers = 0
  readonly #underWay = new Set<{ metKill: boolean }>()
  /** Answers by status and code. */
  readonly answers = new Map<string, number>()

  constructor(port: number) {
    this.#port = port
  }

  /** Asks without paying and signs what the challenge wants; null when there is no challenge to be had. */
  async sign(
    account: PrivateKeyAccount,
    items: [Item, ...Item[]],
    random: Random,
    named: boolean,
  ): Promise<Payment | null> {
    const answer = await ask(this.#port, items[0], {})
    this.#count(answer)
    if (answer.content !== 'none') throw new Error(`${items[0].path} was served to a request without any payment`)
    if (answer.status !== 402 || !answer.refusal) return null
    const payment = await signPayment(account, items, { challenge: answer.refusal.challenge, random, named })
    this.entries.set(payment.nonce, { payment, tries: [] })
    return payment
  }

  /** Presents a payment at a thing, and writes down what came of it. */
  async present(payment: Payment, item: Item, version: Version, hangUp: HangUp | null = null): Promise<Try> {
    const fate = { metKill: false }
    this.#underWay.add(fate)
    const { phase } = this
    const answer = await ask(this.#port, item, payment.header(version), hangUp)
    this.#underWay.delete(fate)
    const made: Try = { ...answer, version, phase, ...fate }
    this.entries.get(payment.nonce)?.tries.push(made)
    if (answer.end === 'hung up') this.hangUps += 1
    if (answer.content === 'whole' && answer.end === 'read') this.wholeAnswers += 1
    this.#count(answer)
    return made
  }

  /** The worker is being killed: whatever is under way meets that. */
  markKill(): void {
    for (const fate of this.#underWay) fate.metKill = true
  }

  #count({ status, code, end, content }: Answer): void {
    const name = status === null ? `no answer, ${end}` : `${status} ${code ?? (content === 'none' ? end : content)}`
    this.answers.set(name, (this.answers.get(name) ?? 0) + 1)
  }
}

/** Nothing more will come of asking again; 429 only says not now. */
export const isDefinite = ({ status, content }: Answer): boolean =>
  content === 'whole' || (status !== null && status >= 400 && status < 500 && status !== 429)

/** The content was read to its end, and the worker lived to see that: it has no reason to hand it out again. */
export const isSeenThrough = ({ content, end, metKill }: Try): boolean =>
  content === 'whole' && end === 'read' && !metKill

/** A payment's answers with all of the content, in the order in which they ended. */
export const wholeOf = ({ tries }: Entry): Try[] =>
  tries.filter(({ content }) => content === 'whole').sort((a, b) => a.endedMs - b.endedMs)
