// `ASSETS` in the configuration: tokens on EVM beside those of the table, by CAIP-2 network, with EIP-3009 or by Permit2. Nobody
// here has tested their bytecode: where its logs come in another order, what became of a payment stays unknown.
import * as z from 'zod/mini'
import { fail, ok, type Result } from './errors.ts'
import { addressProblem } from './networks/address.ts'
import { parsed, table, text } from './settings.ts'
import { type Asset, assetAt, isSameAddress, networkOf } from './x402/assets.ts'

const ADVICE =
  'write a table by network, such as { "eip155:43114" = [{ address = "0x…", name = "EURC", version = "2", decimals = 6, symbol = "EURC", currency = "EUR" }] }'

/** No token in use has more: it is what most ERC-20s have. */
const MOST_DECIMALS = 18
const DECIMALS_ADVICE = `write the decimals() of the token, a whole number from 0 to ${MOST_DECIMALS}`

function parseToken(input: string): Result<string, string> {
  const problem = addressProblem(input)
  return problem === null ? ok(input) : fail(problem.replace('write your own', 'write the contract of the token'))
}

const short = text.check(z.regex(/^[\x20-\x7e]{1,32}$/, { error: 'write 1 to 32 characters of plain text' }))

const IN_DOMAIN = {
  name: 'write the name in the EIP-712 domain of the token',
  version: 'write the version in the EIP-712 domain of the token, such as "2"',
} as const

const settings = table({
  address: parsed(parseToken, 'write the address of the token contract: 0x and 40 hexadecimal digits'),
  transfer: z.optional(z.enum(['eip3009', 'permit2'], { error: 'write "eip3009" or "permit2", or leave it out' })),
  // The domain that is signed, which may differ from what the token is called.
  name: z.optional(text),
  version: z.optional(text),
  decimals: z
    .int({ error: DECIMALS_ADVICE })
    .check(z.minimum(0, { error: DECIMALS_ADVICE }), z.maximum(MOST_DECIMALS, { error: DECIMALS_ADVICE })),
  symbol: short,
  currency: z.enum(['USD', 'EUR'], { error: 'write "USD" or "EUR"' }),
})

/** With Permit2 the domain is Permit2's own, whatever the token. */
const token = settings.check(({ value, issues }) => {
  for (const key of ['name', 'version'] as const) {
    const isThere = value[key] !== undefined && value[key] !== ''
    const isWanted = value.transfer !== 'permit2'
    const message = isWanted ? IN_DOMAIN[key] : `Permit2 signs no ${key} of the token; remove it`
    if (isThere !== isWanted) issues.push({ code: 'custom', message, input: value, path: [key] })
  }
})

const isHex = (address: string): address is `0x${string}` => address.startsWith('0x')

/** By network, each a token or a list of them. */
export const furtherTokens = z.pipe(
  z.record(z.string(), z.union([token, z.array(token, { error: ADVICE })]), { error: ADVICE }),
  z.transform((byNetwork, context): Asset[] =>
    Object.entries(byNetwork).flatMap(([network, tokens]) => {
      const known = networkOf(network)
      const isEvm = network.startsWith('eip155:')
      if (!known || !isEvm) {
        const message = 'this network is not supported here; write an EVM network that NETWORKS may name'
        context.issues.push({ code: 'custom', message, input: network, path: [network] })
        return []
      }
      const all = [tokens].flat()
      return all.flatMap(({ address, transfer, name = '', version = '', symbol, currency, decimals }, i): Asset[] => {
        // What is said of a token by its address would be said of either.
        if (all.findIndex((other) => isSameAddress(other.address, address)) !== i) {
          const message = `${symbol} at ${address} is there twice; remove one`
          context.issues.push({ code: 'custom', message, input: address, path: [network] })
        }
        if (assetAt(network, address)) {
          const message = `${symbol} at ${address} is known already; remove it`
          context.issues.push({ code: 'custom', message, input: address, path: [network] })
        }
        if (!isHex(address)) return []
        const base = { ...known, asset: address, symbol, currency, decimals }
        return [
          transfer === 'permit2'
            ? { ...base, kind: 'permit2' }
            : { ...base, kind: 'eip3009', eip712: { name, version } },
        ]
      })
    }),
  ),
)
