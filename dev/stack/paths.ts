// Where the local stack keeps things, and the note it leaves for other commands while it runs.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'

/** A path inside the checkout. */
export const inCheckout = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** Everything `npm start` writes; ignored by git. */
export const stateDirectory = inCheckout('.newsstand')
/** What `wrangler dev --persist-to` is given. */
export const persistDirectory = inCheckout('.newsstand/state')
/** The note: there while the stack runs. */
export const localFile = inCheckout('.newsstand/local.json')

const Local = z.object({
  siteUrl: z.url(),
  rpcUrl: z.url(),
  /** Of the local Solana, where it runs. */
  solanaRpcUrl: z.url().optional(),
  facilitatorUrl: z.url(),
  originUrl: z.url(),
  chainId: z.number(),
  /** The process of `npm start`. */
  pid: z.number(),
})

/** Where the parts of a running local stack are. */
export type Local = z.infer<typeof Local>

/** The note of a stack that runs, or did when the machine went down; undefined when there is none. */
export function readLocal(): Local | undefined {
  try {
    return Local.parse(JSON.parse(readFileSync(localFile, 'utf8')))
  } catch {
    return undefined
  }
}
