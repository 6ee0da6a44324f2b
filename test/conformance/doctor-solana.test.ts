// What doctor says of each expensive mistake with Solana, word for word, beside a real chain with its node and a real
// facilitator.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { asJson, asText } from '../../cli/doctor/findings.ts'
import { type SolanaWallet, solanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK, SOLANA_USDC } from '../../dev/stack/solana.ts'
import { decodeBase58 } from '../../src/x402/base58.ts'
import { says } from '../world/behaviour.ts'
import { type Settings, said, startFront, type Visit, visit } from '../world/doctor.ts'
import { NETWORK } from '../world/shop.ts'
import { BASE_VARS } from '../world/site.ts'
import { arrivals, landSilently } from '../world/solana-on-chain.ts'
import { signSolana, solanaReader, solanaTerms } from '../world/solana-payer.ts'
import { type SolanaStack, startSolanaStack } from '../world/stack.ts'

const MAINNET = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp'
const MAINNET_GENESIS = '5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d'
const PAYEE = solanaWallets.publisher.address
const TWO_DAYS_OF_SLOTS = 432_000
const FINALIZED_BY_THEN = 40
const AT = `RPC_URLS.${SOLANA_NETWORK}`
const LOST = 'what became of a lost payment could not be found out: write another endpoint'

let stack: SolanaStack
const fronts: { stop(): Promise<void> }[] = []
/** All that doctor showed in this file. */
const shown: string[] = []

beforeAll(async () => {
  stack = await startSolanaStack()
  const { solana } = stack
  await solana.fund(PAYEE, 0n)
  solana.clock.pass(TWO_DAYS_OF_SLOTS)
  const present = await signSolana(solana, solanaTerms(1_000n), await solanaReader(solana))
  expect(landSilently(solana, present)).toBeNull()
  solana.clock.pass(FINALIZED_BY_THEN)
})

afterEach(() => {
  stack.facilitator.setHook(undefined)
  Object.assign(stack.solana.faults, { lag: 0, prunedBelow: 0, keepsNoHistory: false, leavesOutMemos: false })
})

afterAll(async () => {
  for (const front of fronts) await front.stop()
  await stack.stop()
})

const decoded = (address: string): Uint8Array => decodeBase58(address) ?? new Uint8Array()
const host = (url: string) => new URL(url).host
const node = () => host(stack.solana.rpcUrl)

/** A small shop on both networks of the local stack; a test changes one thing. */
const shop = (over: Settings = {}): Settings => ({
  PAY_TO: { ...BASE_VARS.PAY_TO, solana: PAYEE },
  NETWORKS: [NETWORK, SOLANA_NETWORK],
  FACILITATORS: [stack.facilitator.url],
  RPC_URLS: { [NETWORK]: stack.chain.rpcUrl, [SOLANA_NETWORK]: `${stack.solana.rpcUrl}/?key=a-key-in-a-path` },
  ...over,
})
const paying = (solana: string): Visit => ({ vars: shop({ PAY_TO: { ...BASE_VARS.PAY_TO, solana } }) })
const asking = (url: string): Visit => ({
  vars: shop({ RPC_URLS: { [NETWORK]: stack.chain.rpcUrl, [SOLANA_NETWORK]: url } }),
})

async function sentences(what: Visit): Promise<string[]> {
  const report = await visit(what)
  shown.push(asText(report), asJson(report))
  return said(report).filter((line) => !/is this machine, which a deployed worker cannot reach/.test(line))
}

async function expectSaid(sentence: string, what: Visit): Promise<void> {
  const lines = await sentences(what)
  expect(lines, lines.join('\n')).toContain(sentence)
}

/** The node, but for calls that are answered here. */
async function behind(twist: Parameters<typeof startFront>[1]): Promise<{ url: string; what: Visit }> {
  const front = await startFront(stack.solana.rpcUrl, twist)
  fronts.push(front)
  return { url: front.url, what: asking(front.url) }
}

