// What ends a command early: a mistake at the keyboard, or a service that does not answer.

/** Ends the program with one line and status 1. It says what happened and what to do instead, and holds no secret. */
export class Refusal extends Error {}

/** The end of every message about a missing setting or a table that is not there. */
export const SEE_DEPLOY = 'docs/deploy.md shows how'
