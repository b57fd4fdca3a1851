/**
 * The processor time of this process, of the programs that it ran, and of a server with its children: the values of
 * Linux in /proc, in steps of 10 ms.
 */
import { readdirSync, readFileSync } from "node:fs"

const ticksPerSecond = 100

/** The fields of /proc/PID/stat from the third one (proc(5)): the state, the parent, and so on. */
const fields = (pid: number | "self"): ReadonlyArray<string> | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8")
    return text.slice(text.lastIndexOf(")") + 2).split(" ")
  } catch {
    // The process has ended.
    return undefined
  }
}

const parent = 1
const ownTicks = [11, 12] as const
const endedChildrenTicks = [13, 14] as const

const sum = (values: ReadonlyArray<string>, indexes: ReadonlyArray<number>) =>
  indexes.reduce((total, index) => total + Number(values[index]), 0)

/** Seconds of this process, and of the programs that it started and that have ended. */
export const ofThisProcess = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1e6 + sum(fields("self") ?? [], endedChildrenTicks) / ticksPerSecond
}

/** Seconds of a process, of its children, and of those that have ended. A server can have a process for each client. */
export const ofTree = (pid: number): number => {
  const all = new Map<number, ReadonlyArray<string>>()
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue
    const found = fields(Number(name))
    if (found !== undefined) all.set(Number(name), found)
  }
  const seconds = (id: number): number => {
    const own = all.get(id)
    if (own === undefined) return 0
    const children = [...all].filter(([, values]) => Number(values[parent]) === id)
    return sum(own, [...ownTicks, ...endedChildrenTicks]) / ticksPerSecond +
      children.reduce((total, [child]) => total + seconds(child), 0)
  }
  return seconds(pid)
}

/** The memory of a process in bytes: what it has now (VmRSS), or the most that it had so far (VmHWM). */
export const memory = (pid: number, which: "VmRSS" | "VmHWM"): number => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8")
    return Number(new RegExp(`^${which}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) * 1024
  } catch {
    // The process has ended.
    return 0
  }
}
