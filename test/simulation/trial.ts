// A story as a test of its own, for what a story of `stories/` does not look at: how much was asked, how long it took,
// what is stored in between. What the judge sees while it is told counts here too.
import { expect, test } from 'vitest'
import type { Facilitator } from './facilitator.ts'
import { type Tale, type TaleOptions, tell } from './tale.ts'

export const DAY_SECONDS = 86_400
export const DAY_MS = 86_400_000

/** Told to its last line, and not beyond it unless `calmMs` is given. */
export function story(name: string, act: (tale: Tale) => Promise<void>, options: TaleOptions = {}): void {
  test(name, async () => {
    expect(await tell(name, act, { calmMs: null, ...options })).toEqual([])
  })
}

export const many = <Value>(count: number, make: (i: number) => Value): Value[] =>
  Array.from({ length: count }, (_, i) => make(i))

/** What both facilitators do with every payment from now on. */
export const settleBy = ({ first, second }: Tale, settling: Facilitator['settling']): void => {
  for (const facilitator of [first, second]) facilitator.settling = settling
}
/** From now on nothing is settled, and nobody hears why. */
export const loseAll = (tale: Tale): void => settleBy(tale, () => ({ kind: 'nothing', reply: 'lost' }))
/** From now on every wallet is empty. */
export const refuseAll = (tale: Tale): void => settleBy(tale, () => ({ kind: 'refuses', reason: 'insufficient_funds' }))

/** What was asked of the chain, and how often an alarm rang, since the call. */
export function countFrom({ stage, rpc }: Tale): () => { alarms: number; requests: number } {
  const { counts } = stage.objects
  const [alarms, requests] = [counts.alarms, rpc.requests()]
  return () => ({ alarms: counts.alarms - alarms, requests: rpc.requests() - requests })
}

/** How long it takes until something is so (milliseconds): looked at every `stepMs`, and given up after a thousand looks. */
export async function until({ stage, wait }: Tale, stepMs: number, isSo: () => boolean): Promise<number> {
  const startMs = stage.world.now()
  for (let i = 0; i < 1_000 && !isSo(); i++) await wait(stepMs)
  return stage.world.now() - startMs
}
