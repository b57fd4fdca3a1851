/**
 * Memory. Of a server with a thousand idle clients, each with a connection, a session and ten open files; of the
 * command that moves 8 GiB either way, and that lists 200,000 entries. Every program is the built command in its own
 * process; its memory is the value of Linux (VmRSS and VmHWM of /proc/PID/status).
 */
import { Context, Effect, Layer } from "effect"
import { chmod, rm, truncate, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as OpenMode from "../src/Client/OpenMode.ts"
import * as SmbClient from "../src/Client/SmbClient.ts"
import { makeEntries } from "./folders.ts"
import * as Peer from "./Peer.ts"
import * as Processor from "./Processor.ts"
import type * as Row from "./Row.ts"
import { client, gibibyte, serve, type Setting, temporary } from "./Setting.ts"
import type { Workload } from "./Workload.ts"

const clients = 1000
const filesEach = 10
const megabyte = 1e6

/** Bytes that the limits name in MB. */
const most = (name: string, bytes: number, megabytes: number): Row.Row => ({
  name,
  unit: "MB",
  ours: bytes / megabyte,
  goal: { most: megabytes }
})

/** The server's memory: before any client connects, with all clients logged on, and with all files open. */
const idle = Effect.gen(function*() {
  const server = yield* serve("127.0.20.4", yield* temporary(tmpdir()))
  const now = Effect.sync(() => server.memory("VmRSS"))
  const empty = yield* now
  const all = yield* Effect.forEach(
    Array.from({ length: clients }),
    () => Effect.map(Layer.build(client({ idle: "1 hour" })), (context) => Context.get(context, SmbClient.SmbClient)),
    { concurrency: 16 }
  )
  yield* Effect.forEach(all, (smb) => smb.stat(server.share), { concurrency: 16, discard: true })
  yield* Effect.sleep("2 seconds")
  const sessions = yield* now
  yield* Effect.forEach(
    all,
    (smb, client) =>
      Effect.forEach(
        Array.from({ length: filesEach }),
        (_, i) => smb.open(`${server.share}\\file ${client} ${i}.txt`, OpenMode.readWrite),
        { concurrency: filesEach, discard: true }
      ),
    { concurrency: 8, discard: true }
  )
  yield* Effect.sleep("2 seconds")
  return [
    most("memory of the server, nobody connected", empty, 300),
    most(`memory of the server, ${clients} sessions`, sessions, 300),
    most(`memory of the server, ${clients * filesEach} open files`, yield* now, 300)
  ]
})

/** The most memory that the command had while it ran. It is read every 20 ms. */
const peak = (args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    let bytes = 0
    let process = 0
    const watch = Effect.forever(Effect.andThen(
      Effect.sync(() => {
        if (process !== 0) bytes = Math.max(bytes, Processor.memory(process, "VmHWM"))
      }),
      Effect.sleep("20 millis")
    ))
    yield* Effect.raceFirst(
      Peer.effectSmb(args, {
        onStart: (pid) => {
          process = pid
        }
      }),
      watch
    )
    return bytes
  })

const transferred = 8 * gibibyte

const streams = (setting: Setting) =>
  Effect.gen(function*() {
    const { folder, host } = yield* setting.smbd
    const sparse = join(folder, "sparse.bin")
    yield* Effect.promise(async () => {
      await writeFile(sparse, "")
      await truncate(sparse, transferred)
      await chmod(sparse, 0o666)
    })
    const got = yield* peak(["get", `//${host}/data/sparse.bin`, "/dev/null"])
    // The copy is on a disk: it is not sparse.
    const disk = yield* serve("127.0.20.8", yield* temporary("/var/tmp"))
    const put = yield* peak(["put", sparse, `//${disk.host}/data/copy.bin`])
    yield* Effect.promise(() => rm(sparse))
    return [
      most("memory of get, 8 GiB", got, 150),
      most("memory of put, 8 GiB", put, 150),
      most("memory of the server while it gets 8 GiB", disk.memory("VmHWM"), 300)
    ]
  })

const entries = 200_000

const listing = (setting: Setting) =>
  Effect.gen(function*() {
    const { folder, host } = yield* setting.smbd
    yield* Effect.promise(() => makeEntries(join(folder, `list-${entries}`), entries))
    return [most(`memory of ls, ${entries} entries`, yield* peak(["ls", `//${host}/data/list-${entries}`]), 300)]
  })

/** The workloads with memory. */
export const workloads = (setting: Setting): ReadonlyArray<Workload> => [
  { name: "memory: server", rows: idle },
  { name: "memory: transfers", rows: streams(setting) },
  { name: "memory: listing", rows: listing(setting) }
]
