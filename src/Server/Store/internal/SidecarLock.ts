/**
 * Shows other processes that a folder is served: a socket listens in the folder `lock` of the sidecar, and ends with
 * its process. The socket of a killed process refuses connections, and is removed. On Windows a named pipe is used,
 * which leaves no file. If a file system cannot keep sockets, there is no lock.
 *
 * A process shows its socket first and then looks for others, so of two concurrent processes at least one sees the
 * other. Names are never used again, so a dead socket can be removed safely: its name cannot belong to a new process.
 */
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { storeError } from "../../ShareStore.ts"
import * as Local from "./Local.ts"

/** The folder of the sockets, in a sidecar. */
const lockName = "lock"

/** The suffix of a socket's name that marks the process that has the lock, not one that only waits for it. */
const heldSuffix = ".held"

/** The prefix of the name of a socket that does not listen yet. */
const unready = "."

/** Milliseconds between two looks at concurrent processes, and the longest wait for them. */
const pause = 5
const patience = 10_000

/** Held until it is closed. */
export interface Held {
  readonly close: () => Promise<void>
}

const isWindows = process.platform === "win32"

const pipeOf = (stats: Fs.BigIntStats) => `\\\\.\\pipe\\effect-smb-${stats.dev}-${stats.ino}`

/** Whether a process listens at a path; `unknown` if that cannot be determined. */
const probe = (path: string): Promise<"live" | "dead" | "none" | "unknown"> =>
  new Promise((resolve) => {
    const socket = Net.connect(path)
    socket.unref()
    socket.on("connect", () => {
      socket.destroy()
      resolve("live")
    })
    socket.on("error", (error) => {
      const code = Local.codeOf(error)
      if (code === "ECONNREFUSED" || code === "ENOTSOCK") resolve("dead")
      else if (code === "ENOENT" || code === "ENOTDIR") resolve("none")
      // Its queue of connections is full, so it is live.
      else resolve(code === "EAGAIN" ? "live" : "unknown")
    })
  })

const listen = (path: string): Promise<Net.Server> =>
  new Promise((resolve, reject) => {
    const server = Net.createServer((socket) => socket.destroy())
    server.once("error", reject)
    server.listen({ path, exclusive: true }, () => {
      server.unref()
      server.on("error", () => undefined)
      resolve(server)
    })
  })

const end = (server: Net.Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()))

const served = (): never => {
  throw storeError("Busy", new Error("another process serves this folder: stop it first"))
}

/**
 * Takes a sidecar for this process, or fails with `Busy`. `folder` is a short path of it, because a socket's path can
 * have only about a hundred bytes. `undefined` if no lock is possible.
 */
export const take = async (folder: string, stats: Fs.BigIntStats): Promise<Held | undefined> => {
  if (isWindows) {
    try {
      const pipe = await listen(pipeOf(stats))
      return { close: () => end(pipe) }
    } catch (error) {
      return Local.codeOf(error) === "EADDRINUSE" ? served() : undefined
    }
  }
  const place = Path.join(folder, lockName)
  const id = randomUUID()
  const server = await show(place, id)
  const close = async () => {
    await remove(place, id)
    if (server !== undefined) await end(server)
  }
  try {
    await alone(place, server === undefined ? undefined : id)
    if (server === undefined) return undefined
    await Fs.promises.writeFile(Path.join(place, id + heldSuffix), "", { mode: 0o600 })
    return { close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Makes a listening socket visible; `undefined` if no socket is possible. */
const show = async (place: string, id: string): Promise<Net.Server | undefined> => {
  let server: Net.Server | undefined
  try {
    await Local.makeFolder(place)
    server = await listen(Path.join(place, unready + id))
    await Fs.promises.rename(Path.join(place, unready + id), Path.join(place, id))
    return server
  } catch {
    if (server !== undefined) await end(server)
    return undefined
  }
}

const remove = async (place: string, id: string): Promise<void> => {
  for (const name of [id + heldSuffix, id]) {
    // oxlint-disable-next-line no-await-in-loop -- the socket last
    await Fs.promises.rm(Path.join(place, name), { force: true }).catch(() => undefined)
  }
}

const readNames = async (place: string): Promise<ReadonlyArray<string>> =>
  await Local.orMissing(Fs.promises.readdir(place)) ?? []

/** Waits until no other process has or wants the lock. Fails with `Busy` if a process has it, or has precedence. */
const alone = async (place: string, id: string | undefined): Promise<void> => {
  const until = performance.now() + patience
  while (performance.now() < until) {
    // oxlint-disable no-await-in-loop -- one after the other
    const names = await readNames(place)
    let waits = false
    for (const other of names) {
      if (other === id || other.startsWith(unready) || other.endsWith(heldSuffix)) continue
      const state = await probe(Path.join(place, other))
      if (state === "dead") await remove(place, other)
      if (state === "dead" || state === "none") continue
      // Of the processes that only want it, the first by name gets it: it waits until the others give up, or one has
      // it.
      if (id === undefined || other < id || names.includes(other + heldSuffix)) served()
      waits = true
    }
    if (!waits) return
    await new Promise((resolve) => setTimeout(resolve, pause))
    // oxlint-enable no-await-in-loop
  }
  served()
}

/** The folder above `folder` that another process serves, as far as that can be determined. */
export const servedAbove = async (folder: string, sidecarName: string): Promise<string | undefined> => {
  for (let at = Path.dirname(folder), below = folder; at !== below; below = at, at = Path.dirname(at)) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    if (await isServed(Path.join(at, sidecarName))) return at
  }
  return undefined
}

/** Whether a process uses this hidden folder, as far as that can be determined. */
export const isServed = async (folder: string): Promise<boolean> => {
  let fd: number | undefined
  try {
    const stats = await Local.lstat(folder)
    if (!stats.isDirectory()) return false
    if (isWindows) return await probe(pipeOf(stats)) === "live"
    const names = await readNames(Path.join(folder, lockName))
    if (names.length === 0) return false
    fd = Local.hasDescriptors ? await Local.open(folder, Local.openFlags.directory) : undefined
    const place = Path.join(fd === undefined ? folder : `${Local.descriptors}/${fd}`, lockName)
    const states = await Promise.all(names.map((name) => probe(Path.join(place, name))))
    return states.includes("live")
  } catch {
    // Without the right to look, this process cannot know.
    return false
  } finally {
    if (fd !== undefined) await Local.close(fd)
  }
}
