// Virtual time: order, what is replaced while a story runs, and that a seed repeats.
import { expect, test } from 'vitest'
import { createWorld, run } from './clock.ts'
import { json, serve } from './wire.ts'

const SITE = 'https://service.example'
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

test('events come in the order of their times, and equal times in the order they were made', async () => {
  const world = createWorld({ seed: 'order' })
  const said: string[] = []
  await run(world, async () => {
    setTimeout(() => said.push('later'), 50)
    setTimeout(() => said.push('one'), 10)
    setTimeout(() => said.push('two'), 10)
    const late = setTimeout(() => said.push('never'), 20)
    clearTimeout(late)
    await pause(100)
  })
  expect(said).toEqual(['one', 'two', 'later'])
})

test('time stands still while code runs, and leaps between events', async () => {
  const world = createWorld({ seed: 'leap', startMs: 1_000_000 })
  const seen = await run(world, async () => {
    const first = Date.now()
    for (let i = 0; i < 100; i++) await Promise.resolve()
    const second = Date.parse(new Date().toISOString())
    await pause(86_400_000)
    return [first, second, Date.now(), new Date(5).getTime(), new Date() instanceof Date]
  })
  expect(seen).toEqual([1_000_000, 1_000_000, 87_400_000, 5, true])
  expect(Date.now()).toBeGreaterThan(1_700_000_000_000)
})

test('a story that waits for nothing is told so', async () => {
  const world = createWorld({ seed: 'nothing' })
  await expect(run(world, () => new Promise(() => {}))).rejects.toThrow('nothing is left to happen')
})

test('what would leave for the thread pool is refused, a digest is made at once', async () => {
  const world = createWorld({ seed: 'digest' })
  const digest = await run(world, async () => {
    const bytes = new TextEncoder().encode('abc')
    expect(() => crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, [])).toThrow('thread pool')
    return Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex')
  })
  expect(digest).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})

/** Twenty requests at once, each answered by chance. */
async function play(seed: string, keepsLines = false) {
  const world = createWorld({ seed, keepsLines })
  serve(world, SITE, async ({ path }) => {
    await world.wait(world.random.between(0, 30))
    return world.random.chance(0.3) ? { kind: 'lost' } : json({ path, uuid: crypto.randomUUID() })
  })
  const replies = await run(world, () =>
    Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const id = crypto.randomUUID()
        try {
          const reply = await fetch(`${SITE}/${i}`, { signal: AbortSignal.timeout(100) })
          return `${id} ${await reply.text()}`
        } catch (fault) {
          return `${id} ${String(fault)}`
        }
      }),
    ),
  )
  return { hash: world.hash(), replies, lines: world.lines }
}

test('a seed run twice gives the same trace, another seed another', async () => {
  const [first, second, other] = [await play('a'), await play('a', true), await play('b')]
  expect(second.hash).toBe(first.hash)
  expect(second.replies).toEqual(first.replies)
  expect(other.hash).not.toBe(first.hash)
  expect(second.lines?.length).toBeGreaterThan(60)
})

test('what belongs to a dead process never comes back to it', async () => {
  const world = createWorld({ seed: 'death' })
  serve(world, SITE, async () => json({}))
  const said: string[] = []
  await run(world, async () => {
    const worker = world.process('worker')
    worker.run('request', async () => {
      setTimeout(() => said.push('timer'), 50)
      await fetch(SITE)
      said.push('reply')
    })
    await pause(1)
    worker.kill()
    await pause(1_000)
  })
  expect(said).toEqual([])
})

test('a request that hangs ends by its signal, and one invocation sends no more than it may', async () => {
  const world = createWorld({ seed: 'limits' })
  world.mostSubrequests = 2
  serve(world, SITE, async () => ({ kind: 'silent' }))
  await run(world, async () => {
    await expect(fetch(SITE, { signal: AbortSignal.timeout(5_000) })).rejects.toThrow('aborted')
    expect(Date.now()).toBe(Date.UTC(2026, 9, 1) + 5_000)
    await expect(fetch('https://nobody.example')).rejects.toThrow('lost')
    await expect(fetch(SITE)).rejects.toThrow('Too many subrequests')
  })
})

test('six requests are out at once, the seventh waits', async () => {
  const world = createWorld({ seed: 'six' })
  let most = 0
  let out = 0
  serve(world, SITE, async () => {
    most = Math.max(most, ++out)
    await world.wait(1_000)
    out -= 1
    return json({})
  })
  await run(world, () => Promise.all(Array.from({ length: 20 }, () => fetch(SITE))))
  expect(most).toBe(6)
})

test('a body may break off, or stall until it is given up', async () => {
  const world = createWorld({ seed: 'cut' })
  serve(world, SITE, async ({ path }) => {
    const how = path === '/breaks' ? 'breaks' : 'stalls'
    return { kind: 'reply', status: 200, body: '{"a":1}', cut: { at: 3, how } }
  })
  await run(world, async () => {
    await expect((await fetch(`${SITE}/breaks`)).text()).rejects.toThrow('lost')
    await expect((await fetch(`${SITE}/stalls`, { signal: AbortSignal.timeout(900) })).text()).rejects.toThrow(
      'aborted',
    )
  })
})
