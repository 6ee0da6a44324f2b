// Judges a story: what must never be, at each thing that happens, and what must be in the end. It knows the chain's
// truth and what readers were told; of the code under test it uses nothing that decides.
import { publicError } from '../../src/errors.ts'
import { type Case, isSamePerson, isWorth, nameOf, paidBy } from './cases.ts'
import type { Order } from './orders.ts'
import { sendingProblems } from './sending.ts'
import { objectOf, rowsOf, type Stage } from './stage.ts'
import { ask, type Request, type Watcher } from './worker.ts'

/** A request is answered in 25 s: and the look before it, the way, and what a crash costs. */
const LONGEST_ANSWER_MS = 28_500
const LONGEST_TWICE_MS = 56_000
const MOST_HANDOUTS = 3
const MOST_SUBREQUESTS = 50
/** What an object says only when something is broken. */
const FAULTS = ['too_many_steps', 'alarm_failed', 'look_failed', 'payment_unreadable', 'payment_unresolved']

export type Judge = Watcher & {
  problems: string[]
  cases: Map<string, Case>
  caseOf(order: Order): Case
  /** The sending that came a moment ago was not looked at: too many requests. */
  turnedAway(one: Case): void
  /** A chain is about to be reorganised. */
  reorganises(): void
  /** Money, proofs and the ledger, now: nothing may contradict the chain. `isEnd`: and nothing may be missing. */
  weigh(isEnd: boolean): void
  /** Asks again for all that was paid for and never handed out. */
  collect(): Promise<void>
}

