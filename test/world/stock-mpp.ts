// The stock client of MPP. It is installed into a folder of its own on first use, so that it does not weigh on `npm install`; the viem
// that it wants is the one that is here.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { PrivateKeyAccount } from 'viem/accounts'
import * as z from 'zod'
import { inCheckout } from '../../dev/stack/paths.ts'

const FOLDER = inCheckout('test/stock')
const CLIENT = join(FOLDER, 'node_modules/mppx/dist')
/** A registry that does not answer within this time is not there. */
const INSTALL_LIMIT_MS = 50_000

type Client = {
  /** A `fetch` that pays by itself. */
  fetchOf(account: PrivateKeyAccount, fetch?: typeof globalThis.fetch): typeof globalThis.fetch
  /** `Payment-Receipt`, as the client reads it. */
  receiptIn(response: Response): { reference: string; method: string; status: string; timestamp: string }
}

const isFetch = z.custom<typeof globalThis.fetch>((value) => typeof value === 'function')
const modules = {
  client: z.object({
    Mppx: z.object({ create: z.custom<(config: object) => unknown>((value) => typeof value === 'function') }),
  }),
  evm: z.object({ evm: z.custom<(config: object) => unknown>((value) => typeof value === 'function') }),
  receipt: z.object({
    fromResponse: z.custom<(response: Response) => unknown>((value) => typeof value === 'function'),
  }),
}
const receipt = z.looseObject({ reference: z.string(), method: z.string(), status: z.string(), timestamp: z.string() })

export const HOW_TO_INSTALL =
  '\n  The stock client of MPP is not here and no registry answers: its tests are left out. Try: npm --prefix test/stock install\n'

/** The client; null where it is not here and cannot be fetched. */
export async function findMppx(): Promise<Client | null> {
  if (!existsSync(CLIENT)) {
    const how = [
      'install',
      '--no-audit',
      '--no-fund',
      '--no-package-lock',
      '--legacy-peer-deps',
      '--prefer-offline',
      '--fetch-retries=0',
    ]
    await promisify(execFile)('npm', how, { cwd: FOLDER, timeout: INSTALL_LIMIT_MS }).catch(() => null)
  }
  if (!existsSync(CLIENT)) return null
  const load = (file: string): Promise<unknown> => import(join(CLIENT, file))
  const { Mppx } = modules.client.parse(await load('client/index.js'))
  const { evm } = modules.evm.parse(await load('evm/client/index.js'))
  const { fromResponse } = modules.receipt.parse(await load('Receipt.js'))
  return {
    fetchOf(account, fetch = globalThis.fetch) {
      const methods = [evm({ account, authorization: { name: 'USDC', version: '2' } })]
      return z.object({ fetch: isFetch }).parse(Mppx.create({ methods, fetch, polyfill: false })).fetch
    },
    receiptIn: (response) => receipt.parse(fromResponse(response)),
  }
}
