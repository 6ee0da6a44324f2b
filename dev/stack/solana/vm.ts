// LiteSVM: runs transactions with the real programs, without a validator. Only plain values pass this border, since it
// brings another version of Solana's own packages along. It checks neither signatures nor blockhashes: the ledger does.
import { getAddressDecoder, getBase58Encoder } from '@solana/kit'

export type Account = { lamports: bigint; owner: string; data: Uint8Array; executable: boolean }

/** An error as nodes write it in JSON. */
export type TransactionError = string | { [name: string]: unknown }
export type InnerInstructions = {
  index: number
  instructions: { program: number; accounts: number[]; data: Uint8Array; stackHeight: number }[]
}[]
/** What became of a transaction. */
export type Outcome = { err: TransactionError | null; logs: string[]; units: number; inner: InnerInstructions }

export type Vm = {
  account(address: string): Account | null
  /** `null` takes the account away. */
  setAccount(address: string, account: Account | null): void
  /** All accounts of a program. */
  accountsOf(program: string): string[]
  execute(transaction: Uint8Array, version: 'legacy' | 0): Outcome
  simulate(transaction: Uint8Array, version: 'legacy' | 0): Outcome & { after: Map<string, Account | null> }
  setTime(slot: number, unixSeconds: number): void
  rent(bytes: number): bigint
  addProgram(address: string, elf: Uint8Array): void
}

type Native = typeof import('litesvm/dist/internal.js')

/** Why LiteSVM cannot run here, in one sentence; null where it can. */
export async function whyNoVm(): Promise<string | null> {
  try {
    await native()
    return null
  } catch {
    return (
      'LiteSVM, the local Solana, has no program for this machine. On Linux and macOS (x64 and arm64) `npm install` ' +
      'brings it; do not omit optional dependencies.'
    )
  }
}

// Loaded where it is asked for: nobody else should pay for it.
const native = (): Promise<Native> => import('litesvm/dist/internal.js')

/** As LiteSVM counts them. */
const TRANSACTION_ERRORS =
  'AccountInUse AccountLoadedTwice AccountNotFound ProgramAccountNotFound InsufficientFundsForFee InvalidAccountForFee AlreadyProcessed BlockhashNotFound CallChainTooDeep MissingSignatureForFee InvalidAccountIndex SignatureFailure InvalidProgramForExecution SanitizeFailure ClusterMaintenance AccountBorrowOutstanding WouldExceedMaxBlockCostLimit UnsupportedVersion InvalidWritableAccount WouldExceedMaxAccountCostLimit WouldExceedAccountDataBlockLimit TooManyAccountLocks AddressLookupTableNotFound InvalidAddressLookupTableOwner InvalidAddressLookupTableData InvalidAddressLookupTableIndex InvalidRentPayingAccount WouldExceedMaxVoteCostLimit WouldExceedAccountDataTotalLimit MaxLoadedAccountsDataSizeExceeded ResanitizationNeeded InvalidLoadedAccountsDataSizeLimit UnbalancedTransaction ProgramCacheHitMaxLimit CommitCancelled'.split(
    ' ',
  )
const INSTRUCTION_ERRORS =
  'GenericError InvalidArgument InvalidInstructionData InvalidAccountData AccountDataTooSmall InsufficientFunds IncorrectProgramId MissingRequiredSignature AccountAlreadyInitialized UninitializedAccount UnbalancedInstruction ModifiedProgramId ExternalAccountLamportSpend ExternalAccountDataModified ReadonlyLamportChange ReadonlyDataModified DuplicateAccountIndex ExecutableModified RentEpochModified NotEnoughAccountKeys AccountDataSizeChanged AccountNotExecutable AccountBorrowFailed AccountBorrowOutstanding DuplicateAccountOutOfSync InvalidError ExecutableDataModified ExecutableLamportChange ExecutableAccountNotRentExempt UnsupportedProgramId CallDepth MissingAccount ReentrancyNotAllowed MaxSeedLengthExceeded InvalidSeeds InvalidRealloc ComputationalBudgetExceeded PrivilegeEscalation ProgramEnvironmentSetupFailure ProgramFailedToComplete ProgramFailedToCompile Immutable IncorrectAuthority AccountNotRentExempt InvalidAccountOwner ArithmeticOverflow UnsupportedSysvar IllegalOwner MaxAccountsDataAllocationsExceeded MaxAccountsExceeded MaxInstructionTraceLengthExceeded BuiltinProgramsMustConsumeComputeUnits BorshIoError'.split(
    ' ',
  )

