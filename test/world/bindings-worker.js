// A worker beside the site, with the site's own bindings, for what a test does to them. It is asked by a line of JSON, and by
// the bytes behind that line.

const ways = {
  kvPut: (env, { key, options }, bytes) => env.CONTENT_KV.put(key, bytes, options),
  kvGet: (env, { key }) => env.CONTENT_KV.get(key),
  kvDelete: (env, { key }) => env.CONTENT_KV.delete(key),
  r2Put: (env, { key, options }, bytes) => env.CONTENT_R2.put(key, bytes, { ...options, ...dated(options) }),
  batch: (env, { statements }) =>
    env.LEDGER_DB.batch(statements.map(({ sql, params }) => env.LEDGER_DB.prepare(sql).bind(...params))),
  cron: (env, { cron }) => env.SITE.scheduled({ cron }),
}

/** JSON knows no dates, and R2 takes nothing else. */
const dated = ({ httpMetadata: { cacheExpiry, ...said } = {} } = {}) => ({
  httpMetadata: { ...said, ...(cacheExpiry && { cacheExpiry: new Date(cacheExpiry) }) },
})

export default {
  async fetch(request, env) {
    const bytes = await request.arrayBuffer()
    const end = new Uint8Array(bytes).indexOf(10)
    const { way, ...wish } = JSON.parse(new TextDecoder().decode(bytes.slice(0, end)))
    try {
      return Response.json((await ways[way](env, wish, bytes.slice(end + 1))) ?? null)
    } catch (problem) {
      return new Response(String(problem), { status: 500 })
    }
  },
}