test('a good shop on both networks has nothing to say; doctor tries one payment on each, and settles nothing', async () => {
  const { settle, verify } = stack.facilitator.counts
  const payers: unknown[] = []
  stack.facilitator.setHook((call, proceed) => {
    if (call.path === '/verify') payers.push(call.body)
    return proceed()
  })
  expect(await sentences({ vars: shop() })).toEqual([])
  expect(stack.facilitator.counts).toMatchObject({ settle, verify: verify + 2 })
  expect(JSON.stringify(payers)).toContain(`"network":"${SOLANA_NETWORK}"`)
})

describe('a payee that cannot be paid meets its sentence', () => {
  const fresh = (name: string): SolanaWallet => solanaWallet(`doctor ${name}`)

  test('none', async () => {
    await expectSaid('error: PAY_TO.solana: write the Solana address that is paid, as PAY_TO = { solana = "…" }', {
      vars: shop({ PAY_TO: BASE_VARS.PAY_TO }),
    })
  })

  test('one without a token account', async () => {
    const { address } = fresh('without')
    await expectSaid(
      `error: PAY_TO.solana: it has no token account for USDC on Solana Devnet, so nobody can pay it; send a cent of USDC to it, or run: spl-token create-account ${SOLANA_USDC} --owner ${address}`,
      paying(address),
    )
  })

  test('its own token account', async () => {
    await expectSaid(
      'error: PAY_TO.solana: this is an address of a program, not of a wallet; if it is your token account, write the wallet that owns it',
      paying(await stack.solana.tokenAccount(PAYEE)),
    )
  })

  test('one whose token account is frozen', async () => {
    const { address } = fresh('frozen')
    await stack.solana.fund(address, 1n)
    await stack.solana.freeze(address, true)
    const account = await stack.solana.tokenAccount(address)
    await expectSaid(
      `error: PAY_TO.solana: its token account for USDC on Solana Devnet (${account}) is frozen by the issuer, so nobody can pay it; write another address`,
      paying(address),
    )
  })

  /** An account as it stands on the chain, with some bytes changed, in the place of the payee's. */
  async function withAccount(place: 0 | 1 | 2, change: (account: Buffer) => Buffer, program?: string): Promise<Visit> {
    const account = await stack.solana.tokenAccount(PAYEE)
    const keys = [PAYEE, SOLANA_USDC, account]
    const value = keys.map((key, i) => {
      const real = stack.solana.ledger.account(key, stack.solana.clock.slot())
      if (!real) throw new Error(`${key} is not there`)
      const data = i === place ? change(Buffer.from(real.data)) : Buffer.from(real.data)
      return { owner: (i === place ? program : undefined) ?? real.owner, data: [data.toString('base64'), 'base64'] }
    })
    const { what } = await behind((method) =>
      method === 'getMultipleAccounts' ? { result: { context: { slot: 1 }, value } } : null,
    )
    return what
  }
  const SOMEBODY = solanaWallets.carol.address
  const put = (at: number, bytes: Uint8Array) => (data: Buffer) => {
    data.set(bytes, at)
    return data
  }
  const somebody = () => decoded(SOMEBODY)

  test('one whose token account was given to somebody else', async () => {
    const account = await stack.solana.tokenAccount(PAYEE)
    await expectSaid(
      `error: PAY_TO.solana: its token account for USDC on Solana Devnet (${account}) belongs to ${SOMEBODY}, who gets what is paid; write another address`,
      await withAccount(2, put(32, somebody())),
    )
  })

  test('one whose tokens somebody else may take', async () => {
    const account = await stack.solana.tokenAccount(PAYEE)
    const change = (data: Buffer) => put(121, Uint8Array.of(9))(put(72, Uint8Array.of(1, 0, 0, 0, ...somebody()))(data))
    await expectSaid(
      `warning: PAY_TO.solana: ${SOMEBODY} may take money out of its token account for USDC on Solana Devnet; if that is not meant, run: spl-token revoke ${account}`,
      await withAccount(2, change),
    )
  })

  test('one whose token account somebody else may close', async () => {
    await expectSaid(
      `warning: PAY_TO.solana: ${SOMEBODY} may close its token account for USDC on Solana Devnet when it is empty, and then nobody can pay; if that is not meant, write another address`,
      await withAccount(2, put(129, Uint8Array.of(1, 0, 0, 0, ...somebody()))),
    )
  })

  test('an account that only SOL was sent to, where the token account should be', async () => {
    await expectSaid(
      `error: PAY_TO.solana: it has no token account for USDC on Solana Devnet, so nobody can pay it; send a cent of USDC to it, or run: spl-token create-account ${SOLANA_USDC} --owner ${PAYEE}`,
      await withAccount(2, () => Buffer.alloc(0), '11111111111111111111111111111111'),
    )
  })

  test('a token account with a key of its own', async () => {
    await expectSaid(
      'error: PAY_TO.solana: this is an account of a token program on Solana Devnet, and no wallet; write the address of the wallet that owns it',
      await withAccount(0, () => Buffer.alloc(165), 'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA'),
    )
  })

  test('an account of another program', async () => {
    const program = solanaWallets.alice.address
    await expectSaid(
      `error: PAY_TO.solana: this is an account of the program ${program} on Solana Devnet, and no wallet: what is paid may be out of reach; write the address of your wallet`,
      await withAccount(0, (data) => data, program),
    )
  })

  test('a token with other decimals, and one of another program', async () => {
    await expectSaid(
      'error: NETWORKS[1]: the token on Solana Devnet has 9 decimals, and prices are counted with 6; remove the network from NETWORKS, and report it',
      await withAccount(1, put(44, Uint8Array.of(9))),
    )
    await expectSaid(
      'error: NETWORKS[1]: the token on Solana Devnet is not of the classic token program; remove the network from NETWORKS, and report it',
      await withAccount(1, (data) => data, 'TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb'),
    )
  })

  test('a wallet that never had any SOL is one', async () => {
    const { address } = fresh('without SOL')
    await stack.solana.fund(address, 0n)
    expect(await sentences(paying(address))).toEqual([])
  })

  test('a key that everybody has, for real money', async () => {
    await expectSaid(
      'error: PAY_TO.solana: everybody has the key of this development address; write your own address, or only test networks in NETWORKS',
      { vars: shop({ NETWORKS: [MAINNET], RPC_URLS: undefined, FACILITATORS: ['https://facilitator.example'] }) },
    )
  })
})

