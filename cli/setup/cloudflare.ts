// The two questions to Cloudflare that wrangler has no command for: the account's name at workers.dev, and whether a domain is
// a zone of it. Asked with wrangler's own login, which is kept nowhere and printed nowhere.
import * as z from 'zod'
import { Refusal } from '../command.ts'
import { mustRun, type Wrangler } from './wrangler.ts'

const ANSWER_LIMIT_MS = 20_000
const BASE = 'https://api.cloudflare.com/client/v4'

const Login = z.union([
  z.object({ token: z.string() }).transform(({ token }) => ({ Authorization: `Bearer ${token}` })),
  z
    .object({ key: z.string(), email: z.string() })
    .transform(({ key, email }) => ({ 'X-Auth-Key': key, 'X-Auth-Email': email })),
])
const Reply = z.object({ success: z.boolean(), errors: z.array(z.object({ code: z.number() })), result: z.unknown() })
const Subdomain = z.object({ subdomain: z.string().min(1) })
const Zones = z.array(z.object({ name: z.string(), account: z.object({ id: z.string() }) }))
type LoginHeaders = z.infer<typeof Login>

/** What wrangler is logged in with, as headers. */
export async function loginOf(wrangler: Wrangler): Promise<LoginHeaders> {
  const out = await mustRun(wrangler, 'Asking wrangler for its login', ['auth', 'token', '--json'])
  try {
    return Login.parse(JSON.parse(out.slice(out.indexOf('{'))))
  } catch {
    throw new Refusal('Wrangler has no login. Run npx wrangler login, or put an API token into CLOUDFLARE_API_TOKEN')
  }
}

async function ask(login: LoginHeaders, path: string): Promise<z.infer<typeof Reply>> {
  const base = process.env.CLOUDFLARE_API_BASE_URL ?? BASE
  try {
    const answer = await fetch(`${base}${path}`, {
      headers: login,
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    })
    return Reply.parse(await answer.json())
  } catch {
    throw new Refusal(
      `${new URL(base).host} does not answer as Cloudflare does. Look at the network, and run this again`,
    )
  }
}

/** Where a worker is at workers.dev. */
export async function addressOf(login: LoginHeaders, accountId: string, worker: string): Promise<string> {
  const { result } = await ask(login, `/accounts/${accountId}/workers/subdomain`)
  const found = Subdomain.safeParse(result)
  if (found.success) return `https://${worker}.${found.data.subdomain}.workers.dev`
  throw new Refusal(
    'This account has no name at workers.dev, where the test deployment lies. Open Workers & Pages in the dashboard once and ' +
      'choose one. Then run this again.',
  )
}

/** The zone of this account that a domain lies in. */
export async function zoneOf(login: LoginHeaders, accountId: string, domain: string): Promise<string> {
  const labels = domain.split('.')
  const candidates = labels.slice(0, -1).map((_, i) => labels.slice(i).join('.'))
  for (const name of candidates) {
    const { success, result } = await ask(login, `/zones?name=${encodeURIComponent(name)}&account.id=${accountId}`)
    const zones = Zones.safeParse(result)
    if (!success || !zones.success) {
      throw new Refusal(
        'This login or token may not read the zones of the account. Give the token the right to read zones, and run this again.',
      )
    }
    if (zones.data.some((zone) => zone.name === name && zone.account.id === accountId)) return name
  }
  throw new Refusal(
    `${domain} lies in no zone of this account. Add the domain in the dashboard (Add a domain), or choose the account that has ` +
      'it by CLOUDFLARE_ACCOUNT_ID. Then run this again.',
  )
}
