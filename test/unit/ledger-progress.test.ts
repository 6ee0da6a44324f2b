// How far a reconciliation came is kept in a file, whatever ends it.
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { noteOf, openProgress } from '../../cli/ledger/progress.ts'
import type { Scanned } from '../../cli/ledger/scan.ts'
import { assetsOn } from '../../src/x402/assets.ts'

const [BASE, POLYGON] = ['eip155:8453', 'eip155:137']
const PAYEES = [`0x${'b'.repeat(40)}`]
const transfer = {
  transaction: `0x${'1'.repeat(64)}`,
  position: 0,
  block: 7,
  time: 1_800_000_000,
  payer: `0x${'a'.repeat(40)}`,
  payTo: `0x${'b'.repeat(40)}`,
  nonce: `0x${'9'.repeat(64)}`,
  amount: 10n ** 20n,
}
const range = (from: number, to: number, others = 0): Scanned => ({
  from,
  to,
  hash: `0x${to}`,
  others,
  transfers: [{ ...transfer, block: from }],
})

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'newsstand-'))
  file = join(folder, 'below', 'progress.jsonl')
})

afterEach(() => rmSync(folder, { recursive: true }))

test('a second token of a network has a note of its own, and the first that of its network', () => {
  const notes = assetsOn(BASE).map(noteOf)
  expect(notes[0]).toBe(BASE)
  expect(notes.length).toBeGreaterThan(1)
  expect(new Set(notes).size).toBe(notes.length)
})

test('ranges that follow each other are known as one, also by the next run, and by network', () => {
  const first = openProgress(file)
  expect(first.known(BASE)).toBeNull()
  first.add(BASE, PAYEES, range(0, 9, 2))
  first.add(POLYGON, PAYEES, range(5, 6))
  first.add(BASE, PAYEES, range(10, 19, 1))
  const known = openProgress(file).known(BASE)
  expect(known).toEqual(first.known(BASE))
  expect(known).toMatchObject({ from: 0, to: 19, hash: '0x19', others: 3, payees: PAYEES })
  expect(known?.transfers).toEqual([
    { ...transfer, block: 0 },
    { ...transfer, block: 10 },
  ])
  expect(openProgress(file).known(POLYGON)).toMatchObject({ from: 5, to: 6 })
})

test('what broke off in the middle of a line is read again from there', () => {
  openProgress(file).add(BASE, PAYEES, range(0, 9))
  appendFileSync(file, '{"network":"eip155:8453","payees":["0x')
  const next = openProgress(file)
  expect(next.known(BASE)?.to).toBe(9)
  next.add(BASE, PAYEES, range(10, 19))
  expect(openProgress(file).known(BASE)?.to).toBe(19)
})

test('a range that was read twice, since two runs wrote at once, counts once', () => {
  const one = openProgress(file)
  const other = openProgress(file)
  one.add(BASE, PAYEES, range(0, 9))
  other.add(BASE, PAYEES, range(0, 9))
  one.add(BASE, PAYEES, range(10, 19))
  const known = openProgress(file).known(BASE)
  expect(known?.to).toBe(19)
  expect(known?.transfers).toHaveLength(2)
})

test('one network is forgotten, and the others stay', () => {
  const progress = openProgress(file)
  progress.add(BASE, PAYEES, range(0, 9))
  progress.add(POLYGON, PAYEES, range(5, 6))
  progress.forget(BASE)
  progress.add(BASE, PAYEES, range(3, 4))
  expect(openProgress(file).known(BASE)).toMatchObject({ from: 3, to: 4 })
  expect(openProgress(file).known(POLYGON)?.to).toBe(6)
})

test('a file of somebody else is refused and left as it is', () => {
  const foreign = join(folder, 'wrangler.toml')
  writeFileSync(foreign, 'name = "newsstand"\n')
  expect(() => openProgress(foreign)).toThrow(/no progress of this command/)
  expect(readFileSync(foreign, 'utf8')).toBe('name = "newsstand"\n')
})
