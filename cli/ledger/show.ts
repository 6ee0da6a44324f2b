// `ledger show`: the rows of one transaction, one payment or one payer, for people.
import { parseArgs } from 'node:util'
import { unstable_getVarsForDev } from 'wrangler'
import { networkOf } from '../../src/x402/assets.ts'
import { Refusal } from '../command.ts'
import { queryOf } from './database.ts'
import { amountOf, isoTime, linkOf, placeIn, printable, type Row, rowsNamed, rowsOfAlias } from './rows.ts'
import { SOURCE_FLAGS, type Source, sourceOf } from './source.ts'

const NAMES =
  'a transaction (0x and 64 digits; on Solana 64 to 88 characters), a payer (0x and 40 digits; 32 to 44 characters), ' +
  'a payment id (3009|… or svm|…, in quotes) or a name in the log (16 digits)'
const NAMED = /^(?:0x(?:[0-9a-f]{40}|[0-9a-f]{64})|3009\|\S+|svm\|\S+)$/i
/** An address or a transaction of Solana. */
const BASE58 = /^(?:[1-9A-HJ-NP-Za-km-z]{32,44}|[1-9A-HJ-NP-Za-km-z]{64,88})$/
const ALIAS = /^[0-9a-f]{16}$/i

export async function show(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: SOURCE_FLAGS })
  const [name] = positionals
  if (name === undefined || positionals.length > 1) throw new Refusal(`show takes ${NAMES}`)
  if (![NAMED, BASE58, ALIAS].some((form) => form.test(name))) {
    throw new Refusal(`${printable(name)} is not ${NAMES}`)
  }
  const source = sourceOf(values)
  const rows = ALIAS.test(name)
    ? await rowsOfAlias(await queryOf(source), name, secretsOf(source))
    : await rowsNamed(await queryOf(source), name)
  if (rows.length === 0) {
    throw new Refusal(`the ledger has no row for ${printable(name)}; if the chain has one, reconcile tells`)
  }
  console.log(rows.map(described).join('\n'))
  if (rows.length > 1) console.log(`${rows.length} rows.`)
}

/** What names in the log are made with: from the environment, or from `.dev.vars` beside the file. */
function secretsOf({ configPath, env }: Source): string[] {
  const beside = unstable_getVarsForDev(configPath, undefined, {}, env ?? undefined, true)
  const secrets = ['PASS_SECRET', 'PASS_SECRET_PREVIOUS'].flatMap((name) => {
    const value = process.env[name] || beside[name]?.value
    return typeof value === 'string' && value !== '' ? [value] : []
  })
  if (secrets.length > 0) return secrets
  throw new Refusal(
    'names in the log are made with PASS_SECRET; put it into the environment, and PASS_SECRET_PREVIOUS for lines from before a change',
  )
}

function described(row: Row): string {
  const { network, transaction, remark } = row
  const link = linkOf(network, transaction)
  const lines: readonly (readonly [label: string, text: string | null])[] = [
    ['Time', isoTime(row.settledAtSeconds)],
    ['Bought', `${row.site}${row.resource.startsWith('/') ? '' : ' '}${row.resource}`],
    ['Title', row.title],
    ['Offer', row.offer === '' ? null : row.offer],
    ['Access', row.accessSeconds === 0 ? 'one answer' : `${row.accessSeconds} s`],
    ['Amount', amountOf(row)],
    ['Network', `${networkOf(network)?.name ?? 'unknown'} (${network})`],
    ['Payer', row.payer],
    ['Payee', row.payTo],
    ['Transaction', transaction],
    ['', link],
    ['Proof', proofOf(row)],
    ['Remark', remark],
    ['Payment id', row.id],
  ]
  const shown = lines.flatMap(([label, text]) => (text === null ? [] : [`  ${label.padEnd(12)} ${printable(text)}`]))
  return `${shown.join('\n')}\n`
}

/** The ledger hears of a proof that is found later only if there is none. */
function proofOf({ network, position, remark }: Row): string {
  if (position !== null) return `${placeIn(network, position)} of the transaction`
  if (remark === 'unproven') return "the facilitator's word, which the chain does not bear out"
  return 'said by the facilitator, and checked on the chain since; the remark would say "unproven"'
}
