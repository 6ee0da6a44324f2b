// What the workerd of a site uses: time of the processor and memory, as Linux counts them.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { Site } from './site.ts'

/** Only there does `/proc` tell. */
export const isLinux = process.platform === 'linux'

export type Usage = {
  /** Milliseconds of processor time of all its threads so far. */
  cpuMs(): number
  /** The most memory it has had so far. */
  peakMiB(): number
}

/** Of the process that listens for this site's readers. */
export function usageOf({ port }: Pick<Site, 'port'>): Usage {
  const of = `/proc/${listenerAt(port)}`
  return {
    cpuMs() {
      const threads = readdirSync(`${of}/task`).map((thread) => readFileSync(`${of}/task/${thread}/schedstat`, 'utf8'))
      return threads.reduce((sum, line) => sum + Number.parseInt(line, 10), 0) / 1e6
    },
    peakMiB() {
      const [, peakKiB] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`${of}/status`, 'utf8')) ?? []
      if (peakKiB === undefined) throw new Error('the kernel does not say how much memory it has')
      return Number(peakKiB) / 1024
    },
  }
}

/** The socket that waits at a port has a number, and one process holds that. */
function listenerAt(port: number): string {
  const waiting = `:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .find((each) => each.includes(waiting))
  const socket = `socket:[${line?.trim().split(/\s+/)[9]}]`
  const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && holds(name, socket))
  if (pid === undefined) throw new Error(`nobody listens at port ${port}`)
  return pid
}

function holds(pid: string, socket: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === socket)
  } catch {
    // Somebody else's process, or one that has just ended.
    return false
  }
}
