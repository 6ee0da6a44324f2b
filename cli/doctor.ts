// `npm run doctor`: looks for expensive mistakes before money is at stake. Everything it finds says what to write instead;
// with an error it ends with status 1. It changes nothing anywhere.
import { parseArgs } from 'node:util'
import { command, Refusal } from './command.ts'
import { realWrangler } from './doctor/cloudflare.ts'
import { examine, type Options } from './doctor/examine.ts'
import { asJson, asText, hasErrors } from './doctor/findings.ts'

const USAGE = `usage: npm run doctor -- [options] [PATH…]

  -c, --config FILE    what would be deployed; wrangler.toml
  -e, --env NAME       the environment of that file
  --remote             asks Cloudflare for the names of secrets and for the ledger, by wrangler
  --local              takes secrets and ledger of this machine, as wrangler dev does
  --first              before the first real money: what could not be asked of facilitators and chains is an error
  --live               looks at the deployed site as well; PATH… are addresses that are for sale, such as /articles/hello
  --sitemap FILE|URL   compares the site's own list of addresses with the routes
  --json               for machines`

async function main(): Promise<void> {
  const { options, isJson } = readArguments()
  const machine = { fetch, nowMs: Date.now, wrangler: realWrangler, environment: process.env }
  const report = await examine(options, machine)
  console.log(isJson ? asJson(report) : asText(report))
  process.exitCode = hasErrors(report) ? 1 : 0
}

function readArguments(): { options: Options; isJson: boolean } {
  const { values, positionals } = parsedArguments()
  if (values.remote && values.local) throw new Refusal('--remote and --local exclude each other; write one of them')
  if (positionals.length > 0 && !values.live) throw new Refusal('paths are looked at with --live; add it')
  const odd = positionals.find((path) => !path.startsWith('/'))
  if (odd !== undefined) throw new Refusal(`${odd} is no path; write one such as /articles/hello`)
  return {
    options: {
      file: values.config,
      environment: values.env,
      storage: values.remote ? 'remote' : values.local ? 'local' : null,
      isFirst: values.first,
      live: values.live ? positionals : null,
      sitemap: values.sitemap ?? null,
    },
    isJson: values.json,
  }
}

function parsedArguments() {
  const flag = { type: 'boolean', default: false } as const
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c', default: 'wrangler.toml' },
        env: { type: 'string', short: 'e' },
        remote: flag,
        local: flag,
        first: flag,
        live: flag,
        json: flag,
        sitemap: { type: 'string' },
      },
    })
  } catch (error) {
    throw new Refusal(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
  }
}

await command('doctor', main)