describe('each mistake with the node meets its sentence', () => {
  test('another cluster, known or not', async () => {
    const known = await behind((method) => (method === 'getGenesisHash' ? { result: MAINNET_GENESIS } : null))
    await expectSaid(
      `error: ${AT}: ${host(known.url)} is of Solana and not of Solana Devnet; write an endpoint of Solana Devnet`,
      known.what,
    )
    const genesis = '4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY'
    const other = await behind((method) => (method === 'getGenesisHash' ? { result: genesis } : null))
    await expectSaid(
      `error: ${AT}: ${host(other.url)} is of another cluster (solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z) and not of Solana Devnet; write an endpoint of Solana Devnet`,
      other.what,
    )
  })

  test('a chain of EVM', async () => {
    const { rpcUrl } = stack.chain
    await expectSaid(
      `not checked: ${AT}: ${host(rpcUrl)} answered 200, and no genesis hash; write the URL of a JSON-RPC endpoint`,
      asking(rpcUrl),
    )
  })

  test('one that remembers nothing', async () => {
    stack.solana.faults.keepsNoHistory = true
    await expectSaid(`error: ${AT}: ${node()} lists no transactions (getSignaturesForAddress); ${LOST}`, {
      vars: shop(),
    })
  })

  test('one that remembers minutes, and one that remembers hours', async () => {
    const { faults, clock } = stack.solana
    faults.prunedBelow = clock.slotAt('finalized') - 1_500
    await expectSaid(`error: ${AT}: ${node()} remembers 10 minutes only; ${LOST}`, { vars: shop() })
    faults.prunedBelow = clock.slotAt('finalized') - 27_000
    await expectSaid(
      `warning: ${AT}: ${node()} remembers 3 hours only; what is asked later, and the books (npm run ledger), need more: write another endpoint`,
      { vars: shop() },
    )
  })

  test('one that leaves out memos', async () => {
    stack.solana.faults.leavesOutMemos = true
    await expectSaid(
      `warning: ${AT}: ${node()} leaves memos out of its lists; to find a lost payment takes longer: write another endpoint`,
      { vars: shop() },
    )
  })

  test('one that does not heed minContextSlot', async () => {
    const { url, what } = await behind((method) => (method === 'getSignaturesForAddress' ? { result: [] } : null))
    await expectSaid(
      `error: ${AT}: ${host(url)} answers as of a slot that it has not reached (minContextSlot); a node that lags would look like one that knows of no payment: write another endpoint`,
      what,
    )
  })

  test.each([
    ['getTransaction', 'does not show a transaction that it lists (getTransaction)'],
    ['getSignatureStatuses', 'does not know a transaction that it lists (getSignatureStatuses)'],
    ['getEpochInfo', 'does not say how high the chain is (getEpochInfo)'],
    ['getFirstAvailableBlock', 'does not say what it remembers (getFirstAvailableBlock, getBlockTime)'],
  ])('one without %s', async (without, sentence) => {
    const { url, what } = await behind((method) => (method === without ? { result: null } : null))
    await expectSaid(`error: ${AT}: ${host(url)} ${sentence}; ${LOST}`, what)
  })

  test('one that does not show accounts', async () => {
    const { url, what } = await behind((method) =>
      method === 'getMultipleAccounts' ? { error: { code: -32601, message: 'Method not found' } } : null,
    )
    await expectSaid(
      `not checked: PAY_TO.solana: ${host(url)} does not say what this address is on Solana Devnet; write another endpoint`,
      what,
    )
  })

  test('one that stands still', async () => {
    const { url, what } = await behind((method) =>
      method === 'getBlockTime' ? { result: Math.floor(Date.now() / 1000) - 600 } : null,
    )
    const lines = (await sentences(what)).map((line) => line.replace(/60\d s old/, '600 s old'))
    expect(lines).toContain(
      `warning: ${AT}: the newest block of ${host(url)} is 600 s old, so payments look unsettled; write another endpoint`,
    )
  })
})

