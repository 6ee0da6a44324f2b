// Ports on the loopback interface: find a free one, say whether a given one is taken, listen there.
import type { Server } from 'node:http'
import { createServer } from 'node:net'

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

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const port = await tryPort(0)
  if (port === undefined) throw new Error('no free port on 127.0.0.1')
  return port
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
