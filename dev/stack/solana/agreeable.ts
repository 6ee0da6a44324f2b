// A program that agrees to everything, for addresses whose real program is not at hand. Only tests put it on a chain.

/** A program of two instructions, "the answer is 0" and "exit", in the form that loaders take (ELF for SBF). */
export function agreeable(): Uint8Array {
  const text = Buffer.from('b7000000000000009500000000000000', 'hex')
  const names = Buffer.from('\0.text\0.shstrtab\0', 'latin1')
  const TEXT_AT = 0x78
  const NAMES_AT = TEXT_AT + text.length
  const SECTIONS_AT = NAMES_AT + names.length + (8 - ((NAMES_AT + names.length) % 8))
  const elf = Buffer.alloc(SECTIONS_AT + 3 * 64)
  Buffer.from('7f454c46020101', 'hex').copy(elf)
  elf.writeUInt16LE(3, 0x10)
  elf.writeUInt16LE(247, 0x12)
  elf.writeUInt32LE(1, 0x14)
  elf.writeBigUInt64LE(BigInt(TEXT_AT), 0x18)
  elf.writeBigUInt64LE(64n, 0x20)
  elf.writeBigUInt64LE(BigInt(SECTIONS_AT), 0x28)
  for (const [at, value] of [
    [0x34, 64],
    [0x36, 56],
    [0x38, 1],
    [0x3a, 64],
    [0x3c, 3],
    [0x3e, 2],
  ] as const) {
    elf.writeUInt16LE(value, at)
  }
  // The one segment: what runs.
  elf.writeUInt32LE(1, 64)
  elf.writeUInt32LE(5, 68)
  for (const [i, value] of [TEXT_AT, TEXT_AT, TEXT_AT, text.length, text.length, 8].entries()) {
    elf.writeBigUInt64LE(BigInt(value), 72 + i * 8)
  }
  text.copy(elf, TEXT_AT)
  names.copy(elf, NAMES_AT)
  const section = (place: number, name: number, kind: number, flags: number, at: number, size: number) => {
    const start = SECTIONS_AT + place * 64
    elf.writeUInt32LE(name, start)
    elf.writeUInt32LE(kind, start + 4)
    elf.writeBigUInt64LE(BigInt(flags), start + 8)
    elf.writeBigUInt64LE(BigInt(flags === 0 ? 0 : at), start + 16)
    elf.writeBigUInt64LE(BigInt(at), start + 24)
    elf.writeBigUInt64LE(BigInt(size), start + 32)
    elf.writeBigUInt64LE(8n, start + 48)
  }
  section(1, 1, 1, 6, TEXT_AT, text.length)
  section(2, 7, 3, 0, NAMES_AT, names.length)
  return new Uint8Array(elf)
}
