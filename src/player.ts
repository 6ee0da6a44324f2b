// A bought film, recording or picture that a browser opens as a page is shown in one, which has the file at the same address
// with `?raw`. Programs, parts of pages and whoever pays get the file.
import { untilOf } from './bar.ts'
import { headersOfFile, type StoredContent } from './content.ts'
import type { Brand } from './pages/page.tsx'
import { playerPage } from './pages/player.tsx'
import type { Grant } from './pass.ts'
import { kindOf } from './policy/article.ts'
import type { Rule } from './policy/rules.ts'
import { claimsNothing, isForDocument, type Target } from './request.ts'
import { type Answer, pageInPrivate, wantsPage } from './respond.ts'

/** The parameter that asks for the file itself. It tells no content apart: one pass opens both. */
const RAW = 'raw'

/** The page around a file for the holder of a pass; null where the file itself is wanted, or is nothing to be shown. */
export async function playerFor(
  request: Request,
  brand: Brand,
  { facts: { path, query } }: Target,
  rule: Rule,
  file: StoredContent,
  grant: Grant,
): Promise<Answer | null> {
  if (!isOpened(request) || new URLSearchParams(query).has(RAW) || isPriced(rule)) return null
  const headers = await headersOfFile(file)
  const kind = kindOf(headers.get('Content-Type') ?? '')
  // What is sent as an attachment is there to be saved.
  if (kind === 'read' || /^\s*attachment/i.test(headers.get('Content-Disposition') ?? '')) return null
  const { title, description } = file.article
  const view = {
    brand,
    kind,
    title: title ?? decodeURIComponent(path.slice(path.lastIndexOf('/') + 1)),
    description: description ?? rule.description,
    source: query.length > 1 ? `${query}&${RAW}` : `?${RAW}`,
    until: untilOf(request, grant),
  }
  return pageInPrivate(request, { brand, page: (strings) => playerPage(view, strings) })
}

/** Whether a browser opens it as a page, and wants all of it. */
const isOpened = (request: Request): boolean =>
  isForDocument(request) && wantsPage(request) && claimsNothing(request) && !request.headers.has('Range')

/** Whether the parameter is part of a price: then the file would be another purchase. */
const isPriced = ({ prices }: Rule): boolean =>
  prices.some(({ query }) => Object.keys(query).some((name) => name.toLowerCase() === RAW))
