// `MACHINES`: what programs are offered beside x402.
import * as z from 'zod/mini'
import { table, trueOrFalse } from './settings.ts'

/** `mpp`: the `Payment` scheme. `mcp`: tools. `markdown`: articles as Markdown. */
export const machinesSchema = table({
  mpp: z.optional(trueOrFalse),
  mcp: z.optional(trueOrFalse),
  markdown: z.optional(trueOrFalse),
})

/** Whether each is on. */
export type Machines = Readonly<Record<'mpp' | 'mcp' | 'markdown', boolean>>

/** Each is on where nothing is said of it. */
export const machinesOf = ({
  mpp = true,
  mcp = true,
  markdown = true,
}: z.infer<typeof machinesSchema> = {}): Machines => ({
  mpp,
  mcp,
  markdown,
})
