// Read-only JSON-RPC, for what only the chain can tell about an authorization. Nothing is ever sent to it.
// What a node answers is parsed here and weighed elsewhere: this file draws no conclusion about a payment.
import * as z from 'zod/mini'
import { fail, ok, type Result } from './errors.ts'
import { exchange, type Reply } from './http.ts'
import { log } from './log.ts'
import { namespaceOf } from './x402/assets.ts'
import type { Authorization } from './x402/payment.ts'

const RPC_TIMEOUT_MS = 5_000
/** A block with 5,000 transaction hashes has 345 KB; a receipt with 100 settlements about as much. */
const LARGEST_REPLY_BYTES = 2 * 1024 * 1024
/** Of the platform's six connections some stay for settling. */
const MOST_OUT = 3
const MOST_OUT_OF_ONE = 2
/** Requests that are held at the same time share one head; blocks rarely come faster. */
const HEAD_SHARED_MS = 1_000
/** Public RPCs answer for about this many blocks of logs at once. */
const LOG_BLOCKS = 2_000
/** A gateway that answers with one of these, or a higher one, has not looked at the request. */
const BAD_GATEWAY = 502
const TOO_MANY_REQUESTS = 429

/** `authorizationState(address,bytes32)` of EIP-3009. */
const AUTHORIZATION_STATE = '0xe94a0102'
/** `isValidSignature(bytes32,bytes)` of ERC-1271, which is also what it answers when the signature is good. */
const IS_VALID_SIGNATURE = '0x1626ba7e'

/**
 * `reverted`: a contract was called and broke off; `refused`: a node answered that it will not answer this call; `oversized`: the
 * answer is larger than what is read; `unreachable`: any other way of giving no answer.
 */
export type ChainFailure = 'unreachable' | 'refused' | 'reverted' | 'oversized'

/** HTTP requests that may still be made. Each takes one; with none left every answer is `unreachable`. */
export type Budget = { left: number }

/** At most `most` requests of a budget that others share. */
export function shareOf(budget: Budget, most: number): Budget {
  let ownLeft = most
  return {
    get left() {
      return Math.min(ownLeft, budget.left)
    },
    set left(left: number) {
      const taken = this.left - left
      ownLeft -= taken
      budget.left -= taken
    },
  }
}

export type Call = { method: string; params: readonly unknown[] }
export type Answer = Result<unknown, ChainFailure>

/** A block's height and its time in Unix seconds. */
export type Block = { number: number; time: number }

/** A head that was asked for, and when it was answered; null while it is not. */
type SharedHead = { block: Promise<Block | null>; answeredAtMs: number | null }

/** What was learnt of an RPC endpoint. It is plain data and of no request, so an isolate may keep it. */
export type RpcMemory = {
  /** CAIP-2 id of the network it says it is of; null while it has not said. */
  network: string | null
  /** Blocks of logs it answers for at once: smaller after each refusal. */
  logBlocks: number
  /** Whether it takes several calls in one request; null before the first try. */
  takesBatches: boolean | null
  /** Seconds from block to block, as last measured; null before. */
  secondsPerBlock: number | null
  /** The last block seen to be well behind the head. */
  settled: Block | null
}

export const newRpcMemory = (): RpcMemory => ({
  network: null,
  logBlocks: LOG_BLOCKS,
  takesBatches: null,
  secondsPerBlock: null,
  settled: null,
})

/** How many requests are out at once, over all the networks of one object; a silent one leaves room for the others. */
export class Gate {
  readonly #out: string[] = []
  readonly #waiting: { url: string; go: () => void }[] = []

  async enter(url: string): Promise<void> {
    if (this.#hasRoom(url)) this.#out.push(url)
    else await new Promise<void>((go) => this.#waiting.push({ url, go }))
  }

  leave(url: string): void {
    this.#out.splice(this.#out.indexOf(url), 1)
    const index = this.#waiting.findIndex((waiting) => this.#hasRoom(waiting.url))
    const [next] = index < 0 ? [] : this.#waiting.splice(index, 1)
    if (!next) return
    this.#out.push(next.url)
    next.go()
  }

  #hasRoom(url: string): boolean {
    return this.#out.length < MOST_OUT && this.#out.filter((out) => out === url).length < MOST_OUT_OF_ONE
  }
}

/** One RPC endpoint, for one request or one object. Only its memory may be shared: replies belong to who asked. */
export class Rpc {
  readonly url: string
  readonly network: string
  readonly memory: RpcMemory
  #fitting: Promise<boolean> | null = null
  #head: SharedHead | null = null
  readonly #gate: Gate

