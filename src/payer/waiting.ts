// Waiting with an end.

/** The value of a promise, or null when it takes longer. */
export async function within<Value>(promise: Promise<Value>, ms: number): Promise<Value | null> {
  return Promise.race([promise, scheduler.wait(Math.max(0, ms)).then(() => null)])
}

/** Whether a promise settles by a time (milliseconds). */
export async function endsBy(promise: Promise<void>, deadline: number): Promise<boolean> {
  return (
    (await within(
      promise.then(() => true),
      deadline - Date.now(),
    )) === true
  )
}
