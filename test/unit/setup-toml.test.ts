// Editing the text of wrangler.toml: what is changed, what stays, and what is refused.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { changesOf, copied, edited, inserted, quoted } from '../../cli/setup/toml.ts'

const FILE = `# The head.
name = "newsstand" # its name
list = [
  "[vars]",
]

# About the variables.
[vars]
SITE_URL = "https://news.example/#a" # where
PAY_TO = { eip155 = "0x1" }

[[vars.ROUTES]]
path = "/a"
price = "$0.05"

# The second.
[[vars.ROUTES]]
path = "/b"
price = "$0.05"
`
const vars = { name: 'vars' }

test('a value is changed where it stands, and nothing else is', () => {
  const result = edited(FILE, { table: vars, key: 'SITE_URL', value: '"https://other.example"' })
  expect(result).toEqual({
    ok: true,
    value: FILE.replace('"https://news.example/#a" # where', '"https://other.example" # where'),
  })
})

test('one of a list of tables is found by a line in it', () => {
  const table = { name: 'vars.ROUTES', having: { key: 'path', value: '"/b"' } }
  const result = edited(FILE, { table, key: 'price', value: '"$0.07"' })
  expect(result.ok && result.value).toBe(FILE.replace(/\$0\.05"\n$/, '$0.07"\n'))
})

test('a key that is not there comes behind the last of its table', () => {
  const result = edited(FILE, { table: vars, key: 'ORIGIN_URL', value: '"https://o.example"' })
  expect(result.ok && result.value).toBe(FILE.replace('"0x1" }\n', '"0x1" }\nORIGIN_URL = "https://o.example"\n'))
})

test.each([
  [
    'no such table',
    { table: { name: 'env.test' }, key: 'a', value: '1' },
    'wrangler.toml has no [env.test] on lines of its own, so write it there by hand: a = 1',
  ],
  [
    'two that could be meant',
    { table: { name: 'vars.ROUTES' }, key: 'a', value: '1' },
    'wrangler.toml has more than one [vars.ROUTES] on lines of its own, so write it there by hand: a = 1',
  ],
])('%s is refused with what to write', (_, edit, sentence) => {
  expect(edited(FILE, edit)).toEqual({ ok: false, error: sentence })
})

test('a value on several lines is left to whoever wrote it', () => {
  const text = '[vars]\nROUTES = [\n  { path = "/a" },\n]\n'
  expect(edited(text, { table: vars, key: 'ROUTES', value: '[]' })).toEqual({
    ok: false,
    error: 'wrangler.toml, line 2: ROUTES stands on several lines, so write it by hand: ROUTES = []',
  })
})

test('a block comes behind the tables it belongs to, or at the end', () => {
  expect(inserted(FILE, '[[kv]]\nid = 1', /^vars$/)).toBe(FILE.replace('"0x1" }\n', '"0x1" }\n\n[[kv]]\nid = 1\n'))
  expect(inserted(FILE, '[env.test]', /^env/)).toBe(`${FILE}\n[env.test]\n`)
})

test('tables are copied with the comments above them', () => {
  expect(copied(FILE, /^vars\.ROUTES$/, 'vars', 'env.live.vars')).toBe(
    '[[env.live.vars.ROUTES]]\npath = "/a"\nprice = "$0.05"\n\n# The second.\n[[env.live.vars.ROUTES]]\npath = "/b"\nprice = "$0.05"',
  )
})

test('the changes that are shown make the one text into the other', () => {
  const line = fc.constantFrom('a', 'b', 'c = 1', '')
  const text = fc.array(line, { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(text, text, (before, after) => {
      const changes = changesOf(before.join('\n'), after.join('\n'))
      const gone = new Set(changes.flatMap(({ line, from }) => (from === null ? [] : [line])))
      const result: string[] = before.filter((_, i) => !gone.has(i + 1))
      for (const { line, to } of changes) if (to !== null) result.splice(line - 1, 0, to)
      expect(result).toEqual(after)
    }),
  )
})

test('equal texts have no changes', () => {
  expect(changesOf(FILE, FILE)).toEqual([])
})

test('quoted texts keep quotation marks and backslashes', () => {
  expect(quoted('a "b" \\ c')).toBe('"a \\"b\\" \\\\ c"')
})
