// How facilitators are written in the configuration: a base URL, or a table with a key. What a key may be, and where it may
// be sent.
import * as z from 'zod/mini'
import { fail, ok, type Result } from './errors.ts'
import { type ConfigProblem, HEADER_NAME, isTaken, parseBase, parsed, secretOf, table, text } from './settings.ts'

export type Facilitator = {
  /** Base URL without a trailing slash. */
  url: string
  auth: FacilitatorAuth
  /** Whether sales are listed in its catalogue. */
  isListed: boolean
}

/** `cdp`: tokens signed with Coinbase's API key. `header`: a secret as it is. `missing`: a secret that is not set. */
export type FacilitatorAuth =
  | { kind: 'none' }
  | { kind: 'cdp'; keyId: string; keySecret: string }
  | { kind: 'header'; name: string; value: string }
  | { kind: 'missing'; problem: ConfigProblem }

const headerName = z.string({ error: 'write the name of a header, such as "x-api-key"' }).check(
  z.regex(HEADER_NAME, { error: 'write the name of a header, such as "x-api-key"' }),
  z.refine((name) => !isTaken(name), {
    error: 'this header says something else already; write the one your facilitator asks for, such as "x-api-key"',
  }),
)

/** A key is sent over https alone, or on this machine. */
const base = parsed(parseBase, 'write the base URL of a facilitator')

const keyed = table({
  url: base,
  auth: z.optional(
    z.union([
      z.literal('cdp', { error: 'write auth = "cdp", or { header = "x-api-key", secret = "NAME_OF_A_SECRET" }' }),
      table({ header: headerName, secret: text }),
    ]),
  ),
  bazaar: z.optional(z.boolean({ error: 'write true or false' })),
})

/** One entry of `FACILITATORS`. */
export const facilitatorSchema = z.union([
  z.pipe(
    base,
    z.transform((url: string): z.infer<typeof keyed> => ({ url })),
  ),
  keyed,
])

/** A facilitator with its key. `at`: where it is written. */
export function facilitatorOf(
  { url, auth, bazaar = false }: z.infer<typeof facilitatorSchema>,
  env: Record<string, unknown>,
  at: string,
): Facilitator {
  const known = authOf(auth, env)
  return {
    url,
    auth: known.ok ? known.value : { kind: 'missing', problem: { path: `${at}.auth`, message: known.error } },
    isListed: bazaar,
  }
}

function authOf(auth: z.infer<typeof keyed>['auth'], env: Record<string, unknown>): Result<FacilitatorAuth, string> {
  if (auth === undefined) return ok({ kind: 'none' })
  if (auth === 'cdp') {
    const { CDP_API_KEY_ID: keyId, CDP_API_KEY_SECRET: keySecret } = env
    return typeof keyId === 'string' && keyId !== '' && typeof keySecret === 'string' && keySecret !== ''
      ? ok({ kind: 'cdp', keyId, keySecret })
      : fail('set CDP_API_KEY_ID and CDP_API_KEY_SECRET: npx wrangler secret put CDP_API_KEY_ID, then the other')
  }
  const value = secretOf(env, auth.secret)
  return value.ok ? ok({ kind: 'header', name: auth.header, value: value.value }) : value
}
