// What a wallet is handed with `eth_signTypedData_v4`, as it is parsed here: EIP-712.
import * as z from 'zod/mini'

export const typedData = z.object({
  domain: z.object({
    name: z.string(),
    version: z.string(),
    chainId: z.number(),
    verifyingContract: z.templateLiteral(['0x', z.string()]),
  }),
  types: z.record(z.string(), z.array(z.object({ name: z.string(), type: z.string() }))),
  primaryType: z.string(),
  message: z.record(z.string(), z.unknown()),
})
