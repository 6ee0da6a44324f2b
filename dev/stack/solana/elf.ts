// Programs of Solana written in this repository: instructions of its machine as bytes, and the file that loaders take (ELF
// for SBF). Only tests put them on a chain.

/** Calls of the runtime have no address before the program is loaded: the loader writes them where the file says so. */
const UNRESOLVED = 0xffffffff

/** One instruction of eight bytes. */
export function op(code: number, { to = 0, from = 0, offset = 0, value = 0 } = {}): Buffer {
  const bytes = Buffer.alloc(8)
  bytes[0] = code
  bytes[1] = (from << 4) | to
  bytes.writeInt16LE(offset, 2)
  bytes.writeUInt32LE(value >>> 0, 4)
  return bytes
}

/** A constant of 64 bits, in two instructions. */
export const constant = (to: number, value: bigint): Buffer =>
  Buffer.concat([op(0x18, { to, value: Number(value & 0xffffffffn) }), op(0x00, { value: Number(value >> 32n) })])

/** A call of a function of the runtime. */
export const SYSTEM_CALL = op(0x85, { from: 1, value: UNRESOLVED })

type Section = { name: string; kind: number; flags: number; body: Buffer; link?: number; entry?: number }

const HEADER_BYTES = 64
const SEGMENT_BYTES = 56
const [PROGBITS, STRTAB, DYNAMIC, REL, DYNSYM] = [1, 3, 6, 9, 11]
const [ALLOCATED, EXECUTABLE] = [2, 4]

/** A program. `calls`: the name of each function of the runtime that it calls, in the order of the calls. */
export function program(text: Buffer, calls: readonly string[] = []): Uint8Array {
  const names = [...new Set(calls)]
  const strings = Buffer.from(`\0${names.map((name) => `${name}\0`).join('')}`, 'latin1')
  const symbols = Buffer.alloc((1 + names.length) * 24)
  for (const [i, name] of names.entries()) {
    symbols.writeUInt32LE(strings.indexOf(`${name}\0`, 1, 'latin1'), (i + 1) * 24)
    symbols[(i + 1) * 24 + 4] = 0x10
  }
  const places = placesOf(text)
  if (places.length !== calls.length) throw new Error('each call has a name')
  const relocations = Buffer.alloc(places.length * 16)
  const table = Buffer.alloc(7 * 16)
  const sections: Section[] = [
    { name: '.text', kind: PROGBITS, flags: ALLOCATED | EXECUTABLE, body: text },
    ...(calls.length === 0
      ? []
      : [
          { name: '.dynamic', kind: DYNAMIC, flags: ALLOCATED, body: table, link: 4, entry: 16 },
          { name: '.dynsym', kind: DYNSYM, flags: ALLOCATED, body: symbols, link: 4, entry: 24 },
          { name: '.dynstr', kind: STRTAB, flags: ALLOCATED, body: strings },
          { name: '.rel.dyn', kind: REL, flags: ALLOCATED, body: relocations, link: 3, entry: 16 },
        ]),
  ]
  const sectionNames = Buffer.from(`\0${[...sections.map(({ name }) => name), '.shstrtab'].join('\0')}\0`, 'latin1')
  sections.push({ name: '.shstrtab', kind: STRTAB, flags: 0, body: sectionNames })

  let end = HEADER_BYTES + SEGMENT_BYTES * (calls.length === 0 ? 1 : 2)
  const at = new Map(
    sections.map(({ name, body }) => {
      const start = Math.ceil(end / 8) * 8
      end = start + body.length
      return [name, start] as const
    }),
  )
  const placeOf = (name: string) => at.get(name) ?? 0
  for (const [i, place] of places.entries()) {
    const symbol = names.indexOf(calls[i] ?? '') + 1
    relocations.writeBigUInt64LE(BigInt(placeOf('.text') + place), i * 16)
    // R_BPF_64_32.
    relocations.writeBigUInt64LE((BigInt(symbol) << 32n) | 10n, i * 16 + 8)
  }
  const entries: [tag: number, value: number][] = [
    [17, placeOf('.rel.dyn')],
    [18, relocations.length],
    [19, 16],
    [6, placeOf('.dynsym')],
    [5, placeOf('.dynstr')],
    [10, strings.length],
    [0, 0],
  ]
  for (const [i, [tag, value]] of entries.entries()) {
    table.writeBigUInt64LE(BigInt(tag), i * 16)
    table.writeBigUInt64LE(BigInt(value), i * 16 + 8)
  }
  return fileOf(sections, placeOf, sectionNames, Math.ceil(end / 8) * 8)
}

/** Where calls of the runtime stand. */
const placesOf = (text: Buffer): number[] =>
  Array.from({ length: text.length / 8 }, (_, i) => i * 8).filter((place) =>
    text.subarray(place, place + 8).equals(SYSTEM_CALL),
  )

function fileOf(
  sections: readonly Section[],
  placeOf: (name: string) => number,
  names: Buffer,
  sectionsAt: number,
): Uint8Array {
  const isLinked = sections.some(({ kind }) => kind === DYNAMIC)
  const elf = Buffer.alloc(sectionsAt + (sections.length + 1) * 64)
  Buffer.from('7f454c46020101', 'hex').copy(elf)
  // A shared object for SBF, version 1.
  elf.writeUInt16LE(3, 0x10)
  elf.writeUInt16LE(247, 0x12)
  elf.writeUInt32LE(1, 0x14)
  elf.writeBigUInt64LE(BigInt(placeOf('.text')), 0x18)
  elf.writeBigUInt64LE(BigInt(HEADER_BYTES), 0x20)
  elf.writeBigUInt64LE(BigInt(sectionsAt), 0x28)
  const sizes = [HEADER_BYTES, SEGMENT_BYTES, isLinked ? 2 : 1, 64, sections.length + 1, sections.length]
  for (const [i, size] of sizes.entries()) elf.writeUInt16LE(size, 0x34 + i * 2)
  const segment = (place: number, kind: number, flags: number, { at, size }: { at: number; size: number }) => {
    const start = HEADER_BYTES + place * SEGMENT_BYTES
    elf.writeUInt32LE(kind, start)
    elf.writeUInt32LE(flags, start + 4)
    for (const [i, value] of [at, at, at, size, size, 8].entries()) {
      elf.writeBigUInt64LE(BigInt(value), start + 8 + i * 8)
    }
  }
  const [text, dynamic] = sections
  segment(0, 1, 5, { at: placeOf('.text'), size: text?.body.length ?? 0 })
  if (isLinked) segment(1, 2, 4, { at: placeOf('.dynamic'), size: dynamic?.body.length ?? 0 })
  for (const [i, { name, kind, flags, body, link = 0, entry = 0 }] of sections.entries()) {
    body.copy(elf, placeOf(name))
    const start = sectionsAt + (i + 1) * 64
    elf.writeUInt32LE(names.indexOf(`${name}\0`, 0, 'latin1'), start)
    elf.writeUInt32LE(kind, start + 4)
    const address = flags === 0 ? 0 : placeOf(name)
    for (const [j, value] of [flags, address, placeOf(name), body.length].entries()) {
      elf.writeBigUInt64LE(BigInt(value), start + 8 + j * 8)
    }
    elf.writeUInt32LE(link, start + 40)
    elf.writeBigUInt64LE(8n, start + 48)
    elf.writeBigUInt64LE(BigInt(entry), start + 56)
  }
  return new Uint8Array(elf)
}