  constructor(url: string, network: string, memory: RpcMemory = newRpcMemory(), gate: Gate = new Gate()) {
    this.url = url
    this.network = network
    this.memory = memory
    this.#gate = gate
  }

  /** The newest block; null where there is no answer. Whoever asks within a second gets the same. */
  head(budget: Budget): Promise<Block | null> {
    const known = this.#head
    if (known && (known.answeredAtMs === null || Math.abs(Date.now() - known.answeredAtMs) < HEAD_SHARED_MS))
      return known.block
    if (budget.left <= 0) return Promise.resolve(null)
    const asked: SharedHead = { block: blockAt(this, 'latest', budget), answeredAtMs: null }
    this.#head = asked
    void asked.block.then((block) => {
      asked.answeredAtMs = Date.now()
      if (!block && this.#head === asked) this.#head = null
    })
    return asked.block
  }

  /** One call in one request. */
  async ask(call: Call, budget: Budget): Promise<Answer> {
    const reply = await this.#post({ jsonrpc: '2.0', id: 1, ...call }, budget)
    if (reply === 'oversized') return fail(reply)
    return (reply && answerIn(reply.json, reply.status)) ?? fail('unreachable')
  }

  /** What the answer to one call says; null where it says nothing. */
  async learn<Value>({ call, read }: Asking<Value>, budget: Budget): Promise<Value | null> {
    return read(await this.ask(call, budget))
  }

  /** Several calls: in one request, or one by one where that is refused, up to the first that has no answer. */
  async askAll(calls: readonly Call[], budget: Budget): Promise<Answer[]> {
    let isUnreadable = false
    const triesBatch = this.memory.takesBatches !== false
    if (triesBatch) {
      const body = calls.map((call, id) => ({ jsonrpc: '2.0', id, ...call }))
      const reply = await this.#post(body, budget)
      // It says nothing of batches: one call may have so long an answer.
      if (reply === 'oversized') return calls.map(() => fail(reply))
      const isSilent = !reply || reply.status >= BAD_GATEWAY
      // An endpoint that has never taken a batch may break off at the sight of one.
      const isDown = isSilent && this.memory.takesBatches === true
      if (isDown || reply?.status === TOO_MANY_REQUESTS) return calls.map(unreachable)
      const answers = isSilent || !reply ? null : answersIn(reply, calls.length)
      if (answers?.some((answer) => answer.ok)) this.memory.takesBatches = true
      if (answers?.some((answer) => answer.ok || answer.error === 'unreachable')) return answers
      isUnreadable = answers === null
    }
    const answers: Answer[] = []
    for (const call of calls) {
      const isOver = answers.some((answer) => !answer.ok)
      answers.push(isOver ? fail('unreachable') : await this.ask(call, budget))
    }
    // It answers the same calls one by one, so it was the batch that it refused.
    const isAnswered = answers.some((answer) => answer.ok || (isUnreadable && answer.error === 'refused'))
    if (triesBatch && isAnswered) this.memory.takesBatches = false
    return answers
  }

  /** A range of logs was refused: the next is smaller. False where it was one block: its length is not the trouble. */
  refuseLogs(blocks: number): boolean {
    const smaller = LOG_STEPS.find((step) => step < blocks)
    this.memory.logBlocks = smaller === undefined ? LOG_BLOCKS : Math.min(this.memory.logBlocks, smaller)
    return smaller !== undefined
  }

  async #post(body: unknown, budget: Budget): Promise<Reply | 'oversized' | null> {
    const fits = this.#fitsChain(budget)
    if (budget.left <= 0 || this.#isOtherChain()) return null
    budget.left -= 1
    const reply = await this.#exchange(body)
    return (await fits) ? reply : null
  }

  /** Asks which network it is of beside the first call, until that is known. */
  #fitsChain(budget: Budget): Promise<boolean> {
    if (this.memory.network !== null) return Promise.resolve(!this.#isOtherChain())
    if (this.#fitting) return this.#fitting
    if (budget.left <= 0) return Promise.resolve(false)
    budget.left -= 1
    this.#fitting = this.#askNetwork().finally(() => {
      this.#fitting = null
    })
    return this.#fitting
  }

