// How settings are read: zod schemas whose errors are what to write instead.
import * as z from 'zod/mini'
import type { Result } from './errors.ts'

/** A setting that cannot be used, and what to write instead. */
export type ConfigProblem = { path: string; message: string }

const LOCAL_HOSTS = /^(localhost|127\.0\.0\.1|\[::1\]|[a-z0-9-]+\.localhost)$/

/** Whether a URL's host is the machine itself. */
export const isLocalHost = (hostname: string): boolean => LOCAL_HOSTS.test(hostname)

/** A zod schema over strings from a parser whose error is what to write instead. `missing`: the error without a string. */
export function parsed<Value>(parse: (input: string) => Result<Value, string>, missing: string) {
  return z.pipe(
    z.string({ error: missing }),
    z.transform((input: string, context): Value => {
      const result = parse(input)
      if (result.ok) return result.value
      context.issues.push({ code: 'custom', message: result.error, input })
      return z.NEVER
    }),
  )
}

/** Unknown keys are errors: a misspelt `price` must not sell for another price. */
function unknownKeys(known: readonly string[], notYet: Readonly<Record<string, string>>) {
  return (issue: { code?: string | undefined; keys?: readonly string[] }) => {
    if (issue.code !== 'unrecognized_keys') return 'write a table'
    return (issue.keys ?? [])
      .map((key) => notYet[key] ?? `${key} is not a known key; write one of ${known.join(', ')}`)
      .join('; ')
  }
}

/** A table of known keys. `notYet`: keys that are planned, each with what to do until then. */
export function table<Shape extends z.core.$ZodLooseShape>(
  shape: Shape,
  notYet: Readonly<Record<string, string>> = {},
) {
  return z.strictObject(shape, { error: unknownKeys(Object.keys(shape), notYet) })
}

export const list = <Item extends z.core.SomeType>(item: Item, advice: string) =>
  z.array(item, { error: advice }).check(z.minLength(1, { error: advice }))

export const text = z.string({ error: 'write a text' })
