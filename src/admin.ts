// Who runs the site: a request that carries `ADMIN_TOKEN`. The token goes no further than this.

/** Shorter ones can be guessed. */
const SHORTEST_TOKEN = 16

/** Whether `Authorization: Bearer …` holds the site's `ADMIN_TOKEN`. Takes as long for any token of its length. */
export function isAdmin({ headers }: Request, { ADMIN_TOKEN }: Pick<Env, 'ADMIN_TOKEN'>): boolean {
  if (typeof ADMIN_TOKEN !== 'string' || ADMIN_TOKEN.length < SHORTEST_TOKEN) return false
  const [, given = ''] = /^Bearer +(\S+)$/i.exec(headers.get('Authorization') ?? '') ?? []
  let difference = given.length ^ ADMIN_TOKEN.length
  for (let i = 0; i < ADMIN_TOKEN.length; i++) difference |= given.charCodeAt(i) ^ ADMIN_TOKEN.charCodeAt(i)
  return difference === 0
}

/** The request as a reader would send it: the token is for us, and must not reach the origin. */
export function withoutToken(request: Request): Request {
  const headers = new Headers(request.headers)
  headers.delete('Authorization')
  return new Request(request, { headers })
}
