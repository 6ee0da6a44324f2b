// Whether a request comes from the publisher: it carries `ADMIN_TOKEN` as a bearer token.

/** A shorter one can be guessed. */
const SHORTEST_TOKEN = 16

/** False for everybody where no token is set. What is compared are digests, so that the time it takes tells nothing. */
export async function isAdmin(
  { headers }: Pick<Request, 'headers'>,
  env: { ADMIN_TOKEN?: string | undefined },
): Promise<boolean> {
  const token = env.ADMIN_TOKEN ?? ''
  if (token.length < SHORTEST_TOKEN) return false
  const sent = /^Bearer +(\S+)$/i.exec(headers.get('Authorization') ?? '')?.[1]
  if (sent === undefined) return false
  const [mine, theirs] = await Promise.all([token, sent].map(digest))
  return mine === theirs
}

async function digest(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))).join()
}

/** The same request without the token: it is for us, and must not reach an origin. */
export function withoutToken(request: Request): Request {
  const headers = new Headers(request.headers)
  headers.delete('Authorization')
  return new Request(request, { headers })
}
