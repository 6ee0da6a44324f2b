// Whether an RPC endpoint is of the network it is configured for, whichever kind that is.
import * as z from 'zod'
import { type Call, newRpcMemory, Rpc } from '../../src/chain.ts'
import { fail, ok, type Result } from '../../src/errors.ts'
import { chainIdOf, type Network, namespaceOf, networkOf } from '../../src/x402/assets.ts'
import { ANSWER_LIMIT_MS, ask, clockProblem, jsonIn, type Surroundings } from './asking.ts'
import { error, type Finding, hostOf, notChecked } from './findings.ts'

/** An endpoint that is of its network. `clock`: what to say of this machine's clock; null where it is right enough. */
export type Opened = { rpc: Rpc; clock: string | null }

type Identity = {
  call: Call
  /** What the node is asked for. */
  what: string
  reply: z.ZodType<{ result: string }>
  /** As a CAIP-2 id. */
  network: (result: string) => string
  /** How another one is named, and how the one that is meant. */
  theirs: (network: string) => string
  ours: (network: Network) => string
}

const IDENTITY: Record<'eip155' | 'solana', Identity> = {
  eip155: {
    call: { method: 'eth_chainId', params: [] },
    what: 'chain id',
    reply: z.object({ result: z.string().regex(/^0x[0-9a-fA-F]{1,13}$/) }),
    network: (result) => `eip155:${Number(result)}`,
    theirs: (network) => `chain ${chainIdOf(network)}`,
    ours: ({ name, network }) => `${name} (${chainIdOf(network)})`,
  },
  solana: {
    call: { method: 'getGenesisHash', params: [] },
    what: 'genesis hash',
    reply: z.object({ result: z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/) }),
    // CAIP-2 takes the first 32 characters.
    network: (result) => `solana:${result.slice(0, 32)}`,
    theirs: (network) => networkOf(network)?.name ?? `another cluster (${network})`,
    ours: ({ name }) => name,
  },
}

/** `at`: the setting that names the endpoint. */
export async function openEndpoint(
  network: Network,
  url: string,
  at: string,
  surroundings: Surroundings,
): Promise<Result<Opened, Finding>> {
  const { name } = network
  const host = hostOf(url)
  const identity = IDENTITY[namespaceOf(network.network) === 'solana' ? 'solana' : 'eip155']
  const reply = await ask(url, { json: { jsonrpc: '2.0', id: 1, ...identity.call } }, surroundings)
  if (!reply.ok) {
    const advice = 'run doctor again, or write another endpoint'
    return fail(notChecked(at, `${host} did not answer within ${ANSWER_LIMIT_MS / 1000} s; ${advice}`))
  }
  const { status, text } = reply.value
  if (status === 401 || status === 403) {
    return fail(error(at, `${host} refuses the key in its URL (${status}); copy the URL again from your provider`))
  }
  const said = identity.reply.safeParse(jsonIn(text)).data
  if (!said) {
    const advice = 'write the URL of a JSON-RPC endpoint'
    return fail(notChecked(at, `${host} answered ${status}, and no ${identity.what}; ${advice}`))
  }
  const theirs = identity.network(said.result)
  if (theirs !== network.network) {
    const other = `${host} is of ${identity.theirs(theirs)} and not of ${identity.ours(network)}`
    return fail(error(at, `${other}; write an endpoint of ${name}`))
  }
  // The chain is known, so nothing is asked, or logged, about it again.
  const rpc = new Rpc(url, network.network, { ...newRpcMemory(), network: network.network })
  return ok({ rpc, clock: clockProblem(host, reply.value) })
}
