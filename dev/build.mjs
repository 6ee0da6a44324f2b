// What wrangler runs before it bundles the worker, and the tests before they start: the page's script, minified, as a module
// of the worker. Plain JavaScript, so that every Node that wrangler takes can run it.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformSync } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, 'src/browser/checkout.js')
const made = join(root, 'src/browser/checkout.gen.ts')

export function build() {
  const { code } = transformSync(readFileSync(source, 'utf8'), {
    minify: true,
    format: 'esm',
    target: 'es2022',
    charset: 'ascii',
    legalComments: 'none',
  })
  const script = code.trim()
  // It stands in a page: nothing in it may end its element, or begin a comment.
  if (/<\/script|<!--/i.test(script)) throw new Error('checkout.js holds what would end its own element')
  // What a policy lets it in by: it is the same for every page.
  const hash = `sha256-${createHash('sha256').update(script).digest('base64')}`
  const module = `// Made by dev/build.mjs of checkout.js. Not to be edited.\nexport const CHECKOUT = ${JSON.stringify({ text: script, hash })}\n`
  if (!existsSync(made) || readFileSync(made, 'utf8') !== module) writeFileSync(made, module)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build()
