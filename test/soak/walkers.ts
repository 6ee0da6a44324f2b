// Readers who pay, hang up and never come back. Each has a wallet of its own, used once: whatever becomes of such a
// payment is the doing of the worker, and after a kill of its alarms alone.
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { catalogue } from './catalogue.ts'
import { wait } from './faults.ts'
import type { Entry, Journal } from './journal.ts'
import type { Random } from './random.ts'
import type { Truth } from './truth.ts'
import { type LedgerRow, nonceOf } from './truth.ts'

const WEALTH = 1_000_000n
/** Settling takes about a tenth of a second where nothing goes wrong. */
const LONGEST_STAY_MS = 250
/** So many pay at once, just before the last kill: some of them are being settled when it comes. */
const LAST_WAVE = 24
const LAST_WAVE_STAY_MS = 600

type World = { journal: Journal; fund: (address: PrivateKeyAccount['address'], atomicUnits: bigint) => Promise<void> }

export class Walkers {
  readonly accounts: PrivateKeyAccount[] = []
  /** By nonce. */
  readonly entries = new Map<string, Entry>()
  /** How many were settled before anybody came back. */
  settled = 0
  /** Nonces that were on chain, but not in the ledger, when nothing but an alarm could finish them any more. */
  readonly leftToAlarms = new Set<string>()
  readonly finished = new Set<string>()
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  /** One after the other, as long as that is left. */
  async goOn(random: Random, leftMs: () => number, walked: () => void): Promise<void> {
    while (leftMs() > 0) {
      const leave = await this.#arrive(random.fork(`walker ${this.accounts.length}`), LONGEST_STAY_MS)
      if (leave) walked()
      await leave?.()
      await wait(random.between(200, 900))
    }
  }

  /** Many at once; resolves while their payments are being settled. */
  async lastWave(random: Random, walked: () => void): Promise<void> {
    const waiting = Array.from({ length: LAST_WAVE }, (_, i) => this.#arrive(random.fork(`${i}`), LAST_WAVE_STAY_MS))
    for (const leave of await Promise.all(waiting)) {
      if (leave) walked()
      void leave?.()
    }
    await wait(LAST_WAVE_STAY_MS / 2)
  }

  /** Signs a payment for something; what comes back presents it, and hangs up. Null when there was no challenge. */
  async #arrive(random: Random, longestStayMs: number): Promise<(() => Promise<unknown>) | null> {
    const { journal, fund } = this.#world
    const account = privateKeyToAccount(random.hex())
    const item = catalogue[random.below(catalogue.length)]
    if (!item) return null
    this.accounts.push(account)
    await fund(account.address, WEALTH)
    const payment = await journal.sign(account, [item], random, random.chance(0.35))
    const entry = payment && journal.entries.get(payment.nonce)
    if (!entry) return null
    this.entries.set(payment.nonce, entry)
    const hangUp = { at: 'time', ms: random.between(0, longestStayMs) } as const
    return () => journal.present(payment, item, random.chance(0.5) ? 'v2' : 'v1', hangUp)
  }

  /**
   * After the last kill: watches chain and ledger until they agree about every walk-away, or until `deadlineMs`.
   * `isIdle`: nothing more is being settled.
   */
  async watch(
    world: {
      onChain: () => Promise<Truth>
      ledger: () => Promise<LedgerRow[]>
      isIdle: () => boolean
    },
    deadlineMs: number,
  ): Promise<void> {
    for (;;) {
      const wasIdle = world.isIdle()
      const settled = (await world.onChain()).settlements.filter(({ nonce }) => this.entries.has(nonce))
      this.settled = settled.length
      // The ledger may be away.
      const rows = await world.ledger().catch(() => null)
      if (rows) {
        const written = new Set(rows.map(nonceOf))
        for (const { nonce } of settled) {
          if (written.has(nonce)) {
            if (this.leftToAlarms.has(nonce)) this.finished.add(nonce)
          } else this.leftToAlarms.add(nonce)
        }
        if (wasIdle && this.finished.size === this.leftToAlarms.size) return
      }
      if (Date.now() > deadlineMs) return
      await wait(1_000)
    }
  }

  unfinished(): string[] {
    return [...this.leftToAlarms].filter((nonce) => !this.finished.has(nonce))
  }
}
