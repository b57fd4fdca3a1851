/**
 * `npm run bench`: compares this client with smbclient on the same smbd in the same run, and the measured time includes
 * the connection and the logon. Then compares this server with smbd, with smbclient as the client. `npm run bench --
 * read` runs the lines with "read" in their names, `-- server` those about the server.
 *
 * The server's files are in memory if /dev/shm exists, so that no disk is measured. Each figure is the median of five
 * rounds in turn.
 */
import { NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted, References, Stream } from "effect"
import { existsSync } from "node:fs"
import { mkdir, open, rm, writeFile } from "node:fs/promises"
import { availableParallelism, cpus, loadavg } from "node:os"
import * as Credentials from "../src/Auth/Credentials.ts"
import * as SmbClient from "../src/Client/SmbClient.ts"
import * as TcpTransport from "../src/Layers/TcpTransport.ts"
import * as Lab from "../test/lab/Lab.ts"
import * as Dfs from "./dfs.ts"
import { inTurn, line } from "./Measure.ts"
import * as Memory from "./memory.ts"
import * as Server from "./server.ts"
import * as Store from "./store.ts"

const address = "127.0.20.1"
const gibibyte = 1024 * 1024 * 1024
const mebibyte = 1024 * 1024
const rounds = 5
const smallFiles = 1000
const smallSize = 10_240

const modes = {
  plain: { options: { signing: "if-required", ciphers: [] }, args: ["--client-protection=off"] },
  signed: { options: { signing: "required" }, args: ["--client-protection=sign"] },
  encrypted: { options: { encryption: "required" }, args: ["--client-protection=encrypt"] }
} as const satisfies Record<string, { options: SmbClient.Options; args: ReadonlyArray<string> }>

const client = (options: SmbClient.Options) =>
  SmbClient.layer(options).pipe(
    Layer.provide([
      TcpTransport.layer(),
      Credentials.layer(Credentials.password(Lab.user.name, Redacted.make(Lab.user.password)))
    ])
  )

const share = `\\\\${address}\\data`

const read = (options: SmbClient.Options, from = share) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const count = yield* smb.readTo(`${from}\\large.bin`, () => Effect.void)
    if (count !== BigInt(gibibyte)) return yield* Effect.die(new Error(`read ${count} bytes`))
  }).pipe(Effect.provide(client(options)))

const stream = (options: SmbClient.Options) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const count = yield* smb.stream(`${share}\\large.bin`).pipe(
      Stream.runFold(() => 0, (sum, chunk) => sum + chunk.length)
    )
    if (count !== gibibyte) return yield* Effect.die(new Error(`read ${count} bytes`))
  }).pipe(Effect.provide(client(options)))

/** Does the same as smbclient's `put`: reads a local file, and writes it. */
const write = (options: SmbClient.Options, local: string, to = share) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const file = yield* Effect.acquireRelease(
      Effect.promise(() => open(local)),
      (file) => Effect.promise(() => file.close())
    )
    const count = yield* smb.writeFrom(`${to}\\written.bin`, (buffer) =>
      Effect.promise(() => file.read(buffer).then(({ bytesRead }) => bytesRead)))
    if (count !== BigInt(gibibyte)) {
      return yield* Effect.die(new Error(`wrote ${count} bytes`))
    }
  }).pipe(Effect.scoped, Effect.provide(client(options)))

const readSmall = (options: SmbClient.Options, from = share) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    let count = 0
    yield* smb.list(`${from}\\small`).pipe(
      Stream.mapEffect((entry) => smb.readFile(entry.path), { concurrency: 64, unordered: true }),
      Stream.runForEach((data) =>
        Effect.sync(() => {
          if (data.length === smallSize) count++
        })
      )
    )
    if (count !== smallFiles) return yield* Effect.die(new Error(`read ${count} small files`))
  }).pipe(Effect.provide(client(options)))

/** The address of a separate server, for the same work by SMB 1. */
const oldAddress = "127.0.20.2"
const oldShare = `\\\\${oldAddress}\\data`
const nt1Args = ["--option=client min protocol=NT1", "--option=client max protocol=NT1"]
const oldModes = {
  plain: { options: { dialects: ["NT1"], signing: "if-required" }, args: [...nt1Args, "--client-protection=off"] },
  signed: { options: { dialects: ["NT1"], signing: "required" }, args: [...nt1Args, "--client-protection=sign"] }
} as const satisfies Record<string, { options: SmbClient.Options; args: ReadonlyArray<string> }>

const smbclient = (commands: string, args: ReadonlyArray<string>) => Lab.smbclient(share, commands, { args })

const smbclientOld = (commands: string, args: ReadonlyArray<string>) => Lab.smbclient(oldShare, commands, { args })

const wanted = process.argv.slice(2)

