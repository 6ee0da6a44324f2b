// Who is being handed the content of a settled payment right now. Kept in memory: after a restart nobody is, and a
// payment that was not marked as delivered may ask again.

/** A worker that neither delivered nor released within this time is gone. */
const LEASE_MS = 30_000

type Lease = { number: number; ended: Promise<void>; end: () => void }

export class Handouts {
  readonly #leases = new Map<string, Lease>()

  begin(key: string, number: number): void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#leases.set(key, { number, ended: promise, end: resolve })
    void scheduler.wait(LEASE_MS).then(() => this.end(key, number))
  }

  /** Resolves when the content was delivered or released; null when nobody is being handed it. */
  leaseOf(key: string): Promise<void> | null {
    return this.#leases.get(key)?.ended ?? null
  }

  isLeased(key: string): boolean {
    return this.#leases.has(key)
  }

  /** Ends a lease; one that has ended already, or has made way for the next, is left alone. */
  end(key: string, number: number): void {
    const lease = this.#leases.get(key)
    if (lease?.number !== number) return
    this.#leases.delete(key)
    lease.end()
  }
}
