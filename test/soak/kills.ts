// Kills of the worker: SIGKILL, and back on the same state. What a kill excuses is known exactly: the requests that were
// under way at that moment, and nothing else.

import type { Site } from '../world/site.ts'
import { wait } from './faults.ts'
import type { Journal } from './journal.ts'
import type { Random } from './random.ts'

export class Kills {
  /** When, in milliseconds. */
  readonly atMs: number[] = []
  readonly #site: Site
  readonly #journal: Journal

  constructor(site: Site, journal: Journal) {
    this.#site = site
    this.#journal = journal
  }

  /**
   * Kills now, or a few milliseconds later: a worker notes a delivery after its last byte, and a reader cannot see that
   * note. So the kill waits until the worker has gone on from every answer that was read to its end before.
   */
  async kill(): Promise<void> {
    for (;;) {
      const read = this.#journal.wholeAnswers
      await this.#site.turn()
      if (this.#journal.wholeAnswers === read) break
    }
    this.atMs.push(Date.now())
    this.#journal.markKill()
    await this.#site.kill()
  }

  /** Kills every few seconds, as long as that is left. */
  async goOn(random: Random, leftMs: () => number): Promise<void> {
    while (leftMs() > 0) {
      await wait(Math.min(random.between(1_500, 6_000), leftMs()))
      if (leftMs() > 0) await this.kill()
    }
  }
}
