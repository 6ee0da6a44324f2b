// Ports on the loopback interface: find a free one, say whether a given one is taken, listen there.
import type { Server } from 'node:http'
import { createServer } from 'node:net'
import { threadId } from 'node:worker_threads'

/** The only interface the local stack listens on. */
export const LOOPBACK = '127.0.0.1'

export type Listening = { url: string; stop(): Promise<void> }

/** Where a server listens from now on, on a free port unless one is given. `stop` ends its connections too. */
export async function listening(server: Server, port = 0): Promise<Listening> {
  const got = await new Promise<number>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, LOOPBACK, () => {
      const address = server.address()
      if (address === null || typeof address === 'string') reject(new Error('no port'))
      else resolve(address.port)
    })
  })
  return {
    url: `http://${LOOPBACK}:${got}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/**
 * Ports for those that are told their port and listen a moment later. They lie below the range that systems take
 * ports of connections from, and each process has a stretch of its own: nobody takes one in between.
 */
const STRETCH = 32
const STRETCHES = { first: 20_000, count: 375 }
let taken = 0

/** A free port that is given to nobody else for the next few of these calls. */
export async function freePort(): Promise<number> {
  const first = STRETCHES.first + ((process.pid + threadId) % STRETCHES.count) * STRETCH
  for (let tries = 0; tries < STRETCH; tries++) {
    const port = first + (taken++ % STRETCH)
    if ((await tryPort(port)) !== undefined) return port
  }
  throw new Error(`no free port on ${LOOPBACK} from ${first} to ${first + STRETCH - 1}`)
}

/** Whether something already listens on `port`, on the loopback interface of either IP version. */
export async function portIsBusy(port: number): Promise<boolean> {
  if ((await tryPort(port)) === undefined) return true
  return (await tryPort(port, '::1')) === undefined
}

/** Listens on `port` for a moment: the port it got, or undefined when that address is in use. */
function tryPort(port: number, host: string = LOOPBACK): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined)
      // A machine without IPv6 cannot have anybody on its ::1.
      else if (host !== LOOPBACK) resolve(port)
      else reject(error)
    })
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address()
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : port))
    })
  })
}
