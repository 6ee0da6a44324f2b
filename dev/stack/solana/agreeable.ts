// A program that agrees to everything, for addresses whose real program is not at hand. Only tests put it on a chain.
import { op, program } from './elf.ts'

/** The answer is 0; and exit. */
export const agreeable = (): Uint8Array => program(Buffer.concat([op(0xb7), op(0x95)]))
