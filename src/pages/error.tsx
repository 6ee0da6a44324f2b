// The page of an answer that is neither content nor an offer: what happened and what to do.
import { Page } from './page.tsx'

export type ErrorView = { brand: string; status: number; message: string }

export const errorPage = (view: ErrorView): string =>
  (
    <Page title={String(view.status)} brand={view.brand}>
      <h1>{HEADINGS[view.status] ?? 'This did not work'}</h1>
      <p>{view.message}</p>
    </Page>
  ).toString()

const HEADINGS: Record<number, string> = {
  400: 'This request cannot be read',
  402: 'This payment did not go through',
  403: 'This payment cannot be accepted',
  404: 'Nothing is here',
  409: 'This payment is taken',
  429: 'A moment’s rest, please',
  500: 'Something is wrong on our side',
  502: 'The page could not be fetched',
  503: 'One moment, please',
}
