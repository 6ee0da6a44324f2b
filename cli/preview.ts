// The start of an answer's content, as a terminal can show it. Pure.

const LINES = 10
const WIDTH = 96
const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' }

/** The first lines of a text without its markup; undefined for what is not text. */
export function preview(contentType: string, bytes: Uint8Array): string[] | undefined {
  if (!/^(text\/|application\/(json|xml|xhtml)|image\/svg)/i.test(contentType)) return undefined
  let text = new TextDecoder().decode(bytes)
  if (/html/i.test(contentType)) text = withoutMarkup(text)
  const lines = text
    .split('\n')
    .map((line) => line.replace(/\s+/g, ' ').trim())
    .filter((line) => line !== '')
    .flatMap(wrap)
  return lines.length > LINES ? [...lines.slice(0, LINES), '…'] : lines
}

function withoutMarkup(html: string): string {
  return html
    .replace(/<(head|style|script|svg)\b[\s\S]*?<\/\1\s*>|<!--[\s\S]*?-->/gi, ' ')
    .replace(/\s+/g, ' ')
    .replace(/<\/?(p|h[1-6]|li|tr|div|header|footer|main|article|section|br|pre|table)\b[^>]*>/gi, '\n')
    .replace(/<\/(td|th)\b[^>]*>/gi, '  ')
    .replace(/<[^>]*>/g, '')
    .replace(/&(?:#(\d{1,6})|([a-z]{2,8}));/gi, (whole, code: string | undefined, name: string | undefined) =>
      code !== undefined ? String.fromCodePoint(Number(code)) : (ENTITIES[name ?? ''] ?? whole),
    )
}

function wrap(line: string): string[] {
  const lines: string[] = []
  let current = ''
  for (const word of line.split(' ')) {
    if (current !== '' && current.length + 1 + word.length > WIDTH) {
      lines.push(current)
      current = word.slice(0, WIDTH)
    } else current = current === '' ? word.slice(0, WIDTH) : `${current} ${word}`
  }
  return [...lines, current]
}
