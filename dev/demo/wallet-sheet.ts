// What the demo wallet asks its owner with: a sheet that says what will be signed, with "Sign" and "Cancel". Escape is "Cancel".
// It lies in a shadow of its own and brings its rules as a style sheet object, which no page's policy keeps out.

/** What is asked, and what will be signed, line by line. */
export type Question = { title: string; lines: readonly (readonly [what: string, value: string])[]; note: string }

/** Who says no: the error that wallets answer with (EIP-1193). */
class Declined extends Error {
  code = 4001
}

const STYLE = `dialog{box-sizing:border-box;inline-size:min(100vw,27rem);max-inline-size:none;margin-block:auto 0;margin-inline:auto;padding:1.25rem 1.25rem 1.5rem;border:0;border-block-start:6px solid #e3b341;border-radius:1rem 1rem 0 0;background:#fff;color:#16181d;font:1rem/1.5 system-ui,sans-serif;box-shadow:0 0 3rem #0006}
dialog::backdrop{background:#000a}
@media(min-width:40rem){dialog{margin-block:auto;border-radius:1rem}}
p{margin:0 0 1rem;color:#4a4f5a}
.wallet{display:flex;align-items:center;gap:.5rem;margin:0 0 .75rem;font-weight:600}
.wallet::before{content:"$";display:grid;place-items:center;inline-size:1.75rem;block-size:1.75rem;border-radius:50%;background:#e3b341;color:#16181d}
h2{margin:0 0 1rem;font-size:1.375rem;line-height:1.25}
dl{display:grid;grid-template-columns:auto 1fr;gap:.5rem 1rem;margin:0 0 1rem;padding:1rem;border-radius:.5rem;background:#f3f4f6}
dt{color:#4a4f5a}dd{margin:0;overflow-wrap:anywhere;text-align:end;font-variant-numeric:tabular-nums}
div{display:flex;gap:.75rem}
button{flex:1;min-block-size:3rem;border:2px solid #16181d;border-radius:.5rem;background:none;color:inherit;font:inherit;font-weight:700;cursor:pointer}
button.sign{background:#16181d;color:#fff}
:focus-visible{outline:3px solid #2563eb;outline-offset:2px}
@media(prefers-color-scheme:dark){dialog{background:#1d2026;color:#eceef2}p,dt{color:#b3b9c5}dl{background:#2a2e36}button{border-color:#eceef2}button.sign{background:#eceef2;color:#16181d}:focus-visible{outline-color:#8ab4ff}}
@media(forced-colors:active){dialog{border:2px solid}}`

/** Resolves when the owner has signed; throws where they say no. */
export async function agree(question: Question): Promise<void> {
  const host = document.createElement('div')
  const shadow = host.attachShadow({ mode: 'open' })
  const rules = new CSSStyleSheet()
  rules.replaceSync(STYLE)
  shadow.adoptedStyleSheets = [rules]
  const dialog = sheet(question)
  shadow.append(dialog)
  document.body.append(host)
  dialog.showModal()
  const closed = new Promise((done) => dialog.addEventListener('close', done, { once: true }))
  await closed
  host.remove()
  if (dialog.returnValue !== 'signed') throw new Declined('The reader said no.')
}

function sheet({ title, lines, note }: Question): HTMLDialogElement {
  const dialog = document.createElement('dialog')
  const heading = element('h2', title)
  heading.id = 'question'
  dialog.setAttribute('aria-labelledby', heading.id)
  const list = document.createElement('dl')
  for (const [what, value] of lines) list.append(element('dt', what), element('dd', value))
  const buttons = document.createElement('div')
  const wallet = element('p', 'Demo wallet')
  wallet.className = 'wallet'
  const sign = button('Sign', () => dialog.close('signed'))
  sign.className = 'sign'
  // The first one has the focus: who presses Enter by mistake signs nothing.
  buttons.append(
    button('Cancel', () => dialog.close('')),
    sign,
  )
  dialog.append(wallet, heading, list, element('p', note), buttons)
  return dialog
}

function element(name: 'h2' | 'p' | 'dt' | 'dd', text: string): HTMLElement {
  const made = document.createElement(name)
  made.textContent = text
  return made
}

function button(text: string, press: () => void): HTMLButtonElement {
  const made = document.createElement('button')
  made.type = 'button'
  made.textContent = text
  made.addEventListener('click', press)
  return made
}
