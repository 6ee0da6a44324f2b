// The demo publisher's own site, which the paywall stands in front of. It knows nothing about payments. On a real
// site the origin must be reachable through the paywall alone; this one listens on the loopback interface.
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import * as z from 'zod'
import { listening } from '../stack/ports.ts'
import { answerQuestion } from './archive.ts'
import { frontPage, PICTURES } from './front.ts'
import { page } from './page.ts'
import { tillPage } from './till.ts'

/** A running origin. */
export type Origin = { url: string; stop(): Promise<void> }

/** `siteUrl`: where readers meet the site, for the commands on the home page. `port`: 0 or omitted for a free one. */
export type OriginOptions = { port?: number; siteUrl?: string }

type Reply = { status: number; body: string; contentType?: string; headers?: Record<string, string> }

const MAX_BODY_BYTES = 16 * 1024
const MAX_QUESTION_CHARACTERS = 500
const Question = z.object({ question: z.string().trim().min(1).max(MAX_QUESTION_CHARACTERS) })

/** Starts the demo publisher's site. */
export async function startOrigin(options: OriginOptions = {}): Promise<Origin> {
  const siteUrl = options.siteUrl ?? 'http://localhost:8787'
  const server = createServer((request, response) => {
    reply(request, siteUrl)
      .catch((): Reply => ({ status: 500, body: page('Something broke', '<p>Please try again later.</p>') }))
      .then((answer) => send(request, response, answer))
  })
  return listening(server, options.port)
}

async function reply(request: IncomingMessage, siteUrl: string): Promise<Reply> {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  if (pathname === '/api/ask') {
    if (request.method !== 'POST') {
      return json(405, { error: 'POST a question here' }, { allow: 'POST' })
    }
    return ask(await readBody(request))
  }
  const picture = PICTURES.find((name) => pathname === `/pictures/${name}.svg`)
  if (picture !== undefined) return { status: 200, body: drawn(picture), contentType: 'image/svg+xml' }
  const make = pages[pathname]
  if (make === undefined) return { status: 404, body: notFound() }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { status: 405, body: page('Only for reading', ''), headers: { allow: 'GET, HEAD' } }
  }
  return { status: 200, body: make(siteUrl) }
}

/** A picture of the front page, drawn for it. */
const drawn = (name: string): string => readFileSync(new URL(`./pictures/${name}.svg`, import.meta.url), 'utf8')

const pages: Record<string, ((siteUrl: string) => string) | undefined> = {
  '/': frontPage,
  '/till': tillPage,
  '/about': about,
  '/premium/report': report,
}

function about(): string {
  return page(
    'About this paper',
    `<p class="lead">The Daily Stand is a newspaper of very few pages, kept by nobody, to show how a page can be sold by
itself.</p>
<p>It has a harbour, which explains the articles about water, and a printing press in the cellar, which explains the
rest. The home page and this one are free. Everything else costs a few cents of a dollar that exists only on the chain
inside this computer.</p>
<p><a href="/">Back to the front page</a></p>`,
  )
}

function report(): string {
  const rows = [
    ['Mean range, springs', '5.2 m', '5.4 m'],
    ['Mean range, neaps', '2.3 m', '2.2 m'],
    ['Highest water of the year', '6.1 m', '6.4 m'],
    ['Days the lower steps stayed dry', '212', '197'],
    ['Boats that asked us when to leave', '1,904', '2,377'],
    ['Boats that left then', '1,611', '2,140'],
  ]
  const cells = rows.map(([what, before, now]) => `<tr><td>${what}</td><td>${before}</td><td>${now}</td></tr>`)
  return page(
    'The harbour in figures',
    `<p class="lead">A year at the wall, counted twice a day by two people who do not always agree. The harbour is made
up; the arithmetic is not.</p>
<table>
<thead><tr><th>What we counted</th><th>Last year</th><th>This year</th></tr></thead>
<tbody>
${cells.join('\n')}
</tbody>
</table>
<h2>What it means</h2>
<p>The springs came two hands higher than last year and the neaps one hand lower. The Moon’s path swings slowly nearer
to the equator and away again, over eighteen years and a half, and the tides swing with it. It will go on for
some years yet. Those with cellars on the quay should move the potatoes.</p>
<h2>What people did about it</h2>
<p>Nine boats in ten now leave when the table says so: 2,140 of the 2,377 that asked, against 1,611 of 1,904 before. Of
the remaining 237 the harbour master says only that the sea is a patient teacher.</p>`,
  )
}

function notFound(): string {
  return page(
    'Nothing at this address',
    '<p>The page is not here, and was not charged for. <a href="/">The front page</a> lists what is.</p>',
  )
}

function ask(body: string | undefined): Reply {
  if (body === undefined) return json(413, { error: 'that question is too long' })
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return json(400, { error: 'the body is not JSON; send {"question": "…"}' })
  }
  const parsed = Question.safeParse(value)
  if (!parsed.success) {
    return json(400, { error: `send {"question": "…"}, at most ${MAX_QUESTION_CHARACTERS} characters` })
  }
  const { question } = parsed.data
  return json(200, { question, ...answerQuestion(question) })
}

function json(status: number, value: unknown, headers: Record<string, string> = {}): Reply {
  return { status, body: `${JSON.stringify(value)}\n`, contentType: 'application/json', headers }
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > MAX_BODY_BYTES) return undefined
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function send(request: IncomingMessage, response: ServerResponse, answer: Reply): void {
  const body = Buffer.from(answer.body)
  response.writeHead(answer.status, {
    'content-type': answer.contentType ?? 'text/html; charset=utf-8',
    'content-length': String(body.length),
    ...answer.headers,
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
