/** Large files: this client beside smbclient on the same smbd, its streams beside its own `readTo`, and SMB 1. */
import { Effect, Stream } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { chmod, copyFile, open } from "node:fs/promises"
import { connect } from "node:net"
import * as SmbClient from "../src/Client/SmbClient.ts"
import type { Contender } from "./Measure.ts"
import * as Peer from "./Peer.ts"
import { client, gibibyte, modes, type Served, type Setting, smb1Modes } from "./Setting.ts"
import { rate, type Workload } from "./Workload.ts"

const megabytes = { amount: gibibyte / 1e6, unit: "MB", bytes: gibibyte }

const expectWhole = (count: number | bigint) =>
  BigInt(count) === BigInt(gibibyte) ? Effect.void : Effect.die(new Error(`${count} bytes were moved`))

const readTo = (share: string, options: SmbClient.Options) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    yield* expectWhole(yield* smb.readTo(`${share}\\large.bin`, () => Effect.void))
  }).pipe(Effect.provide(client(options)))

const stream = (share: string, options: SmbClient.Options) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    yield* expectWhole(
      yield* smb.stream(`${share}\\large.bin`).pipe(Stream.runFold(() => 0, (sum, chunk) => sum + chunk.length))
    )
  }).pipe(Effect.provide(client(options)))

/** Does the same as smbclient's `put`: reads a local file, and writes it. */
const writeFrom = (share: string, options: SmbClient.Options, local: string) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const file = yield* Effect.acquireRelease(
      Effect.promise(() => open(local)),
      (file) => Effect.promise(() => file.close())
    )
    yield* expectWhole(
      yield* smb.writeFrom(`${share}\\written.bin`, (buffer) =>
        Effect.promise(() => file.read(buffer).then(({ bytesRead }) => bytesRead)))
    )
  }).pipe(Effect.scoped, Effect.provide(client(options)))

/** Puts the file of 1 GiB into a server's folder. */
export const withLarge = (server: Effect.Effect<Served>, large: Effect.Effect<string>): Effect.Effect<Served> =>
  Effect.gen(function*() {
    const served = yield* server
    const target = `${served.folder}/large.bin`
    const local = yield* large
    yield* Effect.promise(() => copyFile(local, target).then(() => chmod(target, 0o666)))
    return served
  })

/** A program that sends 1 GiB to each connection, and says its port. */
const plainServer = `
const block = Buffer.alloc(1 << 20)
require("node:net").createServer({ noDelay: true }, (socket) => {
  let left = 1024
  const send = () => {
    while (left > 0) {
      left--
      if (!socket.write(block)) return socket.once("drain", send)
    }
    socket.end()
  }
  socket.on("error", () => {})
  send()
}).listen(0, "127.0.20.6", function() { console.log(this.address().port) })
`

const plainSocket = Effect.gen(function*() {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, ["-e", plainServer], { stdio: ["ignore", "pipe", "inherit"] })),
    (child: ChildProcess) => Effect.sync(() => child.kill())
  )
  const port = yield* Effect.promise(() =>
    new Promise<number>((resolve) => child.stdout!.once("data", (line: Buffer) => resolve(Number(line.toString()))))
  )
  const round = Effect.flatMap(
    Effect.promise(() =>
      new Promise<number>((resolve, reject) => {
        let count = 0
        const socket = connect({
          host: "127.0.20.6",
          port,
          onread: {
            buffer: Buffer.alloc(1 << 20),
            callback: (bytes) => {
              count += bytes
              return true
            }
          }
        })
        socket.on("error", reject)
        socket.on("close", () => resolve(count))
      })
    ),
    expectWhole
  )
  return { name: "plain socket", round } satisfies Contender<never, never>
})

const names = ["plain", "signed", "encrypted"] as const
const readGoals = { plain: 1.5, signed: 1.4, encrypted: 1.3 }

/** The workloads with large files. */
export const workloads = ({ large, rounds, smb1, smbd }: Setting): ReadonlyArray<Workload> => {
  const server = withLarge(smbd, large)
  return [
    ...names.map((name) =>
      rate(
        `read 1 GiB (readTo), ${name}`,
        rounds,
        { ...megabytes, goal: readGoals[name] },
        Effect.map(server, ({ share }) => [
          { name: "effect-smb", round: readTo(share, modes[name].options) },
          { name: "smbclient", round: Peer.smbclient(share, "get large.bin /dev/null", modes[name].args) }
        ])
      )
    ),
    ...names.map((name) =>
      rate(
        `read 1 GiB (stream), ${name}`,
        rounds,
        { ...megabytes, goal: 0.85 },
        Effect.map(server, ({ share }) => [
          { name: "effect-smb", round: stream(share, modes[name].options) },
          { name: "readTo", round: readTo(share, modes[name].options) }
        ])
      )
    ),
    ...names.map((name) =>
      rate(
        `write 1 GiB (writeFrom), ${name}`,
        rounds,
        { ...megabytes, goal: 1.2 },
        Effect.gen(function*() {
          const { share } = yield* server
          const local = yield* large
          return [
            { name: "effect-smb", round: writeFrom(share, modes[name].options, local) },
            { name: "smbclient", round: Peer.smbclient(share, `put ${local} written.bin`, modes[name].args) }
          ]
        })
      )
    ),
    rate(
      "read 1 GiB (readTo), raw limit",
      rounds,
      { ...megabytes, goal: 0.6 },
      Effect.gen(function*() {
        const { share } = yield* server
        return [{ name: "effect-smb", round: readTo(share, modes.plain.options) }, yield* plainSocket]
      })
    ),
    ...(["plain", "signed"] as const).flatMap((name) => {
      const { args, options } = smb1Modes[name]
      const old = withLarge(smb1, large)
      return [
        rate(
          `SMB 1: read 1 GiB, ${name}`,
          rounds,
          megabytes,
          Effect.map(old, ({ share }) => [
            { name: "effect-smb", round: readTo(share, options) },
            { name: "smbclient", round: Peer.smbclient(share, "get large.bin /dev/null", args) }
          ])
        ),
        rate(
          `SMB 1: write 1 GiB, ${name}`,
          rounds,
          { ...megabytes, goal: 1 },
          Effect.gen(function*() {
            const { share } = yield* old
            const local = yield* large
            return [
              { name: "effect-smb", round: writeFrom(share, options, local) },
              { name: "smbclient", round: Peer.smbclient(share, `put ${local} written.bin`, args) }
            ]
          })
        )
      ]
    })
  ]
}
