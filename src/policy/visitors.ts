// Who seems to ask, for counts and for the form of an answer: nothing here is proven, so nothing may be granted or refused by it.

/** `people`: a browser. `agent`: a program that pays or signs in. `other`: any other program. */
export type VisitorClass = 'people' | 'agent' | 'other'

/**
 * The class of a request, by what only browsers send: all three of `Sec-Fetch-*` (some HTTP clients send one), and for a document
 * `Accept: text/html`.
 *
 * @param isBuying whether the request carries a payment or a sign-in
 */
export function visitorClass(header: (name: string) => string | null, isBuying: boolean): VisitorClass {
  const mode = header('Sec-Fetch-Mode')
  const isFromBrowser = mode !== null && header('Sec-Fetch-Site') !== null && header('Sec-Fetch-Dest') !== null
  const readsPages = mode !== 'navigate' || (header('Accept') ?? '').toLowerCase().includes('text/html')
  if (isFromBrowser && readsPages) return 'people'
  return isBuying ? 'agent' : 'other'
}

/** Those that show a link to people, by the names they give themselves. */
const PREVIEWS =
  /facebookexternalhit|facebot|twitterbot|linkedinbot|slackbot|discordbot|telegrambot|whatsapp|pinterest|redditbot|skypeuripreview|iframely|embedly|vkshare|mastodon\/|bluesky cardyb|snap url preview|viber/i

/** Whether a request is to make a preview of a link, as one is shown in a chat. */
export const isPreviewBot = (userAgent: string | null): boolean => userAgent !== null && PREVIEWS.test(userAgent)