describe('each mistake with a facilitator meets its sentence', () => {
  const at = () => `FACILITATORS[0]: ${host(stack.facilitator.url)}`
  const kind = (over: object = {}) => ({ x402Version: 2, scheme: 'exact', network: SOLANA_NETWORK, ...over })
  const lists = (...kinds: object[]) => {
    const all = [{ x402Version: 2, scheme: 'exact', network: NETWORK }, ...kinds]
    const reply = says({ kinds: all, extensions: [], signers: {} })
    stack.facilitator.setHook((call, proceed) => (call.path === '/supported' ? reply() : proceed()))
    return { vars: shop() }
  }

  test('it does not list Solana, or in version 1 alone', async () => {
    const advice = 'write one that serves it with scheme "exact" in version 2, or remove the network from NETWORKS'
    await expectSaid(`error: ${at()} serves Solana Devnet (${SOLANA_NETWORK}) not at all; ${advice}`, lists())
    await expectSaid(
      `error: ${at()} serves Solana Devnet (${SOLANA_NETWORK}) only with scheme "exact" in version 1; ${advice}`,
      lists(kind({ x402Version: 1 })),
    )
  })

  test('it names nobody who pays the fee', async () => {
    const sentence = `error: ${at()} does not say who pays the fee on Solana Devnet (extra.feePayer), and nobody can pay; ask them, or name another facilitator`
    await expectSaid(sentence, lists(kind()))
    await expectSaid(sentence, lists(kind({ extra: { feePayer: 'somebody' } })))
  })

  test('its fee payer is the payee', async () => {
    await expectSaid(
      `error: PAY_TO.solana: this is the address from which ${host(stack.facilitator.url)} pays fees on Solana Devnet; write your own`,
      lists(kind({ extra: { feePayer: PAYEE } })),
    )
  })

  test('it calls the payment of an empty wallet good', async () => {
    stack.facilitator.setHook((call, proceed) => (call.path === '/verify' ? says({ isValid: true })() : proceed()))
    await expectSaid(
      `warning: ${at()} calls a trial payment in USDC on Solana Devnet good although the wallet is empty; name one that looks, or expect refusals only when a payment is settled`,
      { vars: shop() },
    )
  })
})

