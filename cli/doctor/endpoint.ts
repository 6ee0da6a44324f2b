// Whether an RPC endpoint is of the network it is configured for, whichever kind that is.
import * as z from 'zod'
import { identityOf, newRpcMemory, Rpc } from '../../src/chain.ts'
import { fail, ok, type Result } from '../../src/errors.ts'
import { chainIdOf, type Network, namespaceOf, networkOf } from '../../src/x402/assets.ts'
import { ANSWER_LIMIT_MS, ask, clockProblem, jsonIn, type Surroundings } from './asking.ts'
import { error, type Finding, hostOf, notChecked } from './findings.ts'

/** An endpoint that is of its network. `clock`: what to say of this machine's clock; null where it is right enough. */
export type Opened = { rpc: Rpc; clock: string | null }

/** What a node is asked for, how another network is named, and how the one that is meant. */
type Words = { what: string; theirs: (network: string) => string; ours: (network: Network) => string }

const WORDS: Record<'eip155' | 'solana', Words> = {
  eip155: {
    what: 'chain id',
    theirs: (network) => `chain ${chainIdOf(network)}`,
    ours: ({ name, network }) => `${name} (${chainIdOf(network)})`,
  },
  solana: {
    what: 'genesis hash',
    theirs: (network) => networkOf(network)?.name ?? `another cluster (${network})`,
    ours: ({ name }) => name,
  },
}

const identityReply = z.object({ result: z.string() })

/** `at`: the setting that names the endpoint. */
export async function openEndpoint(
  network: Network,
  url: string,
  at: string,
  surroundings: Surroundings,
): Promise<Result<Opened, Finding>> {
  const { name } = network
  const host = hostOf(url)
  const identity = identityOf(network.network)
  const { what, theirs, ours } = WORDS[namespaceOf(network.network) === 'solana' ? 'solana' : 'eip155']
  const reply = await ask(url, { json: { jsonrpc: '2.0', id: 1, ...identity.call } }, surroundings)
  if (!reply.ok) {
    const advice = 'run doctor again, or write another endpoint'
    return fail(notChecked(at, `${host} did not answer within ${ANSWER_LIMIT_MS / 1000} s; ${advice}`))
  }
  const { status, text } = reply.value
  if (status === 401 || status === 403) {
    return fail(error(at, `${host} refuses the key in its URL (${status}); copy the URL again from your provider`))
  }
  const { data } = identityReply.safeParse(jsonIn(text))
  const said = data ? identity.read(ok(data.result)) : null
  if (said === null) {
    const advice = 'write the URL of a JSON-RPC endpoint'
    return fail(notChecked(at, `${host} answered ${status}, and no ${what}; ${advice}`))
  }
  if (said !== network.network) {
    const other = `${host} is of ${theirs(said)} and not of ${ours(network)}`
    return fail(error(at, `${other}; write an endpoint of ${name}`))
  }
  // The chain is known, so nothing is asked, or logged, about it again.
  const rpc = new Rpc(url, network.network, { ...newRpcMemory(), network: network.network })
  return ok({ rpc, clock: clockProblem(host, reply.value) })
}
