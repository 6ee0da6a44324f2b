// Whether a payee on Solana can be paid: what the wallet, the mint and the wallet's associated token account are. Pure.

import type { SvmAsset } from '../../src/x402/assets.ts'
import { encodeBase58 } from '../../src/x402/base58.ts'
import { TOKEN_PROGRAM } from '../../src/x402/svm.ts'
import { error, type Finding, warning } from './findings.ts'

/** An account as the chain has it. `program`: who owns it there. */
export type Account = { program: string; data: Uint8Array }

/** Null where there is no such account. */
export type Accounts = {
  payTo: string
  wallet: Account | null
  mint: Account | null
  /** Of the associated token account. */
  address: string
  tokens: Account | null
}

const SYSTEM_PROGRAM = '11111111111111111111111111111111'
const TOKEN_2022_PROGRAM = 'TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb'
/** Of a mint, where its decimals stand. */
const DECIMALS_AT = 44
const MINT_BYTES = 82
const TOKEN_ACCOUNT_BYTES = 165
const FROZEN = 2

/** A token account of the classic program, by the places of its fields. */
function tokenAccountIn({ data }: Account) {
  const bytes = Buffer.from(data)
  const addressAt = (start: number) => encodeBase58(bytes.subarray(start, start + 32))
  /** Four bytes say whether the address behind them counts. */
  const optionAt = (start: number) => (bytes.readUInt32LE(start) === 0 ? null : addressAt(start + 4))
  return {
    mint: addressAt(0),
    owner: addressAt(32),
    delegate: optionAt(72),
    isFrozen: bytes[108] === FROZEN,
    delegated: bytes.readBigUInt64LE(121),
    closeAuthority: optionAt(129),
  }
}

/** `at`: the setting that names the network; `host`: who said what is here. */
export function payeeFindings(accounts: Accounts, asset: SvmAsset, at: string, host: string): Finding[] {
  return [
    ...mintFindings(accounts, asset, at, host),
    ...walletFindings(accounts, asset),
    ...tokenFindings(accounts, asset),
  ]
}

function mintFindings(
  { mint }: Accounts,
  { asset, name, decimals: ours }: SvmAsset,
  at: string,
  host: string,
): Finding[] {
  if (mint === null) {
    return [error(at, `${host} shows no token at ${asset} on ${name}; write an endpoint of the real ${name}`)]
  }
  const report = 'remove the network from NETWORKS, and report it'
  if (mint.program !== TOKEN_PROGRAM || mint.data.length !== MINT_BYTES) {
    return [error(at, `the token on ${name} is not of the classic token program; ${report}`)]
  }
  const decimals = mint.data[DECIMALS_AT]
  if (decimals === ours) return []
  return [error(at, `the token on ${name} has ${decimals} decimals, and prices are counted with ${ours}; ${report}`)]
}

/** A wallet that never had any SOL has no account yet. */
function walletFindings({ wallet }: Accounts, { name }: SvmAsset): Finding[] {
  if (wallet === null || wallet.program === SYSTEM_PROGRAM) return []
  if (wallet.program === TOKEN_PROGRAM || wallet.program === TOKEN_2022_PROGRAM) {
    const what = `this is an account of a token program on ${name}, and no wallet`
    return [error('PAY_TO.solana', `${what}; write the address of the wallet that owns it`)]
  }
  const what = `this is an account of the program ${wallet.program} on ${name}, and no wallet`
  return [error('PAY_TO.solana', `${what}: what is paid may be out of reach; write the address of your wallet`)]
}

function tokenFindings({ payTo, address, tokens }: Accounts, { asset, symbol, name }: SvmAsset): Finding[] {
  const path = 'PAY_TO.solana'
  const its = `its token account for ${symbol} on ${name}`
  // Whoever sends SOL there makes an account of the system program, which holds no tokens.
  if (tokens === null || tokens.program !== TOKEN_PROGRAM || tokens.data.length !== TOKEN_ACCOUNT_BYTES) {
    const advice = `send a cent of ${symbol} to it, or run: spl-token create-account ${asset} --owner ${payTo}`
    return [error(path, `it has no token account for ${symbol} on ${name}, so nobody can pay it; ${advice}`)]
  }
  const { mint, owner, delegate, delegated, isFrozen, closeAuthority } = tokenAccountIn(tokens)
  const findings: Finding[] = []
  if (mint !== asset) findings.push(error(path, `${its} (${address}) is for another token; write another address`))
  if (owner !== payTo) {
    findings.push(error(path, `${its} (${address}) belongs to ${owner}, who gets what is paid; write another address`))
  }
  if (isFrozen) {
    findings.push(
      error(path, `${its} (${address}) is frozen by the issuer, so nobody can pay it; write another address`),
    )
  }
  if (delegate !== null && delegated > 0n) {
    const advice = `if that is not meant, run: spl-token revoke ${address}`
    findings.push(warning(path, `${delegate} may take money out of ${its}; ${advice}`))
  }
  if (closeAuthority !== null && closeAuthority !== payTo) {
    const advice = 'if that is not meant, write another address'
    findings.push(
      warning(path, `${closeAuthority} may close ${its} when it is empty, and then nobody can pay; ${advice}`),
    )
  }
  return findings
}