const NOBODY = '11111111111111111111111111111111'

/** A new, empty chain with the programs that every cluster has. */
export async function startVm(): Promise<Vm> {
  const problem = await whyNoVm()
  if (problem !== null) throw new Error(problem)
  const lib = await native()
  const svm = new lib.LiteSvm()
  svm.setSigverify(false)
  svm.setBlockhashCheck(false)
  // The ledger remembers what has landed; a fork makes it forget some of it.
  svm.setTransactionHistory(0n)

  const bytesOf = (address: string) => Uint8Array.from(getBase58Encoder().encode(address))
  const addressOf = (bytes: Uint8Array): string => getAddressDecoder().decode(bytes)
  const plain = (account: InstanceType<Native['Account']> | null): Account | null =>
    account === null || account.lamports() === 0n
      ? null
      : {
          lamports: account.lamports(),
          owner: addressOf(account.owner()),
          data: new Uint8Array(account.data()),
          executable: account.executable(),
        }

  function errorOf(failed: InstanceType<Native['FailedTransactionMetadata']>): TransactionError {
    const error = failed.err()
    if (typeof error === 'number') return TRANSACTION_ERRORS[error] ?? 'SanitizeFailure'
    if (error instanceof lib.TransactionErrorInstructionError) {
      const inner = error.err()
      const named = typeof inner === 'number' ? (INSTRUCTION_ERRORS[inner] ?? 'GenericError') : null
      const own = inner instanceof lib.InstructionErrorCustom ? { Custom: inner.code } : 'BorshIoError'
      return { InstructionError: [error.index, named ?? own] }
    }
    if (error instanceof lib.TransactionErrorInsufficientFundsForRent) {
      return { InsufficientFundsForRent: { account_index: error.accountIndex } }
    }
    if (error instanceof lib.TransactionErrorDuplicateInstruction) return { DuplicateInstruction: error.index }
    return { ProgramExecutionTemporarilyRestricted: { account_index: error.accountIndex } }
  }

  function outcomeOf(meta: InstanceType<Native['TransactionMetadata']>, err: TransactionError | null): Outcome {
    return {
      err,
      logs: meta.logs(),
      units: Number(meta.computeUnitsConsumed()),
      inner: meta.innerInstructions().flatMap((instructions, index) =>
        instructions.length === 0
          ? []
          : [
              {
                index,
                instructions: instructions.map((one) => ({
                  program: one.instruction().programIdIndex(),
                  accounts: [...one.instruction().accounts()],
                  data: new Uint8Array(one.instruction().data()),
                  stackHeight: one.stackHeight(),
                })),
              },
            ],
      ),
    }
  }

  return {
    account: (address) => plain(svm.getAccount(bytesOf(address))),
    setAccount(address, account) {
      const { lamports, data, owner, executable } = account ?? {
        lamports: 0n,
        data: new Uint8Array(),
        owner: NOBODY,
        executable: false,
      }
      svm.setAccount(bytesOf(address), new lib.Account(lamports, data, bytesOf(owner), executable, 0n))
    },
    accountsOf: (program) => svm.getProgramAccounts(bytesOf(program)).map(({ address }) => addressOf(address)),
    execute(transaction, version) {
      const result = version === 0 ? svm.sendVersionedTransaction(transaction) : svm.sendLegacyTransaction(transaction)
      return result instanceof lib.FailedTransactionMetadata
        ? outcomeOf(result.meta(), errorOf(result))
        : outcomeOf(result, null)
    },
    simulate(transaction, version) {
      const result =
        version === 0 ? svm.simulateVersionedTransaction(transaction) : svm.simulateLegacyTransaction(transaction)
      if (result instanceof lib.FailedTransactionMetadata) {
        return { ...outcomeOf(result.meta(), errorOf(result)), after: new Map() }
      }
      const after = result.postAccounts().map((one) => [addressOf(one.address), plain(one.account())] as const)
      return { ...outcomeOf(result.meta(), null), after: new Map(after) }
    },
    setTime(slot, unixSeconds) {
      const clock = svm.getClock()
      clock.slot = BigInt(slot)
      clock.unixTimestamp = BigInt(unixSeconds)
      svm.setClock(clock)
    },
    rent: (bytes) => svm.minimumBalanceForRentExemption(BigInt(bytes)),
    addProgram: (address, elf) => svm.addProgram(bytesOf(address), elf),
  }
}
