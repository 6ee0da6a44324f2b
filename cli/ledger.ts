// `npm run ledger -- export | reconcile | show | observed`: the books. It reads the ledger, the chain and the log, and changes
// none of them.

import { command, Refusal } from './command.ts'
import { exportRows } from './ledger/export.ts'
import { reconcile } from './ledger/reconcile.ts'
import { show } from './ledger/show.ts'
import { observed } from './observed.ts'

type Verb = { run: (args: string[]) => Promise<void>; usage: string }

const VERBS: Readonly<Record<string, Verb>> = {
  export: { run: exportRows, usage: '[--csv | --json] [--from DATE] [--to DATE] [--out FILE]' },
  reconcile: {
    run: reconcile,
    usage: '[--from-block N | --days N] [--rpc NETWORK=URL] [--progress FILE] [--afresh] [--json]',
  },
  show: { run: show, usage: '<transaction | payment id | payer | name in the log>' },
  observed: { run: observed, usage: '[FILE]   out of log lines, without a ledger' },
}

const USAGE = `usage: npm run ledger -- VERB --local | --remote [-c FILE] [--env NAME] [--persist-to DIR]
${Object.entries(VERBS)
  .map(([name, { usage }]) => `  ${name.padEnd(10)} ${usage}`)
  .join('\n')}`

async function main([name = '', ...args]: string[]): Promise<void> {
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
  if (!verb) throw new Refusal(USAGE)
  try {
    await verb.run(args)
  } catch (error) {
    // What `parseArgs` throws says which flag it does not know.
    if (!(error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))) throw error
    throw new Refusal(`${error.message}\n${USAGE}`)
  }
}

await command('ledger', () => main(process.argv.slice(2)))
