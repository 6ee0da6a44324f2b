// The imitated Solana is what it is meant to be: messages land once or never, nodes say what they have reached, forks undo.
import { expect, test } from 'vitest'
import { Rpc } from '../../src/chain.ts'
import { isTransactionOf } from '../../src/networks/solana.ts'
import { createWorld, run } from './clock.ts'
import { single } from './orders.ts'
import { createSolanaChain, SOLANA } from './solana-chain.ts'
import { signOnSolana, solanaReader } from './solana-orders.ts'
import { serveSolanaRpc } from './solana-rpc.ts'

const URL_OF_RPC = 'https://rpc-solana.example/'
const READER = solanaReader(0)
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

function scene(seed: string) {
  const world = createWorld({ seed })
  const chain = createSolanaChain(world)
  const rpc = serveSolanaRpc(world, chain, URL_OF_RPC)
  chain.fund(READER.source, 60_000n)
  const ask = async (method: string, ...params: unknown[]) => {
    const answer = await new Rpc(URL_OF_RPC, SOLANA).ask({ method, params }, { left: 2 })
    return answer.ok ? answer.value : answer.error
  }
  const sign = (ageBlocks = 0) => signOnSolana(world, chain, { reader: READER, product: single(), ageBlocks })
  return { world, chain, rpc, ask, sign }
}

test('a message lands once, under the fee payer’s signature, and the next one fails for want of money', async () => {
  const { world, chain, sign } = scene('once')
  await run(world, async () => {
    const [one, two] = [sign(), sign()]
    const transaction = chain.send(one.mark)
    expect(await isTransactionOf(transaction, one.transfer)).toBe(true)
    expect(await isTransactionOf(transaction, two.transfer)).toBe(false)
    await chain.ended(one.mark)
    chain.send(one.mark)
    await pause(2_000)
    expect([chain.balance(READER.source), chain.truth.fateOf(one.mark).kind]).toEqual([10_000n, 'moved'])
    chain.send(two.mark)
    expect(await chain.ended(two.mark)).toMatchObject({ err: { InstructionError: [2, { Custom: 1 }] } })
    expect([chain.truth.fateOf(two.mark).kind, chain.mayLand(two.mark)]).toEqual(['unused', false])
  })
})

test('after 150 blocks a message never lands', async () => {
  const { world, chain, sign } = scene('never')
  await run(world, async () => {
    const [soon, late] = [sign(149), sign(150)]
    for (const { mark } of [soon, late]) chain.send(mark)
    expect(await chain.ended(soon.mark)).toMatchObject({ err: null })
    expect(await chain.ended(late.mark)).toBeNull()
    expect(chain.mayLand(late.mark)).toBe(false)
  })
})

test('nodes list what they have reached, and nothing behind a transaction that they do not know', async () => {
  const { world, chain, rpc, ask, sign } = scene('nodes')
  await run(world, async () => {
    const { mark, transfer } = sign()
    const signature = chain.send(mark)
    await chain.ended(mark)
    const listed = (options: object) => ask('getSignaturesForAddress', transfer.source, { limit: 10, ...options })
    expect(await ask('getSignatureStatuses', [signature])).toMatchObject({ value: [{ err: null }] })
    await pause(2_000)
    expect(await listed({ commitment: 'confirmed' })).toMatchObject([
      { signature, memo: `[${transfer.memo.length}] ${transfer.memo}` },
    ])
    expect(await listed({ commitment: 'finalized' })).toEqual([])
    await pause(13_000)
    expect(await listed({ commitment: 'finalized' })).toMatchObject([{ signature, confirmationStatus: 'finalized' }])
    expect(await listed({ commitment: 'finalized', minContextSlot: chain.headNumber() })).toBe('refused')
    expect(await listed({ before: signature })).toEqual([])
    expect(await listed({ before: 'unknown' })).toEqual([])
    rpc.knobs.lags = [100]
    expect(await listed({ commitment: 'confirmed' })).toEqual([])
  })
})

test('a fork undoes what it drops, and what was in it may land again', async () => {
  const { world, chain, sign } = scene('fork')
  await run(world, async () => {
    const { mark } = sign()
    chain.send(mark)
    await chain.ended(mark)
    chain.reorganise(5, () => 'lost')
    expect([chain.truth.fateOf(mark).kind, chain.mayLand(mark), chain.balance(READER.source)]).toEqual([
      'unused',
      true,
      60_000n,
    ])
    chain.send(mark)
    expect(await chain.ended(mark)).toMatchObject({ err: null })
    await pause(20_000)
    chain.reorganise(1_000, () => 'lost')
    expect(chain.truth.fateOf(mark).kind).toBe('moved')
  })
})
