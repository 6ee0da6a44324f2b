// The ledger against the chain, in both directions. Pure: it gets rows and transfers, and says what does not fit.
import { type Asset, assetAt, isSameAddress, oneSpelling } from '../../src/x402/assets.ts'
import { amountOf, isoTime, linkOf, placeIn, type Row } from './rows.ts'
import { keyOf, oneKey, type Transfer } from './transfers.ts'

export type Kind =
  | 'row_without_transfer'
  | 'transfer_without_row'
  | 'wrong_amount'
  | 'wrong_payee'
  | 'wrong_payer'
  | 'wrong_place'
  | 'double'
  | 'logs_left_out'
  | 'unknown_token'
  | 'not_checked'
  | 'refund_due'
  | 'unproven'

/** Something to look at: what is the matter, and what to do about it. */
export type Finding = {
  kind: Kind
  network: string
  /** "" where there is none. */
  transaction: string
  /** Ids of the payments it is about. */
  ids: readonly string[]
  what: string
  advice: string
  link: string | null
}

export type Findings = {
  /** The books are wrong. */
  errors: Finding[]
  /** Younger than ten minutes: the other side may still come. */
  notYet: Finding[]
  /** Right as it is, and yet to be settled with somebody. */
  open: Finding[]
}

/** What of one network's chain was read. */
export type View = {
  asset: Asset
  payees: readonly string[]
  /** Blocks, both included, of which all transfers to the payees were read; as `Transfer.block` counts them. */
  from: number
  to: number
  /** Unix seconds of the first of these blocks; rows that are older are not asked about. */
  fromSeconds: number
  /** Unix seconds of the chain's newest block: what now is. */
  nowSeconds: number
  /** What the chain lists for these blocks, to these payees. */
  transfers: readonly (Transfer & { time: number })[]
  /** What single rows' transactions show besides, to whomever. */
  inReceipts: readonly Transfer[]
}

/** A row is written seconds after its transfer; an alarm that had to be repeated brings it within minutes. */
export const YOUNG_SECONDS = 600

const TEXTS: Record<Kind, readonly [title: string, advice: string]> = {
  row_without_transfer: [
    'a row without a transfer',
    'look the transaction up; if it is there, take another RPC; if not, ask the facilitator, and count this row as unpaid',
  ],
  transfer_without_row: [
    'a transfer without a row',
    'look in the log for ledger_disputed, payment_unreadable and payment_unresolved; if another deployment has this payee, ' +
      'give it one of its own; else the payer paid and is owed the content or the money',
  ],
  wrong_amount: ['a wrong amount', 'the chain is right: correct the row, and find out who changed it'],
  wrong_payee: [
    'a wrong payee',
    'the chain is right: correct the row; if the money went to a stranger, ask the facilitator',
  ],
  wrong_payer: ['a wrong payer', 'the chain is right: correct the row, and find out who changed it'],
  wrong_place: ['a wrong transaction or position', 'the chain is right: correct the row'],
  double: [
    'a double',
    'one transfer pays for one row: keep the row whose payment id the chain shows, and count the others as unpaid',
  ],
  logs_left_out: [
    'a transfer that the RPC left out of its logs or lists',
    'this RPC cannot be relied on: name another one in RPC_URLS, and run again with --afresh',
  ],
  unknown_token: [
    'a row in a token that neither the table nor ASSETS has',
    'if it was one of your own, write it into ASSETS again; if not, find out who wrote the row. This command cannot check it',
  ],
  not_checked: ['a network that could not be checked', 'mend what is said here, and run again'],
  refund_due: [
    'a payment to give back',
    'it came beside another payment for the same wish: send the money back to the payer',
  ],
  unproven: [
    'an unproven payment',
    'a facilitator said that it was paid, and the chain did not bear it out: ask the facilitator',
  ],
}

export const titleOf = (kind: Kind): string => TEXTS[kind][0]

/** A finding that concerns no row and no transfer. */
export const notChecked = (network: string, problem: string): Finding => ({
  ...blank('not_checked', network),
  what: `${network}: ${problem}`,
})

const blank = (kind: Kind, network: string): Finding => ({
  kind,
  network,
  transaction: '',
  ids: [],
  what: '',
  advice: TEXTS[kind][1],
  link: null,
})

const aboutRow = (kind: Kind, row: Row, more = ''): Finding => ({
  ...blank(kind, row.network),
  transaction: row.transaction,
  ids: [row.id],
  what: `${described(row)}${more}`,
  link: linkOf(row.network, row.transaction),
})

const described = (row: Row) =>
  `${amountOf(row)} from ${row.payer} to ${row.payTo} for ${row.site} ${row.resource}, ${isoTime(row.settledAtSeconds)}`

/** Whether a row is in the token that its network's view is about. */
const isIn = (row: Row, { asset }: View) => row.network === asset.network && isSameAddress(row.asset, asset.asset)

/** Rows of a token that is none of these. */
export const unknownTokens = (rows: readonly Row[], tokens: readonly Asset[]): Finding[] =>
  rows
    .filter((row) => assetAt(row.network, row.asset, tokens) === undefined)
    .map((row) => aboutRow('unknown_token', row))

/** The transactions that a look into the logs did not show: their receipts have to be asked for, as `inReceipts`. */
export function toLookUp(rows: readonly Row[], view: View): string[] {
  const seen = new Set(view.transfers.map((transfer) => `${keyOf(transfer, view.asset)} ${transfer.transaction}`))
  const missing = rows.filter(
    (row) => isIn(row, view) && isAsked(row, view) && !seen.has(`${oneKey(row.id)} ${oneSpelling(row.transaction)}`),
  )
  return [...new Set(missing.map((row) => oneSpelling(row.transaction)))]
}

