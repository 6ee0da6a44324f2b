// What is deployed stays small: every kilobyte is parsed at each cold start.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'

test('the worker is at most 108 KiB compressed', () => {
  const bundle = readFileSync('.wrangler/test-build/index.js')
  expect(gzipSync(bundle).byteLength / 1024).toBeLessThanOrEqual(108)
})
