// Who waits, who runs and who is being handed the content, in virtual time; and that no timer outlives its wait.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Held, InFlight } from '../../src/payer/in-flight.ts'
import { pause, Slots, within } from '../../src/waiting.ts'

const KEY = 'a payment'
/** A handout nobody reports on for this long has ended. */
const SILENCE_MS = 45_000
const MOST_HELD = 128

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 })
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const inMs = (ms: number) => Date.now() + ms
function enter(inFlight: InFlight<unknown>, requestId: string, key = KEY): Held {
  const held = inFlight.enter(requestId, key, 'key')
  if (!held) throw new Error('there is room for this request')
  return held
}

describe('a held request', () => {
  test('has the value it waits for, and leaves no timer', async () => {
    const held = enter(new InFlight(), 'one')
    expect(await held.wait(Promise.resolve('done'), inMs(25_000))).toEqual({ value: 'done' })
    expect(vi.getTimerCount()).toBe(0)
  })

  test('tells a value of null from no value', async () => {
    expect(await enter(new InFlight(), 'one').wait(Promise.resolve(null), inMs(25_000))).toEqual({ value: null })
  })

  test('has nothing when its time comes', async () => {
    const waiting = enter(new InFlight(), 'one').wait(Promise.withResolvers().promise, inMs(25_000))
    await vi.advanceTimersByTimeAsync(24_999)
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(await waiting).toBeNull()
  })

  test('whose time is over has what is there already, and waits for nothing else', async () => {
    const held = enter(new InFlight(), 'one')
    expect(await held.wait(Promise.resolve('there'), inMs(-1))).toEqual({ value: 'there' })
    const waiting = held.wait(Promise.withResolvers().promise, inMs(-1))
    await vi.advanceTimersByTimeAsync(0)
    expect(await waiting).toBeNull()
  })

  test('is not held for an hour where the clock was set back by one', async () => {
    const held = enter(new InFlight(), 'one')
    const deadlineMs = inMs(25_000)
    vi.setSystemTime(inMs(-3_600_000))
    const waiting = held.wait(Promise.withResolvers().promise, deadlineMs)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(await waiting).toBeNull()
  })

  test('ends its wait when its client hangs up, and says so', async () => {
    const inFlight = new InFlight()
    const held = enter(inFlight, 'one')
    const waiting = held.wait(Promise.withResolvers().promise, inMs(25_000))
    expect(held.isGone()).toBe(false)
    inFlight.hangUp('one')
    expect(await waiting).toBeNull()
    expect(held.isGone()).toBe(true)
    expect(await held.wait(Promise.withResolvers().promise, inMs(25_000))).toBeNull()
  })

  test('passes on a fault of what it waits for', async () => {
    const failing = enter(new InFlight(), 'one').wait(Promise.reject(new Error('broken')), inMs(25_000))
    await expect(failing).rejects.toThrow('broken')
  })
})

