// What the stories are told with. They run in vitest and without it, so they bring their own few expectations.
import { deepStrictEqual, ok } from 'node:assert'
import type { Order } from '../orders.ts'
import { knobsOf } from '../stage.ts'
import type { Tale, TaleOptions } from '../tale.ts'
import type { Answer } from '../worker.ts'

export type Story = { name: string; act: (tale: Tale) => Promise<void>; options: TaleOptions }

export const stories: Story[] = []
let of = ''

/** Stories that belong together. */
export function group(name: string, tell: () => void): void {
  of = name
  tell()
}

/** One story. That the judge has nothing to say against it goes without saying. */
export function story(name: string, act: Story['act'], options: TaleOptions = {}): void {
  stories.push({ name: `${of}: ${name}`, act, options })
}

/** A quick chain: four blocks a second. */
export const QUICK = { 'eip155:8453': 250 }

export const expect = (value: unknown) => ({
  toBe: (expected: unknown) => deepStrictEqual(value, expected),
  toEqual: (expected: unknown) => deepStrictEqual(value, expected),
  toHaveLength: (length: number) => deepStrictEqual(Array.isArray(value) ? value.length : value, length),
  toContain: (one: unknown) => ok(Array.isArray(value) && value.includes(one), `${value} without ${one}`),
  toBeUndefined: () => deepStrictEqual(value, undefined),
  toBeNull: () => deepStrictEqual(value, null),
  toBeLessThan: (most: number) => ok(Number(value) < most, `${value} is not less than ${most}`),
  toBeLessThanOrEqual: (most: number) => ok(Number(value) <= most, `${value} is more than ${most}`),
  not: { toBe: (other: unknown) => ok(value !== other, `it is ${value}`) },
})

export const code = (answer: Answer): string =>
  answer.kind === 'refused' ? answer.refusal.code : answer.kind === 'content' ? 'content' : 'nothing'
export const codes = (answers: readonly Answer[]): string[] => answers.map(code).sort()

/** From now on settlements happen, and nobody hears of them. */
export const loseReplies = ({ first, second }: Tale, how: 'lost' | 'silent' | 'page' = 'lost'): void => {
  for (const facilitator of [first, second]) facilitator.settling = () => ({ kind: 'settles, but', reply: how })
}
export const beHonest = ({ first, second }: Tale): void => {
  for (const facilitator of [first, second]) facilitator.settling = () => ({ kind: 'honest' })
}
export const setRpcs = ({ stage }: Tale, state: 'down' | 'up'): void => {
  for (const knobs of knobsOf(stage)) knobs.state = state === 'down' ? 'lost' : 'up'
}

/** Paid, but nobody could say so: the RPC was down from the claim on. */
export async function payInTheDark(tale: Tale, order: Order): Promise<void> {
  setRpcs(tale, 'down')
  loseReplies(tale)
  expect(code(await tale.ask(order))).toBe('settlement_pending')
  beHonest(tale)
}
