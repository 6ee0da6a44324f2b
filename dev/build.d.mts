/** Writes the page's scripts as modules of the worker, where they are not as they should be. */
export function build(): void
