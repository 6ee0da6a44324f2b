// The list of receipts: what may be shown to this reader, and what to do for more.
import { RECEIPTS_SCRIPT } from '../browser/receipts.gen.ts'
import { SOLANA } from '../browser/solana.gen.ts'
import type { Money } from '../policy/rules.ts'
import type { Network } from '../x402/assets.ts'
import { RECEIPTS } from './bar.tsx'
import { Footer } from './footer.tsx'
import { shownAmounts } from './money.ts'
import { type Brand, data, type Page, render } from './page.tsx'
import { addressesOf, forWallets, onSolana } from './paywall.tsx'
import { Time } from './receipt.tsx'
import type { Strings } from './strings/strings.ts'
import { quotedIn } from './view.ts'

/** Where a session for receipts is ended. */
export const SIGN_OUT = `${RECEIPTS}/sign-out`

type ReceiptRow = {
  resource: string
  title?: string
  offer: string
  price: Money
  paidAt: string
  endsAt?: string
  number: string
  receipt: string
}

export type ReceiptsView = {
  brand: Brand
  strings: Strings
  /** Canonical origin, and the one that was asked. */
  site: string
  origin: string
  rows: readonly ReceiptRow[]
  /** Where the list goes on. */
  older: string | null
  isFirst: boolean
  /** The wallet that has signed in, whose whole list this is. */
  session: { payer: string; endsAt: string } | null
  /** What this browser's pass opens, where no wallet has signed in. */
  opens: readonly { path: string | null; section: string; endsAt: string }[]
  /** Whether the books could be read. */
  isReadable: boolean
  signIn: { info: Record<string, string>; networks: readonly Network[] }
}

/** What a reader may read of what they have bought at this site, each with its receipt; and what to do for more. */
export function receiptsPage(view: ReceiptsView): Promise<Page> {
  const { brand, strings, rows, older, session, site, origin, signIn } = view
  const text = strings.receipt
  const { networks } = signIn
  return render({
    lang: strings.lang,
    brand,
    title: text.list,
    head: <meta name="robots" content="noindex" />,
    hasForm: true,
    footer: <Footer brand={brand} strings={strings} />,
    script: {
      ...RECEIPTS_SCRIPT,
      loads: session || !networks.some(onSolana) ? [] : addressesOf([SOLANA], { resourceUrl: site, origin }),
    },
    children: (
      <>
        <h1>{text.list}</h1>
        {session === null ? <Held view={view} /> : <Whose session={session} strings={strings} />}
        {view.isReadable ? null : <p class="problem">{text.unreadable}</p>}
        {view.isReadable && rows.length === 0 && session !== null ? <p>{text.none}</p> : null}
        <ul class="rows">
          {rows.map((row) => (
            <li>
              <a href={row.resource}>
                {row.title === undefined ? (
                  new URL(row.resource).pathname
                ) : (
                  <bdi lang={quotedIn(view)}>{row.title}</bdi>
                )}
              </a>
              {row.offer === '' ? '' : ` (${row.offer})`} · <strong>{shownAmounts([row.price], strings.lang)}</strong>
              <small>
                <Time iso={row.paidAt} lang={strings.lang} />
                {row.endsAt === undefined ? null : (
                  <>
                    {' '}
                    · {text.until} <Time iso={row.endsAt} lang={strings.lang} />
                  </>
                )}{' '}
                · <a href={row.receipt}>{`${text.title} ${row.number}`}</a>
              </small>
            </li>
          ))}
        </ul>
        {older === null ? null : (
          <p>
            <a href={older}>{text.older}</a>
          </p>
        )}
        {session === null ? <SignIn strings={strings} /> : null}
        <script id="receipts" type="application/json">
          {data({
            ...(session ? {} : { signIn: wantedOf(view) }),
            texts: {
              ...walletTexts(strings),
              noCookies: text.noCookies,
              nothingBought: text.nothingBought,
              signInWith: text.signInWith,
            },
          })}
        </script>
      </>
    ),
  })
}

const wantedOf = ({ signIn: { info, networks } }: ReceiptsView) => ({
  info,
  networks: networks.map(forWallets),
  solana: networks.some(onSolana) ? SOLANA.path : null,
})

/** What wallets make necessary to say, in the words of the checkout. */
const walletTexts = ({ checkout }: Strings) => {
  const { noWallet, checkAgain, yourWallet, locked, declined, pending, unprepared, noAccount } = checkout
  const { startAgain, openWallet, willSign, walletFailed, signInUnasked, signInFailed } = checkout
  return {
    ...{ noWallet, checkAgain, yourWallet, locked, declined, pending, unprepared, noAccount },
    ...{ startAgain, openWallet, willSign, walletFailed, signInUnasked, signInFailed },
  }
}

/** That these are all purchases of one wallet, until when they are shown, and how to end that now. */
const Whose = ({ session, strings }: { session: { payer: string; endsAt: string }; strings: Strings }) => (
  <>
    <p>
      {strings.receipt.allOf} <code>{session.payer}</code>
    </p>
    <form class="screen" method="post" action={SIGN_OUT}>
      <p class="quiet">
        {strings.receipt.shownUntil} <Time iso={session.endsAt} lang={strings.lang} />
      </p>
      <button class="plain" type="submit">
        {strings.receipt.signOut}
      </button>
    </form>
  </>
)

/** What the pass in this browser opens; without one, that nothing is known here. */
const Held = ({ view: { opens, strings } }: { view: ReceiptsView }) =>
  opens.length === 0 ? (
    <p>{strings.receipt.noPass}</p>
  ) : (
    <>
      <h2>{strings.receipt.opens}</h2>
      <ul>
        {opens.map(({ path, section, endsAt }) => (
          <li>
            {path === null ? section : <a href={path}>{path}</a>} · {strings.receipt.until}{' '}
            <Time iso={endsAt} lang={strings.lang} />
          </li>
        ))}
      </ul>
    </>
  )

const SignIn = ({ strings: { receipt } }: { strings: Strings }) => (
  <section class="card screen" aria-labelledby="sign-in">
    <h2 id="sign-in">{receipt.signIn}</h2>
    <p>{receipt.signInText}</p>
    <p id="status" role="status" tabindex={-1}></p>
    <div id="wallets">
      <p class="stuck">{receipt.noScript}</p>
    </div>
  </section>
)
