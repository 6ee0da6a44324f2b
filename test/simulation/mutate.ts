// Puts one fault back into the source as it is loaded: `MUTANT=<name> node --import ./test/simulation/mutate.ts …`. No
// file is changed.
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { MUTANTS } from './mutants.ts'
import './register.ts'

const mutant = MUTANTS.find(({ name }) => name === process.env.MUTANT)
if (!mutant) throw new Error(`no mutant is called "${process.env.MUTANT}"`)
const source = new URL(`../../src/${mutant.file}`, import.meta.url).href
let isDone = false

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context)
    if (url !== source) return loaded
    const text = loaded.source?.toString() ?? ''
    // What is loaded may have lost its types already: the lines keep their places, and what is replaced has no types.
    const parts = text.split(mutant.from)
    if (parts.length !== 2) {
      console.error(`${fileURLToPath(url)} has ${parts.length - 1} times: ${mutant.from}`)
      process.exit(2)
    }
    isDone = true
    return { ...loaded, source: parts.join(mutant.to) }
  },
})
process.on('exit', (code) => {
  if (!isDone && code === 0) process.exitCode = 2
})
