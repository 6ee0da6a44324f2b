// What start and end tags do to the stack in and around tables, after the standard's table modes.
import { bodyStart } from './in-body.ts'
import type { Reading, StartTag } from './tokens.ts'
import { hasWords, type Mode, type Workbench } from './tree.ts'

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '))
const SECTIONS = ['tbody', 'thead', 'tfoot']
const PARTS = words('caption col colgroup tbody td tfoot th thead tr')
/** What says nothing of what else a template holds. */
const IN_HEAD = words('base link meta noframes script style template title')
const DOUBTFUL = words('basefont bgsound col colgroup')
const TABLE = words('table tbody tfoot thead tr')
const OUTSIDE = words('body caption col colgroup html tbody td tfoot th thead tr')

function closeCell(bench: Workbench) {
  bench.imply()
  bench.popUntil(({ name, space }) => space === 'html' && (name === 'td' || name === 'th'))
  bench.formatting.clearToMarker()
}

function closeCaption(bench: Workbench) {
  bench.imply()
  bench.popName('caption')
  bench.formatting.clearToMarker()
}

/** Ends the innermost part of a table that a tag does not belong in: true when the tag is to be looked at again. */
function leave(bench: Workbench, part: 'cell' | 'caption' | 'row' | 'section'): boolean {
  if (part === 'cell') {
    if (!bench.hasInTable('td', 'th')) return false
    closeCell(bench)
  } else if (part === 'caption') {
    if (!bench.hasInTable('caption')) return false
    closeCaption(bench)
  } else if (part === 'row') {
    if (!bench.hasInTable('tr')) return false
    bench.clearTo('tr')
    bench.pop()
  } else {
    if (!bench.hasInTable(...SECTIONS)) return false
    bench.clearTo(...SECTIONS)
    bench.pop()
  }
  return true
}

/** Null: not a tag of tables here; the rules of the body are for it. */
export function tableStart(bench: Workbench, token: StartTag): Reading | null {
  const mode = bench.top()?.mode ?? 'body'
  if (mode === 'body' || mode === 'select') return null
  const { name } = token
  const isPart = PARTS.has(name)
  if (mode === 'cell' || mode === 'caption') {
    if (!isPart) return null
    return leave(bench, mode) ? again(bench, token) : 'data'
  }
  if (mode === 'columns') return inColumns(bench, token)
  if (mode === 'template') return inTemplate(bench, token)
  if (mode === 'row') {
    if (name === 'td' || name === 'th') {
      bench.clearTo('tr')
      bench.push(name, token)
      bench.formatting.add(null)
      return 'data'
    }
    if (isPart) return leave(bench, 'row') ? again(bench, token) : 'data'
  }
  if (mode === 'section') {
    if (name === 'tr' || name === 'td' || name === 'th') {
      bench.clearTo(...SECTIONS)
      bench.push('tr', name === 'tr' ? token : null)
      return name === 'tr' ? 'data' : again(bench, token)
    }
    if (isPart) return leave(bench, 'section') ? again(bench, token) : 'data'
  }
  return inTable(bench, token)
}

/** What of a template begins with, all of it goes on with: behind a `<b>` a `<td>` is nothing. */
const TEMPLATES: ReadonlyMap<string, Mode> = new Map([
  ['caption', 'table'],
  ...SECTIONS.map((name): [string, Mode] => [name, 'table']),
  ['tr', 'section'],
  ['td', 'row'],
  ['th', 'row'],
])

function inTemplate(bench: Workbench, token: StartTag): Reading | null {
  const { name } = token
  if (IN_HEAD.has(name)) return null
  if (DOUBTFUL.has(name)) throw new SyntaxError('what browsers read differently in a template')
  const template = bench.top()
  if (template) template.mode = TEMPLATES.get(name) ?? 'body'
  return tableStart(bench, token)
}

const again = (bench: Workbench, token: StartTag): Reading => tableStart(bench, token) ?? bodyStart(bench, token)

function inTable(bench: Workbench, token: StartTag): Reading | null {
  const { name } = token
  if (PARTS.has(name)) {
    bench.clearTo('table')
    const isSection = SECTIONS.includes(name)
    const made = name === 'caption' || name === 'colgroup' || isSection ? name : name === 'col' ? 'colgroup' : 'tbody'
    bench.push(made, made === name ? token : null)
    if (name === 'caption') bench.formatting.add(null)
    return made === name ? 'data' : again(bench, token)
  }
  if (name === 'table') {
    if (!bench.hasInTable('table')) return 'data'
    bench.popName('table')
    return again(bench, token)
  }
  if (name === 'style' || name === 'script' || name === 'template') return bench.inHead(token)
  if (name === 'input' && token.attributes.get('type')?.toLowerCase() === 'hidden') {
    bench.single(token)
    return 'data'
  }
  if (name === 'form') {
    if (bench.isOpen('template') || bench.state.form !== null) return 'data'
    bench.state.form = bench.push('form', token)
    bench.pop()
    return 'data'
  }
  return null
}

function inColumns(bench: Workbench, token: StartTag): Reading | null {
  const { name } = token
  if (name === 'html') return 'data'
  if (name === 'template') return bench.inHead(token)
  if (name === 'col') {
    bench.single(token)
    return 'data'
  }
  if (bench.top()?.name !== 'colgroup') return 'data'
  bench.pop()
  return again(bench, token)
}

/** Whether the end tag was one of tables here. */
export function tableEnd(bench: Workbench, name: string): boolean {
  const mode = bench.top()?.mode ?? 'body'
  if (mode === 'template') return true
  if (mode === 'body' || mode === 'select') return false
  if (mode === 'columns') {
    if (name === 'col') return true
    if (bench.top()?.name !== 'colgroup') return true
    bench.pop()
    return name === 'colgroup' || tableEnd(bench, name)
  }
  const isSection = SECTIONS.includes(name)
  if (mode === 'cell') {
    if (name === 'td' || name === 'th') {
      if (bench.hasInTable(name)) {
        bench.imply()
        bench.popName(name)
        bench.formatting.clearToMarker()
      }
      return true
    }
    if (name === 'table' || name === 'tr' || isSection)
      return !bench.hasInTable(name) || !leave(bench, mode) || tableEnd(bench, name)
    return OUTSIDE.has(name)
  }
  if (mode === 'caption') {
    if (name === 'caption' || name === 'table')
      return !leave(bench, mode) || name === 'caption' || tableEnd(bench, name)
    return OUTSIDE.has(name)
  }
  if (mode === 'row') {
    if (name === 'tr') return leave(bench, mode) || true
    if (name === 'table' || isSection)
      return (isSection && !bench.hasInTable(name)) || !leave(bench, mode) || tableEnd(bench, name)
  } else if (mode === 'section') {
    if (isSection) {
      if (bench.hasInTable(name)) leave(bench, mode)
      return true
    }
    if (name === 'table') return !leave(bench, mode) || tableEnd(bench, name)
  } else if (name === 'table') {
    if (bench.hasInTable('table')) bench.popName('table')
    return true
  }
  return OUTSIDE.has(name)
}

/** Text between the parts of a table: words end the columns; where nothing opens again for it, true. */
export function columnText(bench: Workbench, text: string): boolean {
  const current = bench.top()
  if (current === undefined || current.mode === 'body') return false
  if (current.mode === 'columns') {
    if (!hasWords(text)) return true
    if (current.name === 'colgroup') bench.pop()
    return false
  }
  const isPart =
    current.space === 'html' &&
    (current.mode === 'table' || current.mode === 'section' || current.mode === 'row') &&
    TABLE.has(current.name)
  return isPart && !hasWords(text)
}
