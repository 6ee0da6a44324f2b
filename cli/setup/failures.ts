// What wrangler and Cloudflare say when something cannot be done, as a sentence with what to do. Pure.

/** What each failure is known by, and what to do about it. The first that fits is said. */
const KNOWN: readonly (readonly [sign: RegExp, sentence: string])[] = [
  [
    /not authenticated|not logged in|In a non-interactive environment, it's necessary to set a CLOUDFLARE_API_TOKEN|Invalid (API )?(access )?token|code: (1000|9106|9109)\]|"loggedIn":\s*false/i,
    'You are not logged in to Cloudflare. Run npx wrangler login, or put an API token into CLOUDFLARE_API_TOKEN. Then run this again.',
  ],
  [
    /More than one account available/,
    'This login has several accounts. Choose one by CLOUDFLARE_ACCOUNT_ID=… and run this again.',
  ],
  [
    /code: 10042\]|enable R2/i,
    'R2 is not enabled in this account. Open R2 in the dashboard once and enable it, or sell from elsewhere with --content kv or --content origin. Then run this again.',
  ],
  [
    /code: 10089\]|enable Analytics Engine/i,
    'Analytics Engine is not enabled in this account. Open it in the dashboard once and enable it, or leave out --analytics and remove [[analytics_engine_datasets]] from wrangler.toml. Then run this again.',
  ],
  [
    /code: 100328\]|CPU limits are not supported for the Free plan/,
    'The Free plan refuses a limit of CPU time. Take the Paid plan, or remove the line with limits from wrangler.toml and leave out --cpu-ms. Then run this again.',
  ],
  [
    /Could not find zone/,
    'The domain is no zone of this account. Add it in the dashboard (Add a domain), or choose the account that has it by CLOUDFLARE_ACCOUNT_ID. Then run this again.',
  ],
  [
    /code: 10020\]/,
    'Another worker lies on this route. Remove its route in the dashboard (your zone, Workers Routes), or write another domain. Then run this again.',
  ],
  [
    /code: 10000\]/,
    'This login or token may not do that. A token needs to edit Workers Scripts, Workers KV Storage, D1, Workers R2 Storage and Workers Routes, and to read zones. Then run this again.',
  ],
  [
    /fetch failed|ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN/,
    'Cloudflare cannot be reached. Look at the network, and run this again.',
  ],
]

const LOGIN = KNOWN[0]?.[1] ?? ''

/** `doing`: what was tried. `isLogin`: nothing but the login was asked for, so an unknown refusal is about that. */
export function sentenceFor(doing: string, words: string, isLogin = false): string {
  const known = KNOWN.find(([sign]) => sign.test(words))
  if (known !== undefined) return `${doing}: ${known[1]}`
  if (isLogin && !/failed\./.test(words)) return `${doing}: ${LOGIN}`
  return `${doing} did not work. Wrangler says: ${wranglersWords(words)}\nWhat was done stays; mend it and run this again.`
}

/** The lines of wrangler's own that say what is wrong: those of its errors, without its warnings. */
export function wranglersWords(words: string): string {
  const errors = words.split(/(?=^.*\[(?:ERROR|WARNING)\])/m).filter((part) => /^.*\[ERROR\]/.test(part))
  const lines = (errors.length > 0 ? errors.join('\n') : words)
    .split('\n')
    .map((line) => line.replace(/^.*\[ERROR\]\s*/, '').trim())
    .filter((line) => line !== '' && !/^(🌀|✨|⛅|─|If you think this is a bug|Logs were written)/u.test(line))
  return lines.slice(-6).join(' ').slice(0, 600)
}
