// Who is the publisher: the bearer of ADMIN_TOKEN, and nobody where there is none.
import { expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { isAdmin } from '../../src/admin.ts'
import { VERSION } from '../../src/version.ts'

const TOKEN = 'a token of some length'
const asks = (ADMIN_TOKEN: string | undefined, Authorization: string | null) =>
  isAdmin(
    new Request('https://news.example', { headers: Authorization === null ? {} : { Authorization } }),
    ADMIN_TOKEN === undefined ? {} : { ADMIN_TOKEN },
  )

test.each<[string, string | undefined, string | null, boolean]>([
  ['the token', 'atokenofsomelength', 'Bearer atokenofsomelength', true],
  ['in small letters', 'atokenofsomelength', 'bearer atokenofsomelength', true],
  ['another one', 'atokenofsomelength', 'Bearer atokenofsomelengtH', false],
  ['the beginning of it', 'atokenofsomelength', 'Bearer atokenofsome', false],
  ['more than it', 'atokenofsomelength', 'Bearer atokenofsomelengthy', false],
  ['nothing', 'atokenofsomelength', null, false],
  ['another scheme', 'atokenofsomelength', 'Basic atokenofsomelength', false],
  ['where none is set', undefined, 'Bearer undefined', false],
  ['where it is empty', '', 'Bearer ', false],
  ['one that is too short to be one', 'short', 'Bearer short', false],
  ['one with spaces', TOKEN, `Bearer ${TOKEN}`, false],
])('%s', async (_what, token, header, isPublisher) => {
  expect(await asks(token, header)).toBe(isPublisher)
})

test('the release is the one of package.json', () => {
  expect(VERSION).toBe(packageJson.version)
})
