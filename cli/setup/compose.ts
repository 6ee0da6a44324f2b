// From answers and wrangler.toml to a deployment: what was asked for, else what stands there, else a question.
import { isLocalHost } from '../../src/settings.ts'
import { Refusal } from '../command.ts'
import { type Answers, type Asker, answerTo, QUESTIONS, readPayTo } from './answers.ts'
import {
  type Deployment,
  datasetName,
  type Known,
  ledgerName,
  type Money,
  NO_D1,
  NO_KV,
  networksFor,
  type Sold,
  storageName,
  workerName,
} from './deployment.ts'
import { type Environment, knownOf } from './file.ts'
import type { Say } from './steps.ts'

/** Where a deployment lies; asked of Cloudflare, or of nobody with --local. */
export type Places = {
  atWorkersDev: (worker: string) => Promise<string>
  zoneOf: (domain: string) => Promise<string>
}

export type Composed = { deployment: Deployment; known: Known | null; answers: Answers }

/** The deployment for one kind of money. `answers` comes back with what was asked, so that nothing is asked twice. */
export async function compose(
  money: Money,
  given: Answers,
  environments: ReadonlyMap<string, Environment>,
  places: Places,
  ask: Asker,
  say: Say,
): Promise<Composed> {
  const known = knownOf(environments.get(money))
  const worker = environments.get(money)?.name ?? workerName(environments.get('')?.name || 'newsstand', money)
  // What is said about real money changes nothing of a test deployment that is there.
  const isAbout = given.money === money || known === null
  let answers = isAbout
    ? given
    : { ...given, payTo: null, sold: { path: null, price: null, content: null }, cpuMs: null, hasAnalytics: false }
  const need = (question: (typeof QUESTIONS)[keyof typeof QUESTIONS]) => answerTo(question, ask, say)

  if (known === null && answers.domain === null) answers = { ...answers, domain: await need(QUESTIONS.domain) }
  if (answers.payTo === null && (known?.payTo ?? null) === null) {
    answers = { ...answers, payTo: readPayTo(await need(QUESTIONS.payTo)) }
  }
  const { sold, answers: answered } = await soldOf(money, answers, known, environments, need)
  answers = answered

  const { siteUrl, route } = await placeOf(money, answers, known, worker, places)
  const fromOrigin = sold !== null && (sold.content ?? 'origin') === 'origin'
  const sells = [...((known ?? knownOf(environments.get('test')))?.routes ?? []), ...(sold === null ? [] : [sold])]
  const deployment: Deployment = {
    money,
    worker,
    siteUrl,
    route,
    payTo: { ...known?.payTo, ...answers.payTo },
    networks: networksFor(money, answers.payTo ?? {}, known?.networks ?? []),
    facilitators: money === 'live' ? answers.facilitators : null,
    originUrl: money === 'test' && known === null && fromOrigin ? `https://${answers.domain}` : null,
    brand: answers.domain ?? '',
    kv: { title: storageName(worker), id: known?.kvId ?? NO_KV },
    d1: {
      name: environments.get(money)?.d1_databases[0]?.database_name || ledgerName(worker),
      id: known?.d1Id ?? NO_D1,
    },
    bucket: sells.some(({ content }) => content === 'r2') ? (known?.bucket ?? storageName(worker)) : null,
    sold,
    cpuMs: answers.cpuMs,
    dataset: answers.hasAnalytics ? datasetName(worker) : null,
  }
  return { deployment, known, answers: isAbout ? answers : given }
}

async function soldOf(
  money: Money,
  given: Answers,
  known: Known | null,
  environments: ReadonlyMap<string, Environment>,
  need: (question: (typeof QUESTIONS)['path' | 'price']) => Promise<string>,
): Promise<{ sold: Sold | null; answers: Answers }> {
  const { content } = given.sold
  // What is sold stands in wrangler.toml already: there, or in the test deployment, which the real one takes over.
  const stands = known !== null || (money === 'live' && environments.has('test'))
  if (stands && given.sold.path === null) {
    if (given.sold.price === null && content === null) return { sold: null, answers: given }
    throw new Refusal("--price and --content are about one route: name it as well, such as --path '/articles/*'")
  }
  const path = given.sold.path ?? (await need(QUESTIONS.path))
  const old = known?.routes.find((route) => route.path === path)?.price
  const price = given.sold.price ?? old ?? (await need(QUESTIONS.price))
  return { sold: { path, price, content }, answers: { ...given, sold: { path, price, content } } }
}

async function placeOf(
  money: Money,
  { domain }: Answers,
  known: Known | null,
  worker: string,
  places: Places,
): Promise<Pick<Deployment, 'siteUrl' | 'route'>> {
  const [site] = known?.sites ?? []
  if (money === 'live') {
    if (domain === null) return { siteUrl: site ?? '', route: null }
    if (known !== null && known.sites.length > 1 && !known.sites.includes(`https://${domain}`)) {
      throw new Refusal(
        `SITE_URL of [env.live] is a list without https://${domain}: write it into the list, and a route beside the others, by hand`,
      )
    }
    return { siteUrl: `https://${domain}`, route: { pattern: `${domain}/*`, zone: await places.zoneOf(domain) } }
  }
  // An address that the publisher chose for it stays.
  const isOwn = site !== undefined && !/\.workers\.dev$/.test(site) && !isLocalHost(new URL(site).hostname)
  return { siteUrl: isOwn ? site : await places.atWorkersDev(worker), route: null }
}