const isAsked = (row: Row, view: View) => row.settledAtSeconds >= view.fromSeconds

const placeOf = ({ transaction, position }: Transfer) => `${transaction} ${position}`

/** What does not fit on one network. */
export function compare(allRows: readonly Row[], view: View): Findings {
  const rows = allRows.filter((row) => isIn(row, view))
  const findings: Findings = { errors: [], notYet: [], open: [] }
  const isYoung = (seconds: number) => seconds > view.nowSeconds - YOUNG_SECONDS
  const inLogs = new Map(view.transfers.map((transfer) => [placeOf(transfer), transfer]))
  // What one receipt shows is newer than what was read of the logs, perhaps by an earlier run.
  const shown = [...view.transfers, ...view.inReceipts]
  const byKey = new Map(shown.map((transfer) => [keyOf(transfer, view.asset), transfer]))
  const claims = claimsOf(rows, [...byKey.values()], view)

  for (const row of rows) {
    const transfer = claims.get(row)
    if (row.remark === 'refund_due') findings.open.push(aboutRow('refund_due', row))
    if (row.remark === 'unproven' && (transfer || isAsked(row, view))) {
      const since = transfer
        ? '; the chain shows it by now, so the remark can go'
        : '; the chain still does not show it'
      findings.open.push(aboutRow('unproven', row, since))
    }
    if (transfer || !isAsked(row, view) || row.remark === 'unproven') continue
    const list = isYoung(row.settledAtSeconds) ? findings.notYet : findings.errors
    list.push(aboutRow('row_without_transfer', row))
  }

  const claimed = new Map<Transfer, Row[]>()
  for (const [row, transfer] of claims) claimed.set(transfer, [...(claimed.get(transfer) ?? []), row])
  for (const [transfer, claimants] of claimed) {
    if (claimants.length > 1) findings.errors.push(doubleOf(claimants))
    else findings.errors.push(...claimants.flatMap((row) => differences(row, transfer)))
  }
  for (const transfer of byKey.values()) {
    const isOurs = view.payees.includes(transfer.payTo) && transfer.amount > 0n
    const isRead = transfer.block >= view.from && transfer.block <= view.to
    if (!isOurs || !isRead) continue
    const found = inLogs.get(placeOf(transfer))
    if (!found) findings.errors.push(aboutTransfer('logs_left_out', transfer, view, null))
    if (!found || claimed.has(transfer)) continue
    const list = isYoung(found.time) ? findings.notYet : findings.errors
    list.push(aboutTransfer('transfer_without_row', transfer, view, found.time))
  }
  return findings
}

/**
 * Which transfer each row stands for: the one of its payment id. A row whose id the chain does not know names a transfer
 * that is another row's, and is a double; or it names none. A remark says that the site knows of it.
 */
function claimsOf(rows: readonly Row[], transfers: readonly Transfer[], { asset }: View): Map<Row, Transfer> {
  const byKey = new Map(transfers.map((transfer) => [keyOf(transfer, asset), transfer]))
  const claims = new Map<Row, Transfer>()
  for (const row of rows) {
    const transfer = byKey.get(oneKey(row.id))
    if (transfer) claims.set(row, transfer)
  }
  const taken = Map.groupBy(new Set(claims.values()), ({ transaction }) => transaction)
  for (const row of rows) {
    if (claims.has(row) || row.remark === 'unproven') continue
    const near = taken.get(oneSpelling(row.transaction)) ?? []
    const transfer =
      row.position === null
        ? (near.find(({ payer }) => payer === oneSpelling(row.payer)) ??
          near.find(({ payTo }) => payTo === oneSpelling(row.payTo)))
        : near.find(({ position }) => position === row.position)
    if (transfer) claims.set(row, transfer)
  }
  return claims
}

function doubleOf(rows: readonly Row[]): Finding {
  const [first] = rows
  if (!first) throw new Error('a double has rows')
  const ids = rows.map(({ id }) => id)
  return {
    ...aboutRow('double', first),
    ids,
    what: `${rows.length} rows for one transfer: ${rows.map(described).join('; ')}`,
  }
}

/** What a row says otherwise than the chain. */
function differences(row: Row, transfer: Transfer): Finding[] {
  const findings: Finding[] = []
  if (row.amount !== transfer.amount) {
    findings.push(aboutRow('wrong_amount', row, `; the chain says ${amountOf({ ...row, amount: transfer.amount })}`))
  }
  if (oneSpelling(row.payTo) !== transfer.payTo) {
    findings.push(aboutRow('wrong_payee', row, `; the chain says ${transfer.payTo}`))
  }
  if (oneSpelling(row.payer) !== transfer.payer) {
    findings.push(aboutRow('wrong_payer', row, `; the chain says ${transfer.payer}`))
  }
  const isSameTransaction = oneSpelling(row.transaction) === transfer.transaction
  if (!isSameTransaction || (row.position !== null && row.position !== transfer.position)) {
    findings.push(
      aboutRow(
        'wrong_place',
        row,
        `; the chain says ${transfer.transaction}, ${placeIn(row.network, transfer.position)}`,
      ),
    )
  }
  return findings
}

const aboutTransfer = (kind: Kind, transfer: Transfer, { asset }: View, seconds: number | null): Finding => ({
  ...blank(kind, asset.network),
  transaction: transfer.transaction,
  ids: [keyOf(transfer, asset)],
  what:
    `${amountOf({ ...asset, token: asset, amount: transfer.amount })} from ${transfer.payer} to ${transfer.payTo}` +
    (seconds === null ? '' : `, ${isoTime(seconds)}`),
  link: linkOf(asset.network, transfer.transaction),
})