  async #askNetwork(): Promise<boolean> {
    const { call, read: readIn } = identityOf(this.network)
    const reply = await this.#exchange({ jsonrpc: '2.0', id: 1, ...call })
    const answer = reply === null || reply === 'oversized' ? null : answerIn(reply.json, reply.status)
    const said = readIn(answer ?? fail('unreachable'))
    if (said === null) return false
    this.memory.network = said
    if (this.#isOtherChain()) log({ event: 'rpc_wrong_chain', network: this.network })
    return !this.#isOtherChain()
  }

  #isOtherChain(): boolean {
    return this.memory.network !== null && this.memory.network !== this.network
  }

  /** One HTTP request, when the gate has room: three of one object, two of them to one endpoint. */
  async #exchange(body: unknown): Promise<Reply | 'oversized' | null> {
    await this.#gate.enter(this.url)
    const reply = await exchange(this.url, body, RPC_TIMEOUT_MS, { maxBytes: LARGEST_REPLY_BYTES })
    this.#gate.leave(this.url)
    if (reply.ok) return reply.value
    return reply.error === 'oversized' ? reply.error : null
  }
}

/** The ranges that free RPCs are known to allow, so that few refusals lead to the right one. */
const LOG_STEPS = [500, 100, 10, 1] as const

const unreachable = () => fail('unreachable' as const)

const envelope = z.lazy(() =>
  z.object({
    id: z.optional(z.unknown()),
    result: z.optional(z.unknown()),
    error: z.optional(z.unknown()),
  }),
)
/** What most nodes answer for a call that a contract broke off; the others say so in words. */
const EXECUTION_REVERTED = 3
const rpcError = z.lazy(() => z.object({ code: z.number(), message: z.catch(z.string(), '') }))

/** What one JSON-RPC reply says; null where it is none. Too many requests say nothing about the call. */
function answerIn(json: unknown, status: number): Answer | null {
  const { data } = z.safeParse(envelope, json)
  if (!data) return null
  if (data.error === undefined || data.error === null) return data.result === undefined ? null : ok(data.result)
  const error = z.safeParse(rpcError, data.error)
  if (!error.success) return null
  const isRateLimited = status === TOO_MANY_REQUESTS || /\brate\b|too many requests/i.test(error.data.message)
  if (isRateLimited) return fail('unreachable')
  return fail(error.data.code === EXECUTION_REVERTED || /\brevert/i.test(error.data.message) ? 'reverted' : 'refused')
}

/** The answers of a batch in the order of its calls; null where the reply is not an answer to each. */
function answersIn({ json, status }: Reply, count: number): Answer[] | null {
  if (!Array.isArray(json) || json.length !== count) return null
  const byId = new Map(json.map((entry) => [z.safeParse(envelope, entry).data?.id, answerIn(entry, status)]))
  const answers: Answer[] = []
  for (let id = 0; id < count; id++) {
    const answer = byId.get(id)
    if (!answer) return null
    answers.push(answer)
  }
  return answers
}

/** The value of an answer that has the expected shape. */
export function read<Schema extends z.core.$ZodType>(
  schema: Schema,
  answer: Answer | undefined,
): Result<z.infer<Schema>, ChainFailure> {
  if (!answer?.ok) return answer ?? fail('unreachable')
  const parsed = z.safeParse(schema, answer.value)
  return parsed.success ? ok(parsed.data) : fail('unreachable')
}

const hexQuantity = z.lazy(() => z.string().check(z.regex(/^0x[0-9a-fA-F]{1,64}$/)))
/** Heights, times and places are safe integers; what is larger is no answer. */
export const safeNumber = z.lazy(() => z.pipe(z.pipe(hexQuantity, z.transform(Number)), z.int()))
export const toHex = (number: number) => `0x${number.toString(16)}`
/** Hex as a 32-byte word of call data, without its `0x`. */
export const word = (text: string) => text.slice(2).toLowerCase().padStart(64, '0')

