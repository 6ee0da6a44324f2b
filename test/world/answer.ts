// Asks the worker over node:http, which sends headers and paths as they are given, and reads answers by hand: what is
// decoded here shares no code with the worker.
import { type IncomingMessage, request } from 'node:http'
import * as z from 'zod'

const hex = z.templateLiteral(['0x', z.string()])
const digits = z.string().regex(/^(?:0|[1-9][0-9]*)$/)
const domain = z.looseObject({ name: z.string(), version: z.string(), paymentFlow: z.string().optional() })

/** The offers by EIP-3009. Those on Solana are read by `solanaChallenge`, those by Permit2 by `permitChallenge`. */
const byEip3009 = <Entry extends z.ZodType>(entry: Entry) =>
  z.preprocess(
    (all) => (Array.isArray(all) ? all.filter((one) => !otherwisePaid.safeParse(one).success) : all),
    z.array(entry),
  )
const otherwisePaid = z.union([
  z.looseObject({ network: z.string().startsWith('solana') }),
  z.looseObject({ extra: z.looseObject({ assetTransferMethod: z.literal('permit2') }) }),
])

const challengeV2 = z.looseObject({
  x402Version: z.literal(2),
  error: z.string(),
  resource: z.looseObject({
    url: z.string(),
    description: z.string().optional(),
    mimeType: z.string().optional(),
  }),
  accepts: byEip3009(
    z.looseObject({
      scheme: z.literal('exact'),
      network: z.string(),
      amount: digits,
      asset: hex,
      payTo: hex,
      maxTimeoutSeconds: z.number(),
      extra: domain,
    }),
  ),
  extensions: z.record(z.string(), z.looseObject({ info: z.looseObject({}), schema: z.looseObject({}) })),
})

const challengeV1 = z.looseObject({
  x402Version: z.literal(1),
  error: z.string(),
  accepts: byEip3009(
    z.looseObject({
      scheme: z.literal('exact'),
      network: z.string(),
      maxAmountRequired: digits,
      resource: z.url(),
      description: z.string(),
      mimeType: z.string(),
      asset: hex,
      payTo: hex,
      maxTimeoutSeconds: z.number(),
      extra: domain,
    }),
  ),
  expiresAt: z.number(),
  paymentId: z.string(),
})

const receipt = z.looseObject({
  success: z.boolean(),
  errorReason: z.string().optional(),
  transaction: z.string(),
  network: z.string(),
  payer: z.string().optional(),
})

export type Challenge = { v1: z.infer<typeof challengeV1>; v2: z.infer<typeof challengeV2> }
export type Receipt = z.infer<typeof receipt>

/** Standard, padded base64 of ASCII JSON, as every x402 header holds (x402 v2 http transport). */
export function decodeHeader(header: string): unknown {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$/.test(header)) {
    throw new Error(`not standard padded base64: ${header}`)
  }
  const bytes = Buffer.from(header, 'base64')
  if (bytes.some((byte) => byte > 0x7e)) throw new Error('not ASCII, which clients that read Latin-1 would garble')
  return JSON.parse(bytes.toString('ascii'))
}

/** An answer, read to its end. */
export class Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer

  constructor(status: number, headers: Headers, bytes: Buffer) {
    this.status = status
    this.headers = headers
    this.bytes = bytes
  }

  get text(): string {
    return this.bytes.toString('utf8')
  }

  get json(): unknown {
    return JSON.parse(this.text)
  }

  header(name: string): string | null {
    return this.headers.get(name)
  }

  /** The pass that came with what was paid for, as a cookie to send. */
  get pass(): string {
    return (this.header('Set-Cookie') ?? '').split(';')[0] ?? ''
  }

  /** The `error` of a JSON refusal. */
  get error(): string {
    return z.object({ error: z.string(), message: z.string().regex(/^[A-Z].+\.$/) }).parse(this.json).error
  }

  /** Both challenges of a 402. */
  get challenge(): Challenge {
    return { v1: challengeV1.parse(this.json), v2: this.challengeV2 }
  }

  /** The challenge in the header: there for HEAD and for pages as well. */
  get challengeV2(): Challenge['v2'] {
    return challengeV2.parse(decodeHeader(this.header('PAYMENT-REQUIRED') ?? ''))
  }

  /** `PAYMENT-RESPONSE`. */
  get receipt(): Receipt | null {
    const header = this.header('PAYMENT-RESPONSE')
    return header === null ? null : receipt.parse(decodeHeader(header))
  }

  /** `X-PAYMENT-RESPONSE`. */
  get receiptV1(): Receipt | null {
    const header = this.header('X-PAYMENT-RESPONSE')
    return header === null ? null : receipt.parse(decodeHeader(header))
  }
}

/** How many answers hold what is sold. */
export const served = (answers: readonly Answer[], content: string) =>
  answers.filter(({ text }) => text.includes(content)).length

export type Question = {
  method?: string
  headers?: Record<string, string | string[]>
  body?: string
}

/** One request; redirects are not followed, nothing is decompressed, no header is added but those HTTP needs. */
export async function send(url: string, { method = 'GET', headers = {}, body }: Question = {}): Promise<Answer> {
  const { hostname, port } = new URL(url)
  const path = url.replace(/^[a-z]+:\/\/[^/?#]*/, '') || '/'
  const message = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request({ hostname, port, path, method, headers, agent: false }, resolve)
    outgoing.on('error', reject)
    outgoing.end(body)
  })
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(Buffer.from(chunk))
  return new Answer(message.statusCode ?? 0, headersOf(message), Buffer.concat(chunks))
}

export function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers()
  for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '')
  return headers
}
