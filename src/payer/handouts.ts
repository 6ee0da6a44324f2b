// Who is being handed the content of a settled payment right now. Kept in memory: after a restart nobody is, and a
// payment that was not marked as delivered may ask again.

/** A worker that neither delivered nor released within this time is gone. */
const LEASE_MS = 30_000

type Lease = { ended: Promise<void>; end: () => void }

export class Handouts {
  readonly #leases = new Map<string, Lease>()

  begin(key: string): void {
    const { promise, resolve } = Promise.withResolvers<void>()
    const lease = { ended: promise, end: resolve }
    this.#leases.set(key, lease)
    void scheduler.wait(LEASE_MS).then(() => {
      if (this.#leases.get(key) === lease) this.end(key)
    })
  }

  /** Resolves when the content was delivered or released; null when nobody is being handed it. */
  leaseOf(key: string): Promise<void> | null {
    return this.#leases.get(key)?.ended ?? null
  }

  isLeased(key: string): boolean {
    return this.#leases.has(key)
  }

  end(key: string): void {
    this.#leases.get(key)?.end()
    this.#leases.delete(key)
  }
}
