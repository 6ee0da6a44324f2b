// Puts the demo's content into local KV and R2 and applies the ledger's migrations to local D1, in the directory that
// `wrangler dev --persist-to` uses. Run directly (`node dev/demo/seed.ts [directory]`) or call `seed`.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { D1Database, KVNamespace, R2Bucket } from '@cloudflare/workers-types'
import { getPlatformProxy } from 'wrangler'
import { inCheckout, persistDirectory } from '../stack/paths.ts'
import { demoContent } from './content.ts'

type Bindings = { CONTENT_KV: KVNamespace; CONTENT_R2: R2Bucket; LEDGER_DB: D1Database }

/** `configPath`: the wrangler.toml whose bindings and migrations count. `persistTo`: as in `wrangler dev`. */
export type SeedOptions = { configPath: string; persistTo: string; migrations: string }

/** Fills the local KV, R2 and D1. Safe to repeat: content is overwritten, a migration is applied once. */
export async function seed(options: SeedOptions): Promise<void> {
  const { env, dispose } = await getPlatformProxy<Bindings>({
    configPath: options.configPath,
    // `wrangler dev --persist-to DIR` keeps its state in DIR/v3.
    persist: { path: join(options.persistTo, 'v3') },
    remoteBindings: false,
  })
  try {
    for (const { path, metadata, read } of demoContent) {
      if (path.startsWith('/articles/')) {
        await env.CONTENT_KV.put(path, read(), { metadata })
      } else {
        const { contentType, ...customMetadata } = metadata
        await env.CONTENT_R2.put(path.slice(1), read(), { httpMetadata: { contentType }, customMetadata })
      }
    }
    await migrate(env.LEDGER_DB, options.migrations)
  } finally {
    await dispose()
  }
}

/** Applies what `wrangler d1 migrations apply` would, and records it in the same table. */
async function migrate(db: D1Database, directory: string): Promise<void> {
  await db
    .prepare(
      'CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, ' +
        'applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)',
    )
    .run()
  for (const name of readdirSync(directory).sort()) {
    if (!name.endsWith('.sql')) continue
    if ((await db.prepare('SELECT 1 FROM d1_migrations WHERE name = ?').bind(name).first()) !== null) continue
    // The local D1 runs every statement of a prepared text.
    await db.prepare(readFileSync(join(directory, name), 'utf8')).run()
    await db.prepare('INSERT INTO d1_migrations (name) VALUES (?)').bind(name).run()
  }
}

if (import.meta.main) {
  await seed({
    configPath: inCheckout('wrangler.toml'),
    persistTo: process.argv[2] ?? persistDirectory,
    migrations: inCheckout('migrations'),
  })
}
