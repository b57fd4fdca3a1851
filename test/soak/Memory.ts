/** What this process holds and uses: memory after a garbage collection, open files of the system, processor time. */
import { readdirSync } from "node:fs"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

export interface Held {
  /** Bytes. */
  readonly heap: number
  readonly buffers: number
  readonly rss: number
  /** Open files and sockets; 0 where the system does not tell. */
  readonly files: number
  /** Timers, sockets, servers and requests under way in Node. */
  readonly resources: number
  /** Milliseconds of processor time since its start. */
  readonly processor: number
}

const openFiles = (): number => {
  try {
    return readdirSync("/proc/self/fd").length
  } catch {
    return 0
  }
}

export const held = (): Held => {
  collect()
  const { arrayBuffers, heapUsed, rss } = process.memoryUsage()
  const { system, user } = process.cpuUsage()
  return {
    heap: heapUsed,
    buffers: arrayBuffers,
    rss,
    files: openFiles(),
    resources: process.getActiveResourcesInfo().length,
    processor: (system + user) / 1000
  }
}
