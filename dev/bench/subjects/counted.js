// Stands around newsstand and counts what its objects are asked and what they write: the bundle itself is as it is deployed.
// `/counts` tells, and begins anew.
import site, { Payer as Counted } from './site.js'

let counts = {}
const add = (what, how = 1) => {
  if (how > 0) counts[what] = (counts[what] ?? 0) + how
}

/** Once, at the first object: all share what they are made of. */
let isWatched = false
function watch(storage) {
  if (isWatched) return
  isWatched = true
  const sql = Object.getPrototypeOf(storage.sql)
  const { exec } = sql
  sql.exec = function (...statement) {
    const cursor = exec.apply(this, statement)
    add('rows written', cursor.rowsWritten)
    return cursor
  }
  const own = Object.getPrototypeOf(storage)
  const { setAlarm } = own
  own.setAlarm = function (...time) {
    add('alarms set')
    return setAlarm.apply(this, time)
  }
}

export class Payer extends Counted {
  constructor(state, env) {
    watch(state.storage)
    super(state, env)
  }
}
for (const name of Object.getOwnPropertyNames(Counted.prototype)) {
  const method = Counted.prototype[name]
  if (name === 'constructor' || typeof method !== 'function') continue
  Payer.prototype[name] = function (...given) {
    add(`object ${name}`)
    return method.apply(this, given)
  }
}

/** The clock stands still from the first request on: where a second passes between two steps, an index has to change. */
let isStopped = false
function stopClock() {
  if (isStopped) return
  isStopped = true
  const now = Date.now()
  Date.now = () => now
}

export default {
  ...site,
  fetch(request, env, context) {
    stopClock()
    if (new URL(request.url).pathname !== '/counts') return site.fetch(request, env, context)
    const told = Response.json(counts)
    counts = {}
    return told
  },
}
