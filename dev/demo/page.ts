// The look of the demo publisher's pages: one small HTML shell, readable on a phone, light and dark.

const STYLE = `
:root { color-scheme: light dark; --ink: #1f1b16; --paper: #fbf8f2; --faint: #6b6258; --line: #ddd4c5; --accent: #9c3b22 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ece6db; --paper: #171512; --faint: #a59b8c; --line: #3a342c; --accent: #f0926f }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.125rem/1.6 Georgia, 'Times New Roman', serif }
header, main, footer { max-width: 40rem; margin: 0 auto; padding: 0 1.25rem }
header { padding-top: 1.5rem; font-variant: small-caps; letter-spacing: .06em }
header a { color: inherit; text-decoration: none }
footer { padding-block: 2rem; color: var(--faint); font-size: .9rem }
h1 { font-size: clamp(1.8rem, 6vw, 2.6rem); line-height: 1.15; margin: 1.5rem 0 1rem; text-wrap: balance }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem }
a { color: var(--accent) }
.lead { font-size: 1.25rem; line-height: 1.5 }
.price { white-space: nowrap; font-variant-numeric: tabular-nums }
img { display: block; width: 100%; height: auto; border: 1px solid var(--line) }
pre { overflow-x: auto; padding: .9rem 1rem; border: 1px solid var(--line); border-radius: .4rem }
pre, code { font: .88rem/1.55 ui-monospace, 'Cascadia Mono', Menlo, monospace }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .45rem .6rem .45rem 0; border-bottom: 1px solid var(--line) }
td + td, th + th { text-align: right; font-variant-numeric: tabular-nums }
`

/** A whole HTML document. `title` is text, `body` is HTML, `style` are rules of this page alone. */
export function page(title: string, body: string, style = ''): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}${style}</style>
</head>
<body>
<header><a href="/">The Daily Stand</a></header>
<main>
<h1>${escapeHtml(title)}</h1>
${body}
</main>
<footer>The Daily Stand is a demonstration. Its money is not real; its articles are yours to read.</footer>
</body>
</html>
`
}

/** Text as HTML, safe in an element or a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
