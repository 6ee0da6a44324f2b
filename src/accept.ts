// What a client says that it accepts: kinds of content and encodings, by their weights (RFC 9110 §12.5). Pure.

/** Whether `Accept` ranks `text/html` above JSON (RFC 9110 §12.5.1). No preference means a program. */
export function prefersHtml(accept: string | null): boolean {
  if (accept === null) return false
  const html = quality(accept, ['*/*', 'text/*', 'text/html'])
  return html > 0 && html > quality(accept, ['*/*', 'application/*', 'application/json'])
}

/** Whether `Accept-Encoding` lets gzip in, and ranks nothing encoded above it (RFC 9110 §12.5.3). */
export function acceptsGzip(accept: string | null): boolean {
  if (accept === null) return false
  const gzip = quality(accept, ['*', 'gzip'])
  return gzip > 0 && gzip >= quality(accept, ['identity'])
}

/** RFC 7763. */
const MARKDOWN = 'text/markdown'

/** Whether Markdown is asked for by name, and HTML is not liked better. */
export function prefersMarkdown(accept: string | null): boolean {
  if (accept === null || !/text\/markdown/i.test(accept)) return false
  const markdown = quality(accept, [MARKDOWN])
  return markdown > 0 && markdown >= quality(accept, ['*/*', 'text/*', 'text/html'])
}

/** RFC 9457. */
export const PROBLEM_TYPE = 'application/problem+json'

/** Whether problem details are asked for by name, and plain JSON is not liked better. */
export function prefersProblem(accept: string | null): boolean {
  if (accept === null) return false
  const problem = quality(accept, [PROBLEM_TYPE])
  return problem > 0 && problem >= quality(accept, ['application/json'])
}

/** What is shorter fits into one packet either way. */
const SHORTEST_ZIPPED = 1400

/** Whether a body goes out compressed. Cloudflare writes what it accepts itself into the header, and keeps the client's. */
export function isWorthZipping(request: Request, body: string): boolean {
  if (body.length < SHORTEST_ZIPPED) return false
  const own = request.cf?.clientAcceptEncoding
  return acceptsGzip(typeof own === 'string' ? own : request.headers.get('Accept-Encoding'))
}

/** No browser sends more. */
const LONGEST_ACCEPT = 1_000

/** @param names from the least to the most specific; the most specific that is there counts */
function quality(sent: string, names: readonly string[]): number {
  const accept = sent.slice(0, LONGEST_ACCEPT)
  let best = { specificity: -1, q: 0 }
  for (const range of accept.split(',')) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const specificity = names.indexOf(name)
    const q = parameters.find((parameter) => parameter.startsWith('q='))
    const value = q === undefined ? 1 : Number(q.slice(2))
    if (specificity > best.specificity) best = { specificity, q: value >= 0 && value <= 1 ? value : 0 }
  }
  return best.q
}
