// What facilitators say of themselves: whether they take the key, what they serve, and from which addresses they send.
import * as z from 'zod'
import type { Config } from '../../src/config.ts'
import type { Facilitator } from '../../src/facilitators.ts'
import { type Keyring, keyProblem, newKeyring } from '../../src/keyring.ts'
import { KEY_REFUSED, TOO_MANY_REQUESTS } from '../../src/replies.ts'
import { isSameAddress, type Network, namespaceOf } from '../../src/x402/assets.ts'
import { isSolanaAddress } from '../../src/x402/base58.ts'
import { askFacilitator, keyRefused, LIMIT, plain } from './ask-facilitator.ts'
import { type Answered, clockProblem, jsonIn, type Surroundings } from './asking.ts'
import { error, type Finding, hostOf, notChecked, warning } from './findings.ts'
import { trialFindings } from './trial.ts'

/** Test networks, by CAIP-2: those of the specification's own lists. */
const TEST_NETWORKS = new Set([
  ...[84532, 11155111, 80002, 43113, 421614, 11155420, 1328, 11124, 2201, 324705682].map((id) => `eip155:${id}`),
  'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1',
  'solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z',
])

const supported = z.object({
  kinds: z.array(
    z.object({
      x402Version: z.number(),
      scheme: z.string(),
      network: z.string(),
      extra: z.object({ feePayer: z.string().optional() }).optional().catch(undefined),
    }),
  ),
  signers: z.record(z.string(), z.array(z.string())).catch({}).default({}),
})
type Supported = z.infer<typeof supported>

/** Each facilitator by itself: the worker may come to any of them. */
export async function facilitatorFindings(
  config: Config,
  vars: Record<string, unknown>,
  surroundings: Surroundings,
): Promise<Finding[]> {
  const keyring = newKeyring()
  const each = config.facilitators.map((facilitator, i) => {
    const at = vars.FACILITATORS === undefined ? 'FACILITATOR_URL' : `FACILITATORS[${i}]`
    return checkOne(facilitator, at, config, keyring, surroundings)
  })
  return (await Promise.all(each)).flat()
}

async function checkOne(
  facilitator: Facilitator,
  at: string,
  config: Config,
  keyring: Keyring,
  surroundings: Surroundings,
): Promise<Finding[]> {
  // Said already where the settings were read.
  if (facilitator.auth.kind === 'missing') return []
  const key = await keyProblem(facilitator, keyring)
  if (key !== null) return [error(key.path, key.message)]
  const host = hostOf(facilitator.url)
  const reply = await askFacilitator(facilitator, '/supported', undefined, keyring, surroundings)
  if (reply === null) {
    return [notChecked(at, `${host} did not answer ${LIMIT}; run doctor again, or name another facilitator`)]
  }
  const clock = clockProblem(host, reply)
  const findings = clock === null ? [] : [warning('clock', clock)]
  const list = listIn(reply, facilitator, at, host)
  if (!('kinds' in list)) return [...findings, list]
  const networks = networkFindings(list, config, at, host)
  const served = config.networks.filter(({ network }) => serves(list, network))
  const feePayers = new Map(served.map(({ network }) => [network, feePayerOn(list, network)]))
  const dry = await trialFindings({ facilitator, config, at, keyring, surroundings }, served, feePayers)
  const payers = feePayerFindings(list, served, config, at, host)
  return [...findings, ...networks, ...payers, ...signerFindings(list, config, host), ...dry]
}

/** What it serves, or why that cannot be said. */
function listIn({ status, text }: Answered, { auth }: Facilitator, at: string, host: string): Supported | Finding {
  if (KEY_REFUSED.has(status)) return keyRefused(auth, at, host, status)
  if (status >= 300 && status < 400) {
    return error(at, `${host} redirects (${status}), and a payment follows no redirect; write the address it leads to`)
  }
  if (status >= 500 || status === TOO_MANY_REQUESTS) {
    return notChecked(at, `${host} answered ${status} to /supported; run doctor again, or name another facilitator`)
  }
  const list = status === 200 ? supported.safeParse(jsonIn(text)).data : undefined
  if (list && list.kinds.length > 0) return list
  return error(
    at,
    `${host} answered ${status} to /supported, without a list of networks; write a facilitator's base URL`,
  )
}

/** Whatever the client spoke, facilitators are sent version 2. */
const serves = ({ kinds }: Supported, network: string) =>
  kinds.some((kind) => kind.x402Version === 2 && kind.scheme === 'exact' && kind.network === network)

function networkFindings(list: Supported, { networks }: Config, at: string, host: string): Finding[] {
  const missing = networks.filter(({ network }) => !serves(list, network))
  if (missing.length === 0) return []
  const names = (networks: readonly Network[]) =>
    networks.map(({ name, network }) => `${name} (${network})`).join(' and ')
  const chains = list.kinds.map(({ network }) => network).filter((network) => network.includes(':'))
  const isAllTest = chains.length > 0 && chains.every((network) => TEST_NETWORKS.has(network))
  const isAllReal = chains.length > 0 && !chains.some((network) => TEST_NETWORKS.has(network))
  const real = missing.filter(({ isTest }) => !isTest)
  const test = missing.filter(({ isTest }) => isTest)
  if (isAllTest && real.length > 0) {
    return [error(at, `${host} serves test networks only; write a facilitator that serves ${names(real)}`)]
  }
  if (isAllReal && test.length > 0) {
    return [error(at, `${host} serves no test network; write a facilitator that serves ${names(test)}`)]
  }
  return missing.map((asset) => {
    const other = list.kinds.find(({ network }) => network === asset.network)
    const how = other ? `only with scheme "${plain(other.scheme)}" in version ${other.x402Version}` : 'not at all'
    const advice = 'write one that serves it with scheme "exact" in version 2, or remove the network from NETWORKS'
    return error(at, `${host} serves ${names([asset])} ${how}; ${advice}`)
  })
}

/** Whose key pays the fee on a network of Solana, by its own list. */
const feePayerOn = ({ kinds }: Supported, network: string): string | undefined =>
  kinds.find((kind) => kind.x402Version === 2 && kind.scheme === 'exact' && kind.network === network)?.extra?.feePayer

/** On Solana somebody has to pay the fee: a challenge names them. */
function feePayerFindings(
  list: Supported,
  served: readonly Network[],
  { payTo }: Config,
  at: string,
  host: string,
): Finding[] {
  return served.flatMap(({ network, name }) => {
    if (namespaceOf(network) !== 'solana') return []
    const feePayer = feePayerOn(list, network)
    if (feePayer === undefined || !isSolanaAddress(feePayer)) {
      const advice = 'ask them, or name another facilitator'
      return error(
        at,
        `${host} does not say who pays the fee on ${name} (extra.feePayer), and nobody can pay; ${advice}`,
      )
    }
    if (feePayer !== payTo.solana) return []
    return error('PAY_TO.solana', `this is the address from which ${host} pays fees on ${name}; write your own`)
  })
}

function signerFindings({ signers }: Supported, { payTo }: Config, host: string): Finding[] {
  const known = Object.values(signers).flat()
  const message = `this is the address from which ${host} sends transactions; write your own`
  return Object.entries(payTo)
    .filter(([, payee]) => known.some((address) => isSameAddress(address, payee)))
    .map(([namespace]) => error(`PAY_TO.${namespace}`, message))
}
