// What the documents name is there: files, functions in them, and the sentences of tests.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { publicError, REFUSAL_CODES } from '../src/errors.ts'

const ROOT = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const filesIn = (folder: string, pattern: RegExp): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name))

const DOCUMENTS = ['README.md', 'ARCHITECTURE.md', 'AGENTS.md', 'SECURITY.md', ...filesIn('docs', /\.md$/)]
const TESTS = filesIn('test', /\.ts$/)
  .map(read)
  .join('\n')
  // As a reader sees them: names are put together, and quotes are spelt.
  .replaceAll("\\'", "'")

/** A file that is named: in code marks, below one of our folders. */
const NAMED = /`((?:src|test|dev|cli|docs|migrations|public)\/[\w./*@-]*?)`/g

test.each(DOCUMENTS)('%s names files that are there', (document) => {
  const named = [...read(document).matchAll(NAMED)].map(([, name = '']) => name.replace(/[/*]+$/, ''))
  const isThere = (name: string) =>
    ['', '.ts', '.tsx', '.test.ts'].some((end) => existsSync(join(ROOT, name + end))) ||
    DOCUMENTS.some((document) => document.startsWith(`${name}-`))
  expect(named.filter((name) => !isThere(name))).toEqual([])
})

test.each(DOCUMENTS)('%s links to what is there', (document) => {
  const links = [...read(document).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, to = '']) => to)
  expect(links.filter((to) => !existsSync(join(ROOT, dirname(document), to)))).toEqual([])
})

test.each(DOCUMENTS)('%s names functions where they are', (document) => {
  const found = [...read(document).matchAll(/`((?:src|dev|cli|test)\/[\w./-]+\.tsx?)` \(((?:`[#\w]+`(?:, )?)+)\)/g)]
  const missing = found.flatMap(([, file = '', names = '']) =>
    [...names.matchAll(/`([#\w]+)`/g)]
      .map(([, name = '']) => name)
      .filter((name) => !existsSync(join(ROOT, file)) || !new RegExp(`(?<![\\w])${name}\\b`).test(read(file)))
      .map((name) => `${file} (${name})`),
  )
  expect(missing).toEqual([])
})

test.each([
  ['docs/threat-model.md', 50],
  ['docs/payment-identifier.md', 15],
])('%s quotes tests that are there', (document, least) => {
  const shown = read(document)
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').at(-2) ?? '')
  const quoted = shown.flatMap((cell) => [...cell.matchAll(/"([^"]+)"/g)].map(([, text = '']) => text))
  expect(quoted.length).toBeGreaterThan(least)
  // What a name is put together from stands in the test by itself.
  const parts = (text: string) => text.split(/…|\d+/).map((part) => part.trim())
  expect(quoted.filter((text) => !parts(text).every((part) => TESTS.includes(part)))).toEqual([])
})

test('operations.md says what to do about every event of the log, and every 5xx', () => {
  const operations = read('docs/operations.md')
  const list = read('src/log.ts').replace(/\/\*\*[\s\S]*?\*\//g, '')
  const parts = [
    list.slice(list.indexOf('type Event ='), list.indexOf('type Decided')),
    list.slice(list.indexOf('type PaymentEvent')),
  ]
  const events = [...parts.join('').matchAll(/'([a-z0-9]+(?:_[a-z0-9]+)+|fault)'/g)].map(([, name = '']) => name)
  expect(events.length).toBeGreaterThan(15)
  expect(events.filter((name) => !operations.includes(`\`${name}\``))).toEqual([])
  const ours = REFUSAL_CODES.filter((code) => publicError(code).status >= 500)
  expect(ours.filter((code) => !operations.includes(`| ${publicError(code).status} \`${code}\` |`))).toEqual([])
})
