// What all commands have in common: how one ends that cannot do what it was asked.

/** Ends the program with one message and status 1. It says what happened and what to do instead, and holds no secret. */
export class Refusal extends Error {}

/** Runs a command. `name` stands before what it says when it fails. */
export async function command(name: string, main: () => Promise<void>): Promise<void> {
  // `… | head` closes the pipe early, which is no reason to complain.
  process.stdout.on('error', () => process.exit())
  try {
    await main()
  } catch (error) {
    console.error(`${name}: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  }
}
