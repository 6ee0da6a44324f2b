// What wrangler runs before it bundles the worker, and the tests before they start: the page's scripts, minified, as modules
// of the worker. Plain JavaScript, so that every Node that wrangler takes can run it.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'src/browser')

export function build() {
  writeInline('checkout', 'CHECKOUT')
  writeInline('receipts', 'RECEIPTS_SCRIPT')
  writePart('solana', 'SOLANA', minified('solana.js'))
  writePart('elsewhere', 'ELSEWHERE', minified('elsewhere.js'))
}

/** A part that the page loads. Its address changes with its content, so that it can be kept for good. */
function writePart(part, constant, text) {
  const name = `${part}-${sha256(text).toString('hex').slice(0, 16)}.js`
  write(part, constant, { text, path: `/_newsstand/checkout/${name}` })
}

/** A script that stands in a page. */
function writeInline(name, constant) {
  const text = minified(`${name}.js`)
  // Nothing in it may end its element, or begin a comment.
  if (/<\/script|<!--/i.test(text)) throw new Error(`${name}.js holds what would end its own element`)
  // What a policy lets it in by: it is the same for every page.
  write(name, constant, { text, hash: `sha256-${sha256(text).toString('base64')}` })
}

const sha256 = (text) => createHash('sha256').update(text).digest()

/** With what it imports built in, packages too; a part that is fetched by its address stays apart. */
const minified = (file) =>
  buildSync({
    entryPoints: [join(folder, file)],
    bundle: true,
    write: false,
    minify: true,
    format: 'esm',
    target: 'es2022',
    charset: 'ascii',
    legalComments: 'none',
    logLevel: 'error',
  }).outputFiles[0].text.trim()

function write(name, constant, value) {
  const made = join(folder, `${name}.gen.ts`)
  const module = `// Made by dev/build.mjs of ${name}.js. Not to be edited.\nexport const ${constant} = ${JSON.stringify(value)}\n`
  if (!existsSync(made) || readFileSync(made, 'utf8') !== module) writeFileSync(made, module)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build()
