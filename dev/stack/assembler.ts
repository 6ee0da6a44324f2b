// Small contracts for the local chain, written in the EVM's own words: of which no package has the bytecode.
import { type Hex, toHex } from 'viem'

/** The words that are needed here. */
const OPCODES: Record<string, number> = {
  STOP: 0x00,
  ADD: 0x01,
  SUB: 0x03,
  DIV: 0x04,
  LT: 0x10,
  GT: 0x11,
  EQ: 0x14,
  ISZERO: 0x15,
  AND: 0x16,
  NOT: 0x19,
  SHR: 0x1c,
  SHA3: 0x20,
  CALLDATALOAD: 0x35,
  CALLDATACOPY: 0x37,
  RETURNDATASIZE: 0x3d,
  RETURNDATACOPY: 0x3e,
  TIMESTAMP: 0x42,
  MSTORE: 0x52,
  SLOAD: 0x54,
  SSTORE: 0x55,
  JUMPI: 0x57,
  GAS: 0x5a,
  DUP1: 0x80,
  DUP3: 0x82,
  SWAP1: 0x90,
  SWAP2: 0x91,
  LOG1: 0xa1,
  LOG3: 0xa3,
  CALL: 0xf1,
  RETURN: 0xf3,
  REVERT: 0xfd,
}
const JUMPDEST = 0x5b
const PUSH1 = 0x60
const PUSH2 = 0x61

/** Words to bytes: `0x…` is pushed, `@place` pushes where `:place` is, text behind `;` is for the reader. */
export function assemble(source: string): Hex {
  const places = new Map<string, number>()
  const bytes: number[] = []
  const jumps: [at: number, place: string][] = []
  for (const word of source.replace(/;.*$/gm, '').split(/\s+/).filter(Boolean)) {
    const opcode = OPCODES[word]
    if (word.startsWith(':')) {
      places.set(word.slice(1), bytes.length)
      bytes.push(JUMPDEST)
    } else if (word.startsWith('@')) {
      jumps.push([bytes.length + 1, word.slice(1)])
      bytes.push(PUSH2, 0, 0)
    } else if (word.startsWith('0x')) {
      const value = Buffer.from(word.slice(2), 'hex')
      bytes.push(PUSH1 + value.length - 1, ...value)
    } else if (opcode !== undefined) bytes.push(opcode)
    else throw new Error(`${word} is no word of the EVM that this assembler knows`)
  }
  for (const [at, place] of jumps) {
    const target = places.get(place)
    if (target === undefined) throw new Error(`nothing is at @${place}`)
    bytes.splice(at, 2, target >> 8, target & 0xff)
  }
  return toHex(Uint8Array.from(bytes))
}