const IDENTITY = {
  eip155: {
    call: { method: 'eth_chainId', params: [] },
    read: (answer: Answer) => {
      const said = read(safeNumber, answer)
      return said.ok ? `eip155:${said.value}` : null
    },
  },
  solana: {
    call: { method: 'getGenesisHash', params: [] },
    // CAIP-2 takes the first 32 characters (namespaces/solana).
    read: (answer: Answer) => {
      const said = read(z.string().check(z.regex(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/)), answer)
      return said.ok ? `solana:${said.value.slice(0, 32)}` : null
    },
  },
} as const

/** How a node is asked which network it is of, and its answer as a CAIP-2 id; null where that is none. */
export const identityOf = (network: string): { call: Call; read: (answer: Answer) => string | null } =>
  IDENTITY[namespaceOf(network) === 'solana' ? 'solana' : 'eip155']

export const blockCall = (at: number | 'latest'): Call => ({
  method: 'eth_getBlockByNumber',
  params: [at === 'latest' ? at : toHex(at), false],
})

const blockHeader = z.object({ number: safeNumber, timestamp: safeNumber })

/** The block that was asked for, or null: not there, no answer, or another block. */
export function blockIn(answer: Answer | undefined, at: number | 'latest'): Block | null {
  const found = read(blockHeader, answer)
  if (!found.ok || (at !== 'latest' && found.value.number !== at)) return null
  return { number: found.value.number, time: found.value.timestamp }
}

export async function blockAt(rpc: Rpc, at: number | 'latest', budget: Budget): Promise<Block | null> {
  return blockIn(await rpc.ask(blockCall(at), budget), at)
}

/** On Solana: the time (Unix seconds) of the newest finalized slot; null where there is no answer. */
export async function finalizedSeconds(rpc: Rpc, budget: Budget): Promise<number | null> {
  const params = [{ commitment: 'finalized' }]
  const slot = read(z.int(), await rpc.ask({ method: 'getSlot', params }, budget))
  if (!slot.ok) return null
  const time = read(z.int(), await rpc.ask({ method: 'getBlockTime', params: [slot.value] }, budget))
  return time.ok ? time.value : null
}

/** A question about the chain's state: the call, and what its answer says; null where it says nothing. */
export type Asking<Value> = { call: Call; read: (answer: Answer | undefined) => Value | null }

/** A call of a contract's function that changes nothing. */
export const stateCall = (to: string, data: string, at: number | 'latest'): Call => ({
  method: 'eth_call',
  params: [{ to, data }, at === 'latest' ? at : toHex(at)],
})

/** Whether the authorization's nonce was used or cancelled as of a block. */
export const nonceUsed = (
  asset: string,
  { from, nonce }: Pick<Authorization, 'from' | 'nonce'>,
  at: number | 'latest',
): Asking<boolean> => ({
  call: stateCall(asset, `${AUTHORIZATION_STATE}${word(from)}${word(nonce)}`, at),
  read: (answer) => {
    const state = read(hexQuantity, answer)
    return state.ok ? BigInt(state.value) !== 0n : null
  },
})

/**
 * Whether a contract wallet says that a signature is its own (ERC-1271). Without a contract there, it is not. Most wallets
 * say no by breaking off.
 */
export async function isValidSignature(
  rpc: Rpc,
  wallet: string,
  hash: string,
  signature: string,
  budget: Budget,
): Promise<Result<boolean, ChainFailure>> {
  const size = (signature.length - 2) / 2
  const bytes = signature.slice(2).padEnd(Math.ceil(size / 32) * 64, '0')
  const data = `${IS_VALID_SIGNATURE}${word(hash)}${word('0x40')}${word(toHex(size))}${bytes}`
  const answer = read(z.string(), await rpc.ask(stateCall(wallet, data, 'latest'), budget))
  if (!answer.ok) return answer.error === 'reverted' ? ok(false) : answer
  return ok(answer.value.toLowerCase() === IS_VALID_SIGNATURE.padEnd(66, '0'))
}
