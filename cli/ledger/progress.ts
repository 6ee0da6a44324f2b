// How far the chain was read, kept in a file of one JSON line per range: a run that broke off goes on where it was.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import * as z from 'zod'
import { type Asset, assetsOn } from '../../src/x402/assets.ts'
import { Refusal } from '../command.ts'
import type { Scanned } from './scan.ts'

/** What stands in the first line. A file that begins otherwise is somebody else's. */
const HEADER = 'newsstand ledger progress 1'

const amount = z.string().regex(/^\d+$/).transform(BigInt)
const line = z.object({
  network: z.string(),
  payees: z.array(z.string()),
  from: z.int(),
  to: z.int(),
  hash: z.string(),
  others: z.int(),
  transfers: z.array(
    z.object({
      transaction: z.string(),
      position: z.int(),
      block: z.int(),
      time: z.int(),
      payer: z.string(),
      payTo: z.string(),
      nonce: z.string(),
      amount,
    }),
  ),
})
type Line = z.infer<typeof line>

/** What is known of one network: all of its transfers to these payees from one block to another. */
export type Known = Scanned & { payees: readonly string[] }

export type Progress = {
  /** Null where nothing is known. */
  known(network: string): Known | null
  /** Adds the range right behind what is known. */
  add(network: string, payees: readonly string[], scanned: Scanned): void
  forget(network: string): void
}

/** What a token's progress is noted under: the first of a network by its network alone, as older files have it. */
export const noteOf = ({ network, asset }: Asset): string =>
  assetsOn(network)[0]?.asset === asset ? network : `${network} ${asset}`

/** Throws a `Refusal` where the file is somebody else's, or cannot be written. */
export function openProgress(file: string): Progress {
  let lines = existsSync(file) ? following(linesOf(file)) : []
  const text = ({ transfers, ...rest }: Line) =>
    `${JSON.stringify({ ...rest, transfers: transfers.map((one) => ({ ...one, amount: one.amount.toString() })) })}\n`
  const rewrite = () =>
    writing(file, () => writeFileSync(file, `${HEADER}\n${lines.map(text).join('')}`, { mode: 0o600 }))
  writing(file, () => mkdirSync(dirname(file), { recursive: true }))
  // A line that was cut off when a run broke off must not stay in front of the next.
  rewrite()
  return {
    known: (network) => together(lines.filter((entry) => entry.network === network)),
    add(network, payees, scanned) {
      const entry = { ...scanned, network, payees: [...payees] }
      lines.push(entry)
      writing(file, () => appendFileSync(file, text(entry)))
    },
    forget(network) {
      lines = lines.filter((entry) => entry.network !== network)
      rewrite()
    },
  }
}

/** Without ranges that do not follow the one before: two runs wrote at once. */
function following(lines: readonly Line[]): Line[] {
  const last = new Map<string, Line>()
  return lines.filter((next) => {
    const before = last.get(next.network)
    if (before && (next.from !== before.to + 1 || next.payees.join() !== before.payees.join())) return false
    last.set(next.network, next)
    return true
  })
}

/** Ranges that follow each other, as one. */
function together(lines: readonly Line[]): Known | null {
  const [first, last] = [lines[0], lines.at(-1)]
  if (!first || !last) return null
  return {
    payees: first.payees,
    from: first.from,
    to: last.to,
    hash: last.hash,
    others: lines.reduce((sum, { others }) => sum + others, 0),
    transfers: lines.flatMap(({ transfers }) => transfers),
  }
}

function linesOf(file: string): Line[] {
  const [header, ...entries] = readFileSync(file, 'utf8').split('\n')
  if (header === '' && entries.length === 0) return []
  if (header !== HEADER) throw new Refusal(`${file} is no progress of this command; name another file with --progress`)
  const lines: Line[] = []
  for (const text of entries) {
    const entry = lineIn(text)
    if (!entry) break
    lines.push(entry)
  }
  return lines
}

function lineIn(text: string): Line | undefined {
  try {
    return line.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

function writing(file: string, write: () => void): void {
  try {
    write()
  } catch {
    throw new Refusal(`${file} cannot be written; name another file with --progress`)
  }
}
