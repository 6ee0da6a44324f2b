// Ends setup with one message and status 1: what happened, and what to do.

export class Refusal extends Error {}
