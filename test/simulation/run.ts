// Plays what may find a fault, and stops at the first that does: `node --import ./test/simulation/register.ts
// test/simulation/run.ts [--story "part of a name"] [--seeds 0-99] [--exhaust name]`, each as often as it is needed.
// Exit 1: something was found.
import { exhaust, PURCHASES } from './exhaustion.ts'
import { playHistory } from './history.ts'
import { stories } from './stories/all.ts'
import { tell } from './tale.ts'

const firstLine = (fault: unknown) =>
  (fault instanceof Error ? `${fault.name}: ${fault.message}` : String(fault)).slice(0, 300)

async function problemsOfStory(part: string): Promise<string[]> {
  const found = stories.filter(({ name }) => name.includes(part))
  if (found.length === 0) throw new Error(`no story is called "${part}"`)
  for (const { name, act, options } of found) {
    const problems = await tell(name, act, options).catch((fault: unknown) => [firstLine(fault)])
    if (problems.length > 0) return [`story "${name}"`, ...problems]
  }
  return []
}

async function problemsOfSeeds(range: string): Promise<string[]> {
  const [from = 0, to = from] = range.split('-').map(Number)
  for (let seed = from; seed <= to; seed++) {
    const { problems } = await playHistory(String(seed))
    if (problems.length > 0) return [`seed ${seed}`, ...problems]
  }
  return []
}

async function problemsOfPurchase(name: string): Promise<string[]> {
  const purchase = PURCHASES.find((one) => one.name === name)
  if (!purchase) throw new Error(`no purchase ${name}`)
  return (await exhaust(purchase)).bad
}

const PLAYS = new Map([
  ['--story', problemsOfStory],
  ['--seeds', problemsOfSeeds],
  ['--exhaust', problemsOfPurchase],
])

const given = process.argv.slice(2)
for (let i = 0; i < given.length; i += 2) {
  const play = PLAYS.get(given[i] ?? '')
  if (!play) throw new Error(`what is ${given[i]}?`)
  const problems = await play(given[i + 1] ?? '')
  if (problems.length > 0) {
    console.log(problems.join('\n  '))
    process.exit(1)
  }
}
