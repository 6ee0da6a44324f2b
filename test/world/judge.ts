// The five things that must hold whatever goes wrong (contract §6), checked on one story.
import type { Answer } from './answer.ts'
import { PRICE } from './shop.ts'
import { isContent, type Told } from './story.ts'

const OPEN = ['settlement_pending', 'payment_in_progress', 'facilitator_unavailable']

/** What is wrong with a story, in sentences; nothing where all is well. */
export function wrongs(told: Told): string[] {
  return [...service(told), ...charges(told), ...openness(told), ...bookkeeping(told)]
}

const isOnce = ({ plot }: Told) => plot.path.startsWith('/once/')
const everySaid = ({ first, later }: Told) => [...(first ? [first] : []), ...later]

/** 1. content means payment; 2. payment means content, now or on the next try. */
function service(told: Told): string[] {
  const found: string[] = []
  let served = 0
  for (const said of everySaid(told)) {
    if (said.answer.status === 200 && !isContent(said)) found.push('an answer of 200 is not the content')
    if (!isContent(said)) continue
    served += 1
    if (said.paid < (isOnce(told) ? served : 1)) found.push(`content ${served} was served, but paid ${said.paid} times`)
  }
  if (served === 0) found.push(`never served: ${everySaid(told).map(({ answer }) => describe(answer))}`)
  return found
}

/** 3. nobody pays twice for one thing. */
function charges(told: Told): string[] {
  const served = everySaid(told).filter(isContent).length
  const due = isOnce(told) ? served : 1
  const found: string[] = []
  if (told.transfers.length > due) found.push(`paid ${told.transfers.length} times, where ${due} would do`)
  if (told.spent !== PRICE * BigInt(told.transfers.length)) found.push(`${told.spent} units are gone from the wallet`)
  return found
}

/** 4. what nobody knows yet is never answered with a challenge. */
function openness(told: Told): string[] {
  const { plot, first, later } = told
  const afterContent = plot.way === 'sends the same payment again' && isContent(first)
  return [
    ...(first && !isContent(first) ? withheld(first.answer, plot.fault.isRefusal) : []),
    ...later.filter((said) => !isContent(said)).flatMap(({ answer }) => withheld(answer, afterContent)),
  ]
}

function withheld(answer: Answer, mayRefuse: boolean): string[] {
  if (mayRefuse && answer.status === 402) return []
  const isOpen =
    answer.status === 503 &&
    answer.header('PAYMENT-REQUIRED') === null &&
    Number(answer.header('Retry-After')) > 0 &&
    answer.receipt?.success !== true &&
    OPEN.includes(answer.error)
  return isOpen ? [] : [`an open outcome was answered with ${describe(answer)}`]
}

/** 5. every payment is in the ledger exactly once. */
function bookkeeping(told: Told): string[] {
  const { plot, transfers, ledger, ledgerBefore } = told
  const found: string[] = []
  if (ledger && String(ledger) !== String(transfers)) found.push(`the ledger has [${ledger}], the chain [${transfers}]`)
  if (ledgerBefore?.length === 0 && plot.fault.point !== 'never settled')
    found.push(`the ledger had nothing of who walked away`)
  return found
}

const describe = (answer: Answer) =>
  `${answer.status} ${answer.text.slice(0, 60)}${answer.header('PAYMENT-REQUIRED') === null ? '' : ' with a challenge'}`
