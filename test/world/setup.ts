// `npm run setup` in a checkout of its own, against the stand-in of Cloudflare's API.
import { type Checkout, makeCheckout, type Run } from './checkout.ts'
import { type CloudflareApi, startCloudflareApi, TOKEN } from './cloudflare-api.ts'

/** What a publisher answers. */
export const ANSWERS = {
  '--domain': 'news.example',
  '--pay-to': '0x1111111111111111111111111111111111111111',
  '--path': '/articles/*',
  '--price': '0.05',
  '--content': 'kv',
}

export type Publisher = {
  readonly api: CloudflareApi
  readonly checkout: Checkout
  /** The environment of who is logged in. */
  readonly login: Record<string, string>
  /** Runs it with the answers and more flags. */
  setup(flags?: readonly string[], env?: Record<string, string>): Promise<Run>
  /** The same without any answer. */
  setupAgain(flags?: readonly string[], env?: Record<string, string>): Promise<Run>
  /** Which environments doctor was asked about; what stood with Cloudflare then. */
  doctorRuns(): string[]
  leave(): Promise<void>
}

/** A stand-in for `npm run doctor`: it notes how it was called, and finds an error where a file says so. */
const DOCTOR = `const fs = require('node:fs')
fs.appendFileSync('doctor-runs', process.argv.slice(2).join(' ') + '\\n')
if (fs.existsSync('doctor-finds-an-error')) { console.error('error: the payee is wrong'); process.exit(1) }
`

export async function startPublisher(): Promise<Publisher> {
  const api = await startCloudflareApi()
  const checkout = makeCheckout()
  checkout.write('doctor.cjs', DOCTOR)
  checkout.write('doctor-runs', '')
  const withDoctor = checkout.read('package.json').replace(/"doctor": "[^"]*"/, '"doctor": "node doctor.cjs"')
  checkout.write('package.json', withDoctor)
  const login = { CLOUDFLARE_API_BASE_URL: api.url, CLOUDFLARE_API_TOKEN: TOKEN }
  const run = (args: readonly string[], env: Record<string, string> = {}) =>
    checkout.run('npm', ['run', '--silent', 'setup', '--', ...args], { ...login, ...env })
  return {
    login,
    api,
    checkout,
    setup: (flags = [], env) => run([...Object.entries(ANSWERS).flat(), ...flags], env),
    setupAgain: (flags = [], env) => run(flags, env),
    doctorRuns: () => checkout.read('doctor-runs').split('\n').filter(Boolean),
    async leave() {
      await api.stop()
      checkout.remove()
    },
  }
}