describe('the challenge', () => {
  const route = (over: object = {}) => ({ path: '/articles/*', content: 'kv', price: '$0.05', access: '24h', ...over })
  const offers = [{ name: 'Day pass', price: '$0.50', access: '24h', scope: '/articles/*' }]

  test('for one price on two networks needs no warning at the longest address', async () => {
    const long = route({ description: 'd'.repeat(500), mimeType: 'text/html; charset=utf-8' })
    expect(await sentences({ vars: shop({ ROUTES: [long] }) })).toEqual([])
  })

  test('for more says how long it gets, and what is left out first', async () => {
    const lines = await sentences({ vars: shop({ ROUTES: [route({ offers })] }) })
    expect(lines.map((line) => line.replace(/takes \d{4}/, 'takes N'))).toEqual([
      'warning: ROUTES[0]: its challenge with all offers takes N characters, and hosted facilitators have refused payments that answer more than 2900; what is left out first are signed offers, then words of the description, the query of the address, and the sign-in; terms never are; name fewer offers or NETWORKS, or shorten scopes and mimeType',
    ])
  })
})

describe('sales that the ledger does not know', () => {
  /** What wrangler says of the ledger: these transactions. */
  const knowing = (...transactions: string[]): Visit => ({
    vars: shop(),
    options: { storage: 'remote' },
    machine: {
      nowMs: () => stack.solana.clock.time(stack.solana.clock.slot()) * 1000,
      wrangler: async (args) =>
        args[0] === 'd1'
          ? { isGood: true, text: JSON.stringify([{ results: transactions.map((transaction) => ({ transaction })) }]) }
          : { isGood: true, text: '[]' },
    },
  })
  const ofSales = async (what: Visit) => (await sentences(what)).filter((line) => line.includes('the ledger lacks'))

  test('are the mark of another deployment; presents are none, nor what is younger than ten minutes', async () => {
    const { solana } = stack
    const memo = `dG9kYXk.zzzzzz.${'m'.repeat(22)}`
    const payment = await signSolana(solana, solanaTerms(2_000n, memo), await solanaReader(solana))
    expect(landSilently(solana, payment)).toBeNull()
    solana.clock.pass(FINALIZED_BY_THEN)
    expect(await ofSales(knowing())).toEqual([])
    solana.clock.pass(1_650)
    expect(await ofSales(knowing())).toEqual([
      'warning: PAY_TO.solana: the ledger lacks payments of the last day on Solana Devnet: 1. Another deployment seems to share this address; give each its own',
    ])
    const sale = (await arrivals(solana, PAYEE)).find((arrival) => arrival.memo?.includes(memo))
    expect(await ofSales(knowing(sale?.signature ?? ''))).toEqual([])
    expect(await ofSales(knowing(sale?.signature.toLowerCase() ?? ''))).toHaveLength(1)
  })
})

test('nothing that was shown here holds more of an endpoint than its host', () => {
  expect(shown.length).toBeGreaterThan(60)
  expect(shown.join('\n')).not.toContain('a-key-in-a-path')
})