const program = Effect.gen(function*() {
  const server = yield* Lab.server({ address, shares: [{ name: "data" }] })
  const local = `${process.env["TMPDIR"]}/effect-smb-bench`
  yield* Effect.acquireRelease(
    Effect.promise(async () => {
      await mkdir(`${local}/mget`, { recursive: true })
      const large = Buffer.alloc(mebibyte, "effect-smb ")
      const file = await open(`${local}/large.bin`, "w")
      for (let i = 0; i < gibibyte / mebibyte; i++) await file.write(large)
      await file.close()
    }),
    () => Effect.promise(() => rm(local, { recursive: true, force: true }))
  )
  const old = yield* Lab.server({
    address: oldAddress,
    minimumDialect: "NT1",
    maximumDialect: "NT1",
    signing: "auto",
    shares: [{ name: "data" }]
  })
  yield* smbclientOld(`mkdir small; put ${local}/large.bin large.bin`, nt1Args)
  yield* smbclient(`mkdir small; put ${local}/large.bin large.bin`, [])
  yield* Effect.promise(async () => {
    const content = Buffer.alloc(smallSize, "small ")
    for (let i = 0; i < smallFiles; i++) {
      await writeFile(`${server.path("data", "small")}/file-${i}.txt`, content, { mode: 0o666 })
      await writeFile(`${old.path("data", "small")}/file-${i}.txt`, content, { mode: 0o666 })
    }
  })
  const lines: ReadonlyArray<readonly [string, Effect.Effect<string, unknown>]> = [
    ...(["plain", "signed", "encrypted"] as const).flatMap((name) => {
      const { args, options } = modes[name]
      return [
        [
          `read 1 GiB, ${name}`,
          Effect.map(
            inTurn<unknown, never>(rounds, [
              { name: "effect-smb", round: read(options) },
              { name: "smbclient", round: smbclient("get large.bin /dev/null", args) }
            ]),
            (measured) => line(`read 1 GiB, ${name}`, gibibyte / 1e6, "MB", measured)
          )
        ],
        [
          `read 1 GiB as a Stream, ${name}`,
          Effect.map(
            inTurn<unknown, never>(rounds, [
              { name: "effect-smb", round: stream(options) },
              { name: "smbclient", round: smbclient("get large.bin /dev/null", args) }
            ]),
            (measured) => line(`read as a Stream, ${name}`, gibibyte / 1e6, "MB", measured)
          )
        ],
        [
          `write 1 GiB, ${name}`,
          Effect.map(
            inTurn<unknown, never>(rounds, [
              { name: "effect-smb", round: write(options, `${local}/large.bin`) },
              { name: "smbclient", round: smbclient(`put ${local}/large.bin written.bin`, args) }
            ]),
            (measured) => line(`write 1 GiB, ${name}`, gibibyte / 1e6, "MB", measured)
          )
        ]
      ] as const
    }),
    [
      "small files",
      Effect.map(
        inTurn<unknown, never>(rounds, [
          { name: "effect-smb", round: readSmall(modes.signed.options) },
          {
            name: "smbclient",
            round: smbclient(`cd small; lcd ${local}/mget; prompt; mget *`, modes.signed.args)
          }
        ]),
        (measured) => line(`read ${smallFiles} small files`, smallFiles, "files", measured)
      )
    ],
    ...(["plain", "signed"] as const).flatMap((name) => {
      const { args, options } = oldModes[name]
      return [
        [
          `read 1 GiB by SMB 1, ${name}`,
          Effect.map(
            inTurn<unknown, never>(rounds, [
              { name: "effect-smb", round: read(options, oldShare) },
              { name: "smbclient", round: smbclientOld("get large.bin /dev/null", args) }
            ]),
            (measured) => line(`read by SMB 1, ${name}`, gibibyte / 1e6, "MB", measured)
          )
        ],
        [
          `write 1 GiB by SMB 1, ${name}`,
          Effect.map(
            inTurn<unknown, never>(rounds, [
              { name: "effect-smb", round: write(options, `${local}/large.bin`, oldShare) },
              { name: "smbclient", round: smbclientOld(`put ${local}/large.bin written.bin`, args) }
            ]),
            (measured) => line(`write by SMB 1, ${name}`, gibibyte / 1e6, "MB", measured)
          )
        ]
      ] as const
    }),
    [
      "small files by SMB 1",
      Effect.map(
        inTurn<unknown, never>(rounds, [
          { name: "effect-smb", round: readSmall(oldModes.signed.options, oldShare) },
          {
            name: "smbclient",
            round: smbclientOld(`cd small; lcd ${local}/mget; prompt; mget *`, oldModes.signed.args)
          }
        ]),
        (measured) => line(`${smallFiles} small files by SMB 1`, smallFiles, "files", measured)
      )
    ],
    ...Server.lines({ local, smbd: share, rounds }),
    ...Memory.lines,
    ...Store.lines,
    ...Dfs.lines
  ]
  yield* Console.log(
    `${cpus()[0]?.model ?? "unknown CPU"}, ${availableParallelism()} cores, load ${
      loadavg()[0]!.toFixed(1)
    }, Node ${process.version}`
  )
  for (const [name, measure] of lines) {
    if (wanted.length === 0 || wanted.some((word) => name.includes(word))) yield* Effect.flatMap(measure, Console.log)
  }
})

if (existsSync("/dev/shm")) process.env["TMPDIR"] = "/dev/shm"
// Each of the many clients would warn that SMB 1 is insecure.
await Effect.runPromise(program.pipe(
  Effect.scoped,
  Effect.provide(NodeServices.layer),
  Effect.provideService(References.MinimumLogLevel, "Error")
))
