// The worker of `npm start`: the one that is deployed, with the demo wallet behind each of its pages, let in by
// its hash, and what the publisher's till shows.

// Made by `npm start`.
import DEMO_WALLET from '../../.newsstand/demo-wallet.txt'
import worker from '../../src/index.ts'
import { hashOf } from '../../src/pages/page.tsx'
import { SALES, salesIn } from './sales.ts'

export { Payer } from '../../src/index.ts'

const POLICY = 'Content-Security-Policy'
const SCRIPTS = "script-src '"

async function withWallet(response: Response): Promise<Response> {
  const policy = response.headers.get(POLICY) ?? ''
  if (!policy.includes(SCRIPTS) || !response.body) return response
  const headers = new Headers(response.headers)
  headers.set(POLICY, policy.replace(SCRIPTS, `script-src '${await hashOf(DEMO_WALLET)}' '`))
  headers.delete('Content-Encoding')
  const isZipped = response.headers.get('Content-Encoding') === 'gzip'
  const body = isZipped ? response.body.pipeThrough(new DecompressionStream('gzip')) : response.body
  const html = await new Response(body).text()
  return new Response(`${html}<script>${DEMO_WALLET}</script>`, { status: response.status, headers })
}

export default {
  async fetch(request, env, context) {
    if (new URL(request.url).pathname === SALES) return salesIn(env.LEDGER_DB)
    return withWallet(await worker.fetch(request, env, context))
  },
  scheduled: worker.scheduled,
} satisfies ExportedHandler<Env>
