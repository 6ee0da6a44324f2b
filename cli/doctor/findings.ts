// What doctor finds, as data, and how it is shown. A finding says what to write or do instead; it holds no secret, and of
// an address that may hold a key only the host.

export const LEVELS = ['error', 'warning', 'not checked'] as const
export type Level = (typeof LEVELS)[number]

/** `path`: the setting it is about, as the worker's own log names it. */
export type Finding = { level: Level; path: string; message: string }

/** What was found, and what was counted beside it. */
export type Report = { findings: readonly Finding[]; notes: readonly string[] }

const at =
  (level: Level) =>
  (path: string, message: string): Finding => ({ level, path, message })
export const error = at('error')
export const warning = at('warning')
/** For what could not be reached: nothing is known, and nothing is claimed. */
export const notChecked = at('not checked')

export const hostOf = (url: string): string => new URL(url).host

/** What must be known before real money is taken for the first time: that it can be settled, and found again. */
const VITAL = /^(?:FACILITATOR|RPC_URLS|NETWORKS|ASSETS|PAY_TO|secrets$)/

/** For the first deployment with real money: what is vital and could not be checked is an error. */
export const strictly = (findings: readonly Finding[]): Finding[] =>
  findings.map((finding) =>
    finding.level === 'not checked' && VITAL.test(finding.path)
      ? error(finding.path, `${finding.message}; the first deployment for real money needs to know`)
      : finding,
  )

export const hasErrors = ({ findings }: Report): boolean => findings.some(({ level }) => level === 'error')

/** For machines: everything, in one object. */
export const asJson = (report: Report): string =>
  JSON.stringify({ ok: !hasErrors(report), findings: report.findings, notes: report.notes }, null, 2)

const HEADINGS: Record<Level, (count: number) => string> = {
  error: (count) => `${count} ${count === 1 ? 'error' : 'errors'}`,
  warning: (count) => `${count} ${count === 1 ? 'warning' : 'warnings'}`,
  'not checked': (count) => `${count} not checked`,
}

/** For people: grouped by how much it matters. */
export function asText(report: Report): string {
  const groups = LEVELS.flatMap((level) => {
    const found = report.findings.filter((finding) => finding.level === level)
    if (found.length === 0) return []
    return [[HEADINGS[level](found.length), ...found.map(({ path, message }) => `  ${path}: ${message}`)].join('\n')]
  })
  const notes = report.notes.length === 0 ? [] : [report.notes.join('\n')]
  const end = hasErrors(report) ? 'Mend the errors before you deploy.' : 'No errors.'
  return [...groups, ...notes, end].join('\n\n')
}
