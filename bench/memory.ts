/**
 * The memory of a server for idle clients: a thousand clients, each with a connection, a session and ten open files.
 * The server is the built command, as it is published, in its own process. Its memory is the value of Linux (VmRSS of
 * /proc/PID/status).
 */
import { Context, Effect, Layer, Redacted } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import * as Credentials from "../src/Auth/Credentials.ts"
import * as OpenMode from "../src/Client/OpenMode.ts"
import * as SmbClient from "../src/Client/SmbClient.ts"
import * as TcpTransport from "../src/Layers/TcpTransport.ts"

const host = "127.0.20.4"
const clients = 1000
const filesEach = 10
const mebibyte = 1024 * 1024

const root = fileURLToPath(new URL("..", import.meta.url))
const main = `${root}dist/Cli/main.js`

/** Builds the package: from a checkout, Node takes a quarter more memory, because it strips the types. */
const build = Effect.sync(() => {
  const { status } = spawnSync(process.execPath, ["scripts/build.mjs"], { cwd: root, stdio: "inherit" })
  if (status !== 0) throw new Error("the package cannot be built")
})

/**
 * All clients are one user from one address. By default one user, or one address, can have only a part of the server's
 * connections.
 */
const limits = { addressConnections: 1024, userConnections: 1024 }

const started = (folder: string, configuration: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      await mkdir(`${configuration}/effect-smb`)
      await writeFile(`${configuration}/effect-smb/config.json`, JSON.stringify({ limits }), { mode: 0o600 })
      const child = spawn(process.execPath, [main, "serve", folder, "--host", host, "--port", "0", "--json"], {
        env: { ...process.env, SMB_USER: "", XDG_CONFIG_HOME: configuration, XDG_STATE_HOME: configuration },
        stdio: ["ignore", "pipe", "inherit"]
      })
      const first = await new Promise<string>((resolve) => {
        child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString()))
      })
      child.stdout.resume()
      const { password, port, user } = JSON.parse(first.split("\n", 1)[0]!)
      return { child, password: Redacted.make(String(password)), port: Number(port), user: String(user) }
    }),
    ({ child }) =>
      Effect.promise(() =>
        new Promise<void>((resolve) => {
          child.on("close", () => resolve())
          child.kill("SIGINT")
        })
      )
  )

/** The current memory of a process, in bytes. */
const resident = (pid: number) =>
  Effect.promise(async () => {
    const status = await readFile(`/proc/${pid}/status`, "utf8")
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024
  })

/** The server's memory in MiB: before any client connects, with all clients logged on, and with all files open. */
export const idle = Effect.gen(function*() {
  const temporary = Effect.acquireRelease(
    Effect.promise(() => mkdtemp(`${process.env["TMPDIR"] ?? "/tmp"}/effect-smb-memory-`)),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  )
  yield* build
  const { child, password, port, user } = yield* started(yield* temporary, yield* temporary)
  const now = Effect.map(resident(child.pid!), (bytes) => bytes / mebibyte)
  const base = `\\\\${host}:${port}\\share`
  const empty = yield* now
  const all = yield* Effect.forEach(
    Array.from({ length: clients }),
    () =>
      Effect.map(
        Layer.build(
          SmbClient.layer({ idle: "1 hour" }).pipe(
            Layer.provide([TcpTransport.layer(), Credentials.layer(Credentials.password(user, password))])
          )
        ),
        (context) => Context.get(context, SmbClient.SmbClient)
      ),
    { concurrency: 16 }
  )
  yield* Effect.forEach(all, (smb) => smb.stat(base), { concurrency: 16, discard: true })
  yield* Effect.sleep("2 seconds")
  const sessions = yield* now
  yield* Effect.forEach(
    all,
    (smb, client) =>
      Effect.forEach(
        Array.from({ length: filesEach }),
        (_, i) => smb.open(`${base}\\file ${client} ${i}.txt`, OpenMode.readWrite),
        { concurrency: filesEach, discard: true }
      ),
    { concurrency: 8, discard: true }
  )
  yield* Effect.sleep("2 seconds")
  return { empty, sessions, files: yield* now }
}).pipe(Effect.scoped)

/** The measurement, as a line of the bench. */
export const lines: ReadonlyArray<readonly [name: string, measure: Effect.Effect<string, unknown>]> = [[
  "server: memory",
  Effect.map(
    idle,
    ({ empty, files, sessions }) =>
      `${"server: memory".padEnd(28)} ${empty.toFixed(0)} MiB, with ${clients} sessions ${
        sessions.toFixed(0)
      } MiB, and ${clients * filesEach} open files ${files.toFixed(0)} MiB (at most 300 MB)`
  )
]]
