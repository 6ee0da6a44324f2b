/** Writes the page's script as a module of the worker, where it is not as it should be. */
export function build(): void
