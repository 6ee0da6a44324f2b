// One workerd, which can be ended at once and started again.
import { type Config, Runtime, serializeConfig } from 'miniflare'
import { LOOPBACK } from '../../dev/stack/ports.ts'

/** The socket that every workerd has to have, at any free port. */
export const ENTRY = 'entry'

export type Workerd = {
  /** Ends the one before with SIGKILL, and resolves to the ports of the sockets once workerd listens. */
  start(config: Config): Promise<ReadonlyMap<string, number>>
  stop(): Promise<void>
}

/** `onLog` gets each message of the workers. */
export function newWorkerd(onLog: (message: string) => void): Workerd {
  const runtime = new Runtime()
  const stop = async () => {
    process.removeListener('exit', stop)
    await runtime.dispose()
  }
  process.once('exit', stop)
  return {
    async start(config) {
      const ports = await runtime.updateConfig(
        serializeConfig({ ...config, structuredLogging: true }),
        {
          entryAddress: `${LOOPBACK}:0`,
          // Where a server of miniflare's would be. Nothing that is started here asks it.
          loopbackAddress: `${LOOPBACK}:9`,
          requiredSockets: (config.sockets ?? []).map(({ name = '' }) => name),
          handleStructuredLogs: ({ message }) => onLog(message),
        },
        [],
        new AbortController().signal,
      )
      if (ports === undefined) throw new Error('workerd ended before it listened')
      return new Map([...ports].map(([name, port]) => [String(name), port]))
    },
    stop,
  }
}
