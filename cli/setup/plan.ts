// What is to be done, from what is there. Pure: every step says what it does before it is done.
import { isDeepStrictEqual } from 'node:util'
import { fail, ok, type Result } from '../../src/errors.ts'
import type { Deployment, Known } from './deployment.ts'

/** What the account has, as far as this deployment looks. `buckets` is null where R2 is not used. */
export type Found = {
  namespaces: readonly { id: string; title: string }[]
  databases: readonly { uuid: string; name: string }[]
  buckets: readonly string[] | null
  secrets: readonly string[]
}

/** Something to be made under a name, or found: `id` is null where it has to be made. */
export type Storage = { name: string; id: string | null }

/** What to make. */
export type Plan = { kv: Storage; d1: Storage; bucket: { name: string; isThere: boolean } | null; secrets: string[] }

/** Secrets of newsstand itself, made here. */
const OWN = ['PASS_SECRET', 'RECEIPT_KEY'] as const
const COINBASE = ['CDP_API_KEY_ID', 'CDP_API_KEY_SECRET'] as const

/**
 * What a deployment lacks. An id in wrangler.toml counts, and has to be one of the account's; else what bears the name.
 * A secret that is there is never made again. `given`: names of secrets in the environment of this command.
 */
export function planOf(
  deployment: Deployment,
  known: Known | null,
  found: Found,
  given: readonly string[],
): Result<Plan, string> {
  const kv = storage(
    deployment.kv.title,
    known?.kvId ?? null,
    found.namespaces.map(({ id, title }) => ({ id, name: title })),
  )
  const d1 = storage(
    deployment.d1.name,
    known?.d1Id ?? null,
    found.databases.map(({ uuid, name }) => ({ id: uuid, name })),
  )
  if (kv === undefined) return fail(strange(deployment, 'KV namespace', known?.kvId))
  if (d1 === undefined) return fail(strange(deployment, 'D1 database', known?.d1Id))
  const { bucket } = deployment
  const coinbase = usesCoinbase(deployment, known) ? COINBASE.filter((name) => !found.secrets.includes(name)) : []
  const lacking = coinbase.filter((name) => !given.includes(name))
  if (lacking.length > 0) {
    return fail(
      `Coinbase's facilitator needs a key, and ${lacking.join(' and ')} of ${deployment.worker} is not set. Make a key in the CDP ` +
        'portal, put both halves into the environment as CDP_API_KEY_ID and CDP_API_KEY_SECRET, and run this again; they are ' +
        'stored as secrets. Or name another facilitator: --facilitator URL',
    )
  }
  return ok({
    kv,
    d1,
    bucket: bucket === null ? null : { name: bucket, isThere: found.buckets?.includes(bucket) ?? false },
    secrets: [...OWN.filter((name) => !found.secrets.includes(name)), ...coinbase],
  })
}

function storage(name: string, id: string | null, there: readonly { id: string; name: string }[]): Storage | undefined {
  if (id === null || /^[0-]*$/.test(id)) return { name, id: there.find((entry) => entry.name === name)?.id ?? null }
  const entry = there.find((entry) => entry.id === id)
  return entry && { name: entry.name, id }
}

const strange = ({ money }: Deployment, what: string, id: string | null | undefined) =>
  `[env.${money}] of wrangler.toml names the ${what} ${id}, and this account has none with that id. Choose the account that has ` +
  'it by CLOUDFLARE_ACCOUNT_ID, or remove the id to have a new one made.'

function usesCoinbase({ facilitators, money }: Deployment, known: Known | null): boolean {
  if (facilitators !== null) return facilitators.includes('cdp')
  if (known === null) return money === 'live'
  return Array.isArray(known.facilitators) && known.facilitators.some((entry) => isCoinbase(entry))
}

const isCoinbase = (entry: unknown) =>
  typeof entry === 'object' && entry !== null && 'auth' in entry && isDeepStrictEqual(entry.auth, 'cdp')

/** What storage and secrets come to, one line each. */
export function linesOf({ kv, d1, bucket, secrets }: Plan, worker: string): string[] {
  const storage = (what: string, { name, id }: Storage) =>
    id === null ? `make     ${what} ${name}` : `keep     ${what} ${name}`
  return [
    storage('KV namespace', kv),
    storage('D1 database', d1),
    ...(bucket === null ? [] : [`${bucket.isThere ? 'keep' : 'make'}     R2 bucket ${bucket.name}`]),
    'write    wrangler.toml, as shown below',
    `migrate  D1 database ${d1.name}`,
    secrets.length === 0 ? `keep     the secrets of ${worker}` : `put      ${secrets.join(', ')} into ${worker}`,
    `check    ${worker} with doctor`,
    `deploy   ${worker}`,
  ]
}
