// `npm run doctor`: looks for expensive mistakes before money is at stake. Everything it finds says what to write instead;
// with an error it ends with status 1. It changes nothing anywhere.
import { parseArgs } from 'node:util'
import { command, Refusal } from './command.ts'
import { realWrangler } from './doctor/cloudflare.ts'
import type { Options } from './doctor/examine.ts'
import { asJson, asText, hasErrors, type Report } from './doctor/findings.ts'
import { type LeakOptions, leakOptions, leakReport } from './doctor/leaks.ts'

const USAGE = `usage: npm run doctor -- [options] [PATH…]
       npm run doctor -- --leaks URL… --pass TOKEN | --origin URL

  -c, --config FILE    what would be deployed; wrangler.toml
  -e, --env NAME       the environment of that file
  --remote             asks Cloudflare for the names of secrets and for the ledger, by wrangler
  --local              takes secrets and ledger of this machine, as wrangler dev does
  --first              before the first real money: what could not be asked of facilitators and chains is an error
  --live               looks at the deployed site as well; PATH… are addresses that are for sale, such as /articles/hello
  --sitemap FILE|URL   compares the site's own list of addresses with the routes
  --json               for machines

  --leaks              looks at nothing but URL…: whether who has not paid gets words that are paid for, there or beside it
  --pass TOKEN         reads the whole page with a reader's pass; or the variable NEWSSTAND_PASS, which npm does not show
  --origin URL         reads the whole page from the origin, at the same path`

type Task = { isJson: boolean } & ({ leaks: LeakOptions } | { leaks: null; options: Options })

async function main(): Promise<void> {
  const task = readArguments()
  const report = await carriedOut(task)
  console.log(task.isJson ? asJson(report) : asText(report))
  process.exitCode = hasErrors(report) ? 1 : 0
}

async function carriedOut(task: Task): Promise<Report> {
  const machine = { fetch, nowMs: Date.now }
  if (task.leaks !== null) return leakReport(task.leaks, { ...machine, progress: (line) => console.error(line) })
  // It brings wrangler, which takes seconds to load; who mistypes a flag need not wait for that.
  const { examine } = await import('./doctor/examine.ts')
  return examine(task.options, { ...machine, wrangler: realWrangler, environment: process.env })
}

function readArguments(): Task {
  const { values, positionals } = parsedArguments()
  if (values.leaks) return { leaks: readLeakArguments(values, positionals), isJson: values.json }
  if (values.pass !== undefined || values.origin !== undefined) {
    throw new Refusal('--pass and --origin are for --leaks; add it, or leave them out')
  }
  if (values.remote && values.local) throw new Refusal('--remote and --local exclude each other; write one of them')
  if (positionals.length > 0 && !values.live) throw new Refusal('paths are looked at with --live; add it')
  const odd = positionals.find((path) => !path.startsWith('/'))
  if (odd !== undefined) throw new Refusal(`${odd} is no path; write one such as /articles/hello`)
  return {
    leaks: null,
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

type Values = ReturnType<typeof parsedArguments>['values']

/** It needs no settings, so those that name some are a mistake. */
function readLeakArguments(values: Values, positionals: readonly string[]): LeakOptions {
  const { remote, local, first, live, sitemap, env, pass, origin } = values
  if (remote || local || first || live || sitemap !== undefined || env !== undefined) {
    throw new Refusal(
      '--leaks looks at addresses alone; leave --remote, --local, --first, --live, --sitemap, --env out',
    )
  }
  const known = pass ?? (origin === undefined ? process.env.NEWSSTAND_PASS : undefined)
  return leakOptions(positionals, known, origin)
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
        leaks: flag,
        pass: { type: 'string' },
        origin: { type: 'string' },
      },
    })
  } catch (error) {
    throw new Refusal(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
  }
}

await command('doctor', main)
