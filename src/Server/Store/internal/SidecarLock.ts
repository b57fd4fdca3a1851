/**
 * Tells other processes that a folder is served: a socket that listens in a folder `lock` of the sidecar, and ends with its
 * process. What a process that was killed leaves behind refuses connections, and is taken away. On Windows a named pipe,
 * which leaves nothing. Where a file system keeps no sockets there is no lock.
 *
 * Who comes shows its socket first and looks for others then, so that of two that come together at least one sees the other.
 * Names are never used again: what is dead can be taken away without asking who has its place by now.
 */
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { StoreError } from "../../ShareStore.ts"
import * as Local from "./Local.ts"

/** Holds the sockets, in a sidecar. */
const lockName = "lock"

/** Follows a socket's name where its process serves the folder, and does not only want to. */
const heldSuffix = ".held"

/** Begins the name of a socket that does not listen yet. */
const unready = "."

/** Milliseconds between two looks at those who came at the same time, and how long that may take them. */
const pause = 5
const patience = 10_000

/** Held until it is closed. */
export interface Held {
  readonly close: () => Promise<void>
}

const isWindows = process.platform === "win32"

const pipeOf = (stats: Fs.BigIntStats) => `\\\\.\\pipe\\effect-smb-${stats.dev}-${stats.ino}`

/** Whether a process listens there; `unknown` where that cannot be told. */
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
      // So many ask that it cannot answer.
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
  throw new StoreError({ reason: "Busy", cause: new Error("another process serves this folder: stop it first") })
}

/**
 * Takes a sidecar for this process, or fails with `Busy`. `folder` is a short path of it, for that of a socket may have some
 * hundred bytes. `undefined` where there can be no lock.
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

/** Shows a socket that listens; `undefined` where there can be none. */
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

/** Waits until no other process has, or wants, the place; fails with `Busy` where one has it, or came before. */
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
      // Of those who only want it, the first by name gets it: it waits until the others have seen that, or have it.
      if (id === undefined || other < id || names.includes(other + heldSuffix)) served()
      waits = true
    }
    if (!waits) return
    await new Promise((resolve) => setTimeout(resolve, pause))
    // oxlint-enable no-await-in-loop
  }
  served()
}

/** The folder above `folder` that another process serves, as far as that can be told. */
export const servedAbove = async (folder: string, sidecarName: string): Promise<string | undefined> => {
  for (let at = Path.dirname(folder), below = folder; at !== below; below = at, at = Path.dirname(at)) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    if (await isServed(Path.join(at, sidecarName))) return at
  }
  return undefined
}

/** Whether a process serves from this hidden folder, as far as that can be told. */
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
    // What this process may not look at, it cannot tell.
    return false
  } finally {
    if (fd !== undefined) await Local.close(fd)
  }
}
