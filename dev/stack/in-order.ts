// A queue of one: runs asynchronous tasks strictly one after the other, in the order they were given.

/** Returns a function that runs `task` after every earlier task has ended, whether or not those failed. */
export function inOrder(): <T>(task: () => Promise<T>) => Promise<T> {
  let tail: Promise<unknown> = Promise.resolve()
  return (task) => {
    const result = tail.then(task)
    tail = result.catch(() => undefined)
    return result
  }
}