export function createJudge(stage: Stage): Judge {
  const { world } = stage
  const problems: string[] = []
  const cases = new Map<string, Case>()
  const say = (problem: string) => {
    const line = `${((world.now() - startMs) / 1000).toFixed(3)} s: ${problem}`
    world.note(`PROBLEM ${problem}`)
    if (problems.length < 20) problems.push(line)
  }
  const startMs = world.now()
  const caseOf = (order: Order): Case => {
    const found = cases.get(order.key)
    if (found) return found
    const made: Case = {
      order,
      requests: [],
      reachedMs: null,
      grants: [],
      invited: [],
      isExcused: false,
      wasLost: false,
      paidBy: null,
      isWord: false,
      sentMs: [],
      paidMs: null,
    }
    cases.set(order.key, made)
    return made
  }
  const rowOf = ({ order }: Case) => rowsOf(stage, order.from).find((row) => row.key === order.key)
  const name = nameOf
  const isPaid = (order: Order) => paidBy(stage, order)
  /** The same transaction may have another place for it, once the chain has thought again. */
  const placeOf = ({ order }: Case) => {
    const fate = isPaid(order)
    return fate && `${fate.transaction} ${fate.position}`
  }
  const isUndone = (one: Case) => one.paidBy !== null && placeOf(one) !== one.paidBy

  const onSending = (one: Case) => {
    world.note(`SENT ${name(one)}`)
    one.reachedMs ??= world.now()
    one.sentMs.push(world.now())
    for (const problem of sendingProblems(stage, [...cases.values()], one)) say(problem)
  }
  for (const facilitator of stage.facilitators) {
    const { settles } = facilitator
    const push = settles.push.bind(settles)
    settles.push = (...given) => {
      for (const { from, mark, network } of given) {
        const found = [...cases.values()].find(
          ({ order }) => order.network === network && order.mark === mark && order.from === from,
        )
        if (found) onSending(found)
        else say('a facilitator got a payment that nobody has shown us')
      }
      return push(...given)
    }
  }

  /** When it was sure that a handout had been taken; what was taken at all; and what is on its way. */
  const takenAt = new Map<string, number>()
  const gone = new Set<string>()
  const out = new Set<{ request: Request; key: string }>()
  const judge: Judge = {
    problems,
    cases,
    caseOf,
    asked(request) {
      world.note(`READER asks ${name(caseOf(request.order))} at ${request.path}`)
      caseOf(request.order).requests.push(request)
    },
    granted(request, outcome) {
      const { order, path, startMs: askedMs } = request
      request.answeredMs = world.now()
      const one = caseOf(order)
      const isNamed = order.identifier !== null
      world.note(`READER is granted ${name(one)}: ${outcome.handout.number} of …${outcome.handout.key.slice(-6)}`)
      one.grants.push({ atMs: world.now(), outcome, isNamed })
      if (path !== order.resource.path) say(`${name(one)} opened ${path} as well`)
      const paying = [...cases.values()].filter(
        (other) =>
          isSamePerson(other.order, order) &&
          isWorth(other.order.product, order.product) &&
          other.order.network === outcome.settlement.network,
      )
      if (paying.length === 0) say(`${name(one)} was served for a payment that does not open it`)
      const { product } = order
      if (product.accessSeconds > 0 || outcome.endsAtSeconds !== null) return
      const { key } = outcome.handout
      // Whoever was passed it on before, and may not have heard of it, may ask again, as often as it is handed out.
      const wasUnheard = one.requests.some(({ answeredMs, endMs }) => answeredMs === null && endMs !== null)
      if (
        one.grants.length === 1 &&
        !wasUnheard &&
        !one.wasLost &&
        key !== order.key &&
        (gone.has(key) || [...out].some((other) => other.key === key && other.request.endMs === null))
      ) {
        say(`${name(one)} was served what somebody else has`)
      }
      out.add({ request, key })
      const handedOut = [...cases.values()]
        .flatMap(({ grants }) => grants)
        .filter(({ outcome: { handout } }) => handout.key === outcome.handout.key)
      const unnamed = handedOut.filter((grant) => !grant.isNamed).length
      if (product.flow === 'upfront' ? handedOut.length > MOST_HANDOUTS : unnamed > MOST_HANDOUTS) {
        say(`${name(one)} was served ${handedOut.length} times`)
      }
      const takenMs = takenAt.get(outcome.handout.key)
      if (!isNamed && takenMs !== undefined && takenMs < askedMs) say(`${name(one)} was served after it was taken`)
    },
    taken(request, { key }) {
      gone.add(key)
      // Heard for sure only where neither worker nor object died on the way.
      world.after(2_000, 'a handout is over', () => {
        const row = rowsOf(stage, request.order.from).find((one) => one.key === key)
        const name = objectOf(request.order.from)
        if (row?.delivered === 1 && stage.objects.disk(name).unconfirmed() === 0) takenAt.set(key, world.now())
      })
    },
    refused(request, refusal) {
      request.answeredMs = world.now()
      world.note(`READER is refused ${name(caseOf(request.order))}: ${refusal.code}`)
      if (refusal.code === 'unavailable') caseOf(request.order).wasLost = true
      // At another page it is no use, whatever became of it.
      if (request.path !== request.order.resource.path) return
      if (publicError(refusal.code).status === 402) {
        caseOf(request.order).invited.push({
          atMs: world.now(),
          code: refusal.code,
          wasPaid: isPaid(request.order) !== null,
          isSpent: Number(rowOf(caseOf(request.order))?.handouts ?? 0) >= MOST_HANDOUTS,
        })
      }
    },
    turnedAway(one) {
      one.sentMs.pop()
      one.reachedMs = one.sentMs[0] ?? null
    },
    reorganises() {
      for (const one of cases.values()) one.paidBy ??= placeOf(one)
    },
    weigh(isEnd) {
      for (const problem of weighed(isEnd)) say(problem)
    },
    async collect() {
      for (const one of [...cases.values()]) await collectOne(one)
    },
  }

  const weighed = (isEnd: boolean): string[] => {
    const found: string[] = []
    for (const one of cases.values()) {
      const fate = isPaid(one.order)
      if (fate) one.paidMs ??= world.now()
      if (!isEnd) continue
      const row = rowOf(one)
      if (row?.status === 'settled' && !isUndone(one) && !one.isWord) {
        if (!fate) found.push(`settled without money: ${name(one)}`)
        else if (row.tx !== fate.transaction) found.push(`settled by another's transaction: ${name(one)}`)
        else if (row.position !== null && row.position !== fate.position) found.push(`at another's log: ${name(one)}`)
      }
      if (row && ['claimed', 'settling', 'unknown'].includes(String(row.status))) {
        found.push(`no end: ${name(one)} is ${row.status}`)
      }
      if (row && fate && row.status !== 'settled') found.push(`paid, and ${row.status}: ${name(one)}`)
      const entries = stage.ledger.read('SELECT * FROM payments WHERE id = ?', one.order.key)
      if (fate && row && entries.length !== 1) found.push(`${entries.length} times in the ledger: ${name(one)}`)
      if (!fate && !isUndone(one) && !one.isWord && entries.length > 0)
        found.push(`in the ledger without money: ${name(one)}`)
      if (row && row.outbox !== 'empty') found.push(`the ledger is ${row.outbox}: ${name(one)}`)
      for (const { outcome } of one.grants) {
        const { transaction, network } = outcome.settlement
        const isBacked = [...cases.values()].some((other) => {
          const isMeant = isSamePerson(other.order, one.order) && isWorth(other.order.product, one.order.product)
          if (isMeant && (isUndone(other) || other.isWord)) return true
          const paid = isPaid(other.order)
          return paid !== null && paid.transaction === transaction && other.order.network === network && isMeant
        })
        if (!isBacked) found.push(`served unpaid: ${name(one)}`)
      }
      if (fate && !one.isExcused && one.reachedMs !== null && row?.covered_by === null) {
        const wrong = one.invited.find((invitation) => isWrongToInvite(one, invitation))
        if (wrong) found.push(`told "${wrong.code}", and it was paid: ${name(one)}`)
      }
    }
    for (const request of [...cases.values()].flatMap(({ requests }) => requests)) {
      const tookMs = (request.answeredMs ?? request.endMs ?? world.now()) - request.startMs
      const limitMs = deaths(stage) > 0 ? LONGEST_TWICE_MS : LONGEST_ANSWER_MS
      if (tookMs > limitMs) found.push(`no answer for ${tookMs} ms`)
    }
    for (const { event, payment } of stage.logged) {
      if (FAULTS.includes(event)) found.push(`logged ${event} ${payment.slice(-6)}`)
    }
    if (world.mostMade > MOST_SUBREQUESTS) found.push(`${world.mostMade} subrequests of one call`)
    return found
  }
  const isWrongToInvite = (one: Case, { atMs, code, wasPaid, isSpent }: Case['invited'][number]) => {
    // All its handouts were made, and their answers lost with the object.
    if (isSpent) return false
    // It was refused for good, and then sent once more.
    if (!wasPaid && one.sentMs.some((sentMs) => sentMs > atMs)) return false
    // What it was paid for had been handed out by then, as often as it is.
    const { key } = one.order
    const before = [...cases.values()]
      .flatMap(({ grants }) => grants)
      .filter((grant) => grant.atMs <= atMs && grant.outcome.handout.key === key).length
    return !(code === 'payment_already_used' && before > 0) && code !== 'payment_identifier_conflict'
  }

  const collectOne = async (one: Case): Promise<void> => {
    const { order } = one
    const row = rowOf(one)
    if (!row || !isPaid(order)) return
    const isLeft = row.delivered === 0 && Number(row.handouts) < MOST_HANDOUTS
    if (!isLeft) {
      if (one.grants.length === 0 && row.delivered === 1 && !passedOn(order.key)) say(`marked as taken: ${name(one)}`)
      return
    }
    for (const isLast of [false, true]) {
      const answer = await ask(stage, order, {}, judge)
      if (answer.kind === 'content') return
      if (isLast) say(`paid, and not served: ${name(one)}: ${JSON.stringify(answer)}`)
      await world.wait(50_000)
    }
  }
  /** Whether its content went to who asked with another payment. */
  const passedOn = (key: string) =>
    [...cases.values()].some(({ grants }) => grants.some(({ outcome }) => outcome.handout.key === key))
  return judge
}

const deaths = ({ logged, objects }: Stage) =>
  logged.filter(({ event }) => event === 'payer_unavailable').length + Math.max(0, objects.counts.constructed - 1)
