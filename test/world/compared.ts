// `npm run ledger -- reconcile` as a publisher runs it, over one network and the ledger of a test's site.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Query } from '../../cli/ledger/database.ts'
import { openProgress } from '../../cli/ledger/progress.ts'
import { compareAll } from '../../cli/ledger/reconcile.ts'
import { settingsOf } from '../../cli/ledger/source.ts'

export type Books = {
  /** `assets`: ASSETS as it stands in wrangler.toml, in the words of TOML. Each time everything is read. */
  compared(assets: string): Promise<{ checked: string[] } & Awaited<ReturnType<typeof compareAll>>['findings']>
  close(): Promise<void>
}

export async function booksOf(
  query: Query,
  { network, rpcUrl, payTo }: { network: string; rpcUrl: string; payTo: string },
): Promise<Books> {
  const folder = await mkdtemp(join(tmpdir(), 'newsstand-'))
  let runs = 0
  return {
    async compared(assets) {
      runs += 1
      const configPath = join(folder, `wrangler-${runs}.toml`)
      const vars = `NETWORKS = ["${network}"]\nPAY_TO = "${payTo}"\nRPC_URLS = '${JSON.stringify({ [network]: rpcUrl })}'\n${assets}`
      await writeFile(configPath, `name = "newsstand"\ncompatibility_date = "2026-08-01"\n[vars]\n${vars}\n`)
      const source = { place: 'local', configPath, env: null, persistTo: null, isDemo: false } as const
      const settings = await settingsOf(source, [])
      const wish = { fromBlock: null, days: null, isAfresh: false }
      const progress = openProgress(join(folder, `progress-${runs}.jsonl`))
      const { checked, findings } = await compareAll(query, settings, wish, progress)
      return { checked: checked.map(({ view, rows }) => `${rows} in ${view.asset.symbol}`), ...findings }
    },
    close: () => rm(folder, { recursive: true, force: true }),
  }
}