describe('two copies of a payment', () => {
  test('each has its own hang-up: the living one waits on', async () => {
    const inFlight = new InFlight()
    const [gone, living] = [enter(inFlight, 'one'), enter(inFlight, 'two')]
    const { promise, resolve } = Promise.withResolvers<string>()
    const waits = [gone.wait(promise, inMs(25_000)), living.wait(promise, inMs(25_000))]
    inFlight.hangUp('one')
    expect(await waits[0]).toBeNull()
    expect(living.isGone()).toBe(false)
    expect(inFlight.isAwaited(KEY)).toBe(true)
    resolve('content')
    expect(await waits[1]).toEqual({ value: 'content' })
  })

  test('share one run, which goes on when both hang up', async () => {
    const inFlight = new InFlight<string>()
    enter(inFlight, 'one')
    enter(inFlight, 'two')
    const { promise, resolve } = Promise.withResolvers<string>()
    const start = vi.fn(() => promise)
    const runs = [inFlight.run(KEY, start), inFlight.run(KEY, start)]
    inFlight.hangUp('one')
    inFlight.hangUp('two')
    expect(inFlight.isAwaited(KEY)).toBe(false)
    expect(inFlight.isRunning(KEY)).toBe(true)
    resolve('settled')
    expect(await Promise.all(runs)).toEqual(['settled', 'settled'])
    expect(start).toHaveBeenCalledTimes(1)
    expect(inFlight.isRunning(KEY)).toBe(false)
  })

  test('a run that fails is over, and the next begins anew', async () => {
    const inFlight = new InFlight<string>()
    await expect(inFlight.run(KEY, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    expect(inFlight.isRunning(KEY)).toBe(false)
    expect(await inFlight.run(KEY, async () => 'settled')).toBe('settled')
  })

  test('a request that has left, or asked for another payment, waits for none', () => {
    const inFlight = new InFlight()
    enter(inFlight, 'one')
    enter(inFlight, 'two', 'another payment')
    inFlight.leave('one')
    expect(inFlight.isAwaited(KEY)).toBe(false)
    expect(inFlight.isAwaited('another payment')).toBe(true)
  })

  test('a request that came twice, after a broken call, is held until the second has left, and hears its hang-up', () => {
    // The worker repeats a call that broke off under the same number; the first may still be here.
    const inFlight = new InFlight()
    enter(inFlight, 'one')
    const again = enter(inFlight, 'one')
    inFlight.leave('one')
    expect(inFlight.isAwaited(KEY)).toBe(true)
    inFlight.hangUp('one')
    expect(again.isGone()).toBe(true)
  })

  test('a hang-up of a request that is not held does nothing', () => {
    const inFlight = new InFlight()
    enter(inFlight, 'one')
    inFlight.hangUp('unknown')
    expect(inFlight.isAwaited(KEY)).toBe(true)
  })
})

describe('how many are held', () => {
  test('a request too many is not held, and is told at once', () => {
    const inFlight = new InFlight()
    for (let i = 0; i < MOST_HELD; i++) enter(inFlight, `request ${i}`)
    expect(inFlight.enter('one too many', KEY, 'key')).toBeNull()
  })

  test('one that leaves makes room for one', () => {
    const inFlight = new InFlight()
    for (let i = 0; i < MOST_HELD; i++) enter(inFlight, `request ${i}`)
    inFlight.leave('request 7')
    expect(inFlight.enter('the next', KEY, 'key')).not.toBeNull()
    expect(inFlight.enter('one too many', KEY, 'key')).toBeNull()
  })
})

describe('a handout', () => {
  test('ends by its report', async () => {
    const inFlight = new InFlight()
    inFlight.lease(KEY, 1)
    expect(inFlight.isHandedOut(KEY)).toBe(true)
    const lease = inFlight.leaseOf(KEY)
    inFlight.endLease(KEY, 1)
    await expect(lease?.ended).resolves.toBeUndefined()
    expect(inFlight.isHandedOut(KEY)).toBe(false)
    expect(inFlight.leaseOf(KEY)).toBeNull()
  })

  test('ends by silence, and needs no timer for that', () => {
    const inFlight = new InFlight()
    inFlight.lease(KEY, 1)
    expect(vi.getTimerCount()).toBe(0)
    vi.setSystemTime(inMs(SILENCE_MS - 1))
    expect(inFlight.isHandedOut(KEY)).toBe(true)
    expect(inFlight.leaseOf(KEY)?.silentAtMs).toBe(inMs(1))
    vi.setSystemTime(inMs(1))
    expect(inFlight.isHandedOut(KEY)).toBe(false)
    expect(inFlight.leaseOf(KEY)).toBeNull()
  })

  test('lasts as long as a film, if every twenty seconds something is heard of it', () => {
    const inFlight = new InFlight()
    inFlight.lease(KEY, 1)
    for (let heard = 0; heard < 360; heard++) {
      vi.setSystemTime(inMs(20_000))
      inFlight.renewLease(KEY, 1)
      expect(inFlight.isHandedOut(KEY)).toBe(true)
    }
  })

  test('goes by its number: a late report of the first does not end the second', () => {
    const inFlight = new InFlight()
    inFlight.lease(KEY, 1)
    vi.setSystemTime(inMs(SILENCE_MS))
    inFlight.lease(KEY, 2)
    inFlight.endLease(KEY, 1)
    expect(inFlight.isHandedOut(KEY)).toBe(true)
    vi.setSystemTime(inMs(SILENCE_MS - 1))
    inFlight.renewLease(KEY, 1)
    vi.setSystemTime(inMs(1))
    expect(inFlight.isHandedOut(KEY)).toBe(false)
  })

  test('that follows another ends its wait', async () => {
    const inFlight = new InFlight()
    inFlight.lease(KEY, 1)
    const first = inFlight.leaseOf(KEY)
    inFlight.lease(KEY, 2)
    await expect(first?.ended).resolves.toBeUndefined()
    expect(inFlight.isHandedOut(KEY)).toBe(true)
  })

  test('that a restart has forgotten is known again as soon as it is heard of', () => {
    const inFlight = new InFlight()
    inFlight.renewLease(KEY, 2)
    expect(inFlight.isHandedOut(KEY)).toBe(true)
    inFlight.endLease(KEY, 1)
    expect(inFlight.isHandedOut(KEY)).toBe(true)
    inFlight.endLease(KEY, 2)
    expect(inFlight.isHandedOut(KEY)).toBe(false)
  })

  test('of one payment says nothing about another', () => {
    const inFlight = new InFlight()
    inFlight.lease(KEY, 1)
    inFlight.lease('another payment', 1)
    inFlight.endLease(KEY, 1)
    expect(inFlight.isHandedOut('another payment')).toBe(true)
  })
})

describe('waiting', () => {
  test('leaves no timer behind a value, a fault or the end of the time', async () => {
    expect(await within(Promise.resolve(1), 60_000)).toBe(1)
    await expect(within(Promise.reject(new Error('broken')), 60_000)).rejects.toThrow('broken')
    expect(vi.getTimerCount()).toBe(0)
    const late = within(Promise.withResolvers().promise, 60_000)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(await late).toBeNull()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a pause is as long as it says', async () => {
    const over = vi.fn()
    void pause(1_000).then(over)
    await vi.advanceTimersByTimeAsync(999)
    expect(over).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(over).toHaveBeenCalled()
  })
})

describe('so many at a time', () => {
  test('a free slot is taken at once, without a wait', () => {
    const slots = new Slots(2)
    expect([slots.take(inMs(0)), slots.take(inMs(0))]).toEqual([true, true])
    slots.give()
    expect(slots.take(inMs(0))).toBe(true)
  })

  test('the others come in their order', async () => {
    const slots = new Slots(1)
    slots.take(inMs(0))
    const order: string[] = []
    const turns = ['first', 'second', 'third'].map(async (name) => {
      if (await slots.take(inMs(60_000))) order.push(name)
      slots.give()
    })
    slots.give()
    await Promise.all(turns)
    expect(order).toEqual(['first', 'second', 'third'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('one whose time is over goes without, and the next has its turn', async () => {
    const slots = new Slots(1)
    slots.take(inMs(0))
    const [short, long] = [slots.take(inMs(1_000)), slots.take(inMs(60_000))]
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await short).toBe(false)
    slots.give()
    expect(await long).toBe(true)
  })

  test('a turn that comes as the time is over is not lost', async () => {
    const slots = new Slots(1)
    slots.take(inMs(0))
    const late = slots.take(inMs(1_000))
    const next = slots.take(inMs(60_000))
    // In this order: the time is over, and before anybody has noticed the slot is given back.
    vi.advanceTimersByTime(1_000)
    slots.give()
    expect(await late).toBe(false)
    expect(await next).toBe(true)
  })

  test('no slot is made or lost, whoever gives up', async () => {
    const slots = new Slots(2)
    slots.take(inMs(0))
    slots.take(inMs(0))
    const takes = [100, 200, 300, 400].map((ms) => slots.take(inMs(ms)))
    await vi.advanceTimersByTimeAsync(250)
    slots.give()
    slots.give()
    expect(await Promise.all(takes)).toEqual([false, false, true, true])
    slots.give()
    slots.give()
    expect([slots.take(inMs(0)), slots.take(inMs(0))]).toEqual([true, true])
    const third = slots.take(inMs(0))
    await vi.advanceTimersByTimeAsync(0)
    expect(await third).toBe(false)
  })
})
