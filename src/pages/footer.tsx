// Where a reader finds who is asking for money, and why.
import type { Brand } from './page.tsx'
import type { Strings } from './strings/strings.ts'

/**
 * The publisher's own links, and that a machine has translated the page; nothing where there is neither. `base`: where its links
 * count from, whatever the page around it says; without it the page's own address.
 */
export const Footer = ({ brand, strings, base }: { brand: Brand; strings: Strings; base?: string }) => {
  const links = [
    [brand.login, strings.pay.login],
    [brand.why, strings.pay.why],
    [brand.terms, strings.pay.termsLink],
    [brand.support, strings.pay.support],
  ] as const
  if (links.every(([href]) => href === null) && !strings.isMachineMade) return null
  return (
    <footer>
      {links.map(([href, text]) =>
        href === null ? null : <a href={base === undefined ? href : new URL(href, base).href}>{text}</a>,
      )}
      {strings.isMachineMade ? <span>{strings.pay.machineMade}</span> : null}
    </footer>
  )
}
