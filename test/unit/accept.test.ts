// Who asks for Markdown.
import { expect, test } from 'vitest'
import { prefersMarkdown } from '../../src/accept.ts'

test.each<[string | null, boolean]>([
  [null, false],
  ['*/*', false],
  ['text/*', false],
  ['text/markdown', true],
  ['Text/Markdown; q=0.5', true],
  ['text/markdown;q=0', false],
  ['text/markdown, text/html, */*', true],
  ['text/markdown, text/html;q=0.9, */*;q=0.1', true],
  ['text/markdown;q=0.9, text/html', false],
  ['text/markdown;q=0.9, */*', false],
  ['text/markdown;q=0.9, */*;q=0.9', true],
  ['text/markdown;q=0.8, text/html;q=0.7, */*', true],
  ['text/html,application/xhtml+xml,*/*;q=0.8', false],
])('Accept: %s → %s', (accept, isMarkdown) => {
  expect(prefersMarkdown(accept)).toBe(isMarkdown)
})
