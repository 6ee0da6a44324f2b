// A guide in docs/guides as something to be carried out: its settings and its commands, as they are written.
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unstable_readConfig } from 'wrangler'
import * as z from 'zod'
import { inCheckout } from '../../dev/stack/paths.ts'

/** The code of one kind in a guide, one text for each block. */
export function blocksOf(guide: string, language: 'toml' | 'sh'): string[] {
  const text = readFileSync(inCheckout(`docs/guides/${guide}.md`), 'utf8')
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, name, code = '']) =>
    name === language ? [code] : [],
  )
}

/** Its commands, one a line. */
export const commandsOf = (guide: string): string[] =>
  blocksOf(guide, 'sh').flatMap((block) => block.split('\n').filter((line) => line !== ''))

const vars = z.record(z.string(), z.json())

/** The variables that its settings make, as wrangler reads them. */
export async function varsOf(guide: string): Promise<z.infer<typeof vars>> {
  const folder = await mkdtemp(join(tmpdir(), 'newsstand-'))
  try {
    const config = join(folder, 'wrangler.toml')
    const settings = blocksOf(guide, 'toml').join('\n')
    writeFileSync(config, `name = "newsstand"\ncompatibility_date = "2026-08-01"\n\n[vars]\n\n${settings}`)
    return vars.parse(unstable_readConfig({ config }).vars)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
