// `ASSETS` in the configuration: EIP-3009 tokens beside those of the table, by CAIP-2 network. Nobody here has tested their
// bytecode: where its logs come in another order, what became of a payment stays unknown.
import * as z from 'zod/mini'
import { fail, ok, type Result } from './errors.ts'
import { addressProblem } from './networks/address.ts'
import { parsed, table, text } from './settings.ts'
import { type Asset, assetAt, networkOf } from './x402/assets.ts'

const ADVICE =
  'write a table by network, such as { "eip155:43114" = [{ address = "0x…", name = "EURC", version = "2", decimals = 6, symbol = "EURC", currency = "EUR" }] }'

function parseToken(input: string): Result<string, string> {
  const problem = addressProblem(input)
  return problem === null ? ok(input) : fail(problem.replace('write your own', 'write the contract of the token'))
}

const short = text.check(z.regex(/^[\x20-\x7e]{1,32}$/, { error: 'write 1 to 32 characters of plain text' }))

const token = table({
  address: parsed(parseToken, 'write the address of the token contract: 0x and 40 hexadecimal digits'),
  // The domain that is signed, which may differ from what the token is called.
  name: text.check(z.minLength(1, { error: 'write the name in the EIP-712 domain of the token' })),
  version: text.check(z.minLength(1, { error: 'write the version in the EIP-712 domain of the token, such as "2"' })),
  decimals: z.literal(6, { error: 'tokens with 6 decimals alone can be taken; write 6, or leave the token out' }),
  symbol: short,
  currency: z.enum(['USD', 'EUR'], { error: 'write "USD" or "EUR"' }),
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
      return [tokens].flat().flatMap(({ address, name, version, symbol, currency }): Asset[] => {
        if (assetAt(network, address)) {
          const message = `${symbol} at ${address} is known already; remove it`
          context.issues.push({ code: 'custom', message, input: address, path: [network] })
        }
        if (!isHex(address)) return []
        return [{ ...known, kind: 'eip3009', asset: address, symbol, currency, eip712: { name, version } }]
      })
    }),
  ),
)
