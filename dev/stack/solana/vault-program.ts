// A wallet that is a program: it holds tokens in a vault, an account without a key, and passes on what it is told to the
// program of tokens, signed for the vault. The least that a smart wallet does; it asks nobody's leave. Only tests put it on a chain.
import { constant, op, program, SYSTEM_CALL } from './elf.ts'

/** Where it writes what it passes on: the heap. */
const HEAP = 0x300000000n
const [INFOS, METAS, CALL, SEEDS] = [HEAP, HEAP + 0x1000n, HEAP + 0x2000n, HEAP + 0x3000n]
/** An account as the runtime hands it over: flags, key, owner, lamports, length, data, room to grow, and an epoch. */
const [KEY, OWNER, LAMPORTS, LENGTH, DATA] = [8, 40, 72, 80, 88]
const ROOM = 10_240
/** An account as it is handed on. */
const INFO_BYTES = 56
const META_BYTES = 16

const [R0, R1, R2, R3, R4, R5, R6, R7, R8, R9] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
const copy = (to: number, from: number) => op(0xbf, { to, from })
const add = (to: number, value: number) => op(0x07, { to, value })
const addFrom = (to: number, from: number) => op(0x0f, { to, from })
const set = (to: number, value: number) => op(0xb7, { to, value })
const and = (to: number, value: number) => op(0x57, { to, value })
const load = (to: number, from: number, offset: number) => op(0x79, { to, from, offset })
const loadByte = (to: number, from: number, offset: number) => op(0x71, { to, from, offset })
const store = (to: number, offset: number, from: number) => op(0x7b, { to, from, offset })
const storeByte = (to: number, offset: number, from: number) => op(0x73, { to, from, offset })

/**
 * Its accounts: the program of tokens; then those of the instruction that is passed on, the vault last. Its data: the bump of
 * the vault's address, then the data of that instruction.
 */
export function vaultProgram(): Uint8Array {
  const begin = Buffer.concat([load(R7, R1, 0), copy(R6, R1), add(R6, 8), constant(R8, INFOS), constant(R9, METAS)])
  const each = Buffer.concat([
    ...(
      [
        [KEY, 0],
        [LAMPORTS, 8],
        [DATA, 24],
        [OWNER, 32],
      ] as const
    ).flatMap(([place, field]) => [copy(R0, R6), add(R0, place), store(R8, field, R0)]),
    load(R5, R6, LENGTH),
    store(R8, 16, R5),
    set(R0, 0),
    store(R8, 40, R0),
    ...[1, 2, 3].flatMap((flag) => [loadByte(R0, R6, flag), storeByte(R8, 47 + flag, R0)]),
    copy(R0, R6),
    add(R0, KEY),
    store(R9, 0, R0),
    loadByte(R0, R6, 2),
    storeByte(R9, 8, R0),
    loadByte(R0, R6, 1),
    storeByte(R9, 9, R0),
    // To the next account.
    addFrom(R6, R5),
    add(R6, DATA + ROOM + 7),
    and(R6, -8),
    add(R6, 8),
    add(R8, INFO_BYTES),
    add(R9, META_BYTES),
    add(R7, -1),
  ])
  const again = op(0x55, { to: R7, value: 0, offset: -(each.length / 8 + 1) })
  const pass = Buffer.concat([
    // The vault signs.
    set(R0, 1),
    storeByte(R9, 9 - META_BYTES, R0),
    constant(R1, CALL),
    // The first account is the program; the rest are the instruction's.
    constant(R2, INFOS),
    load(R0, R2, 0),
    store(R1, 0, R0),
    constant(R3, METAS + BigInt(META_BYTES)),
    store(R1, 8, R3),
    copy(R4, R9),
    op(0x1f, { to: R4, from: R3 }),
    op(0x77, { to: R4, value: 4 }),
    store(R1, 16, R4),
    load(R5, R6, 0),
    add(R5, -1),
    store(R1, 32, R5),
    copy(R0, R6),
    add(R0, 9),
    store(R1, 24, R0),
    // One signer, whose one seed is the bump.
    constant(R5, SEEDS),
    copy(R0, R5),
    add(R0, 16),
    store(R5, 0, R0),
    set(R0, 1),
    store(R5, 8, R0),
    copy(R0, R6),
    add(R0, 8),
    store(R5, 16, R0),
    set(R0, 1),
    store(R5, 24, R0),
    copy(R3, R4),
    add(R3, 1),
    copy(R4, R5),
    set(R5, 1),
    SYSTEM_CALL,
    op(0x95),
  ])
  return program(Buffer.concat([begin, each, again, pass]), ['sol_invoke_signed_c'])
}
