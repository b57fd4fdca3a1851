/**
 * Proves that clients get their persistent opens back from a server in another process, after the first process was
 * ended by SIGKILL: over a real folder, with the opens in a file of SQLite, with raw clients and with this package's
 * client.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { Credentials, OpenMode, SmbClient, TcpTransport } from "effect-smb"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { HANDLE, lease, LeaseClient, READ, WRITE } from "./LeaseClient.ts"
import * as Requests from "./requests.ts"
import { joe, PERSISTENT_HANDLES, reconnect, request } from "./Restarts.ts"

const host = "127.0.38.20"
const ALL = READ | HANDLE | WRITE
const program = fileURLToPath(new URL("PersistentServer.ts", import.meta.url))

interface Place {
  readonly folder: string
  readonly port: number
  readonly connect: (guid: number) => Promise<LeaseClient>
  /** Ends the process, and starts another one at the same port. */
  readonly kill: (change?: () => void) => Promise<void>
}

const started = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    let output = ""
    child.stdout!.on("data", (lines: Buffer) => {
      output += lines.toString()
      const found = /^port (\d+)$/m.exec(output)
      if (found !== null) resolve(Number(found[1]))
    })
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)))
  })

/** A server in its own process over a new folder. */
const withProcess = async (use: (place: Place) => Promise<void>): Promise<void> => {
  const root = mkdtempSync(join(tmpdir(), "persistent-"))
  const [folder, state] = [join(root, "data"), join(root, "state")]
  mkdirSync(folder)
  mkdirSync(state, { mode: 0o700 })
  const clients: Array<LeaseClient> = []
  const start = (port: number): ChildProcess =>
    spawn(process.execPath, [program, host, String(port), folder, state], { stdio: ["pipe", "pipe", "inherit"] })
  const ended = (child: ChildProcess, end: () => void) =>
    new Promise<void>((resolve) => {
      child.once("exit", () => resolve())
      end()
    })
  let child = start(0)
  try {
    const port = await started(child)
    await use({
      folder,
      port,
      connect: async (guid) => {
        const client = new LeaseClient(host, port, guid)
        clients.push(client)
        client.capabilities = PERSISTENT_HANDLES
        if (!await client.begin("data", joe)) throw new Error("the logon failed")
        return client
      },
      kill: async (change) => {
        const old = child
        await ended(old, () => old.kill("SIGKILL"))
        change?.()
        child = start(port)
        await started(child)
      }
    })
  } finally {
    for (const client of clients) client.close()
    const last = child
    if (last.exitCode === null && last.signalCode === null) await ended(last, () => last.stdin!.end())
    rmSync(root, { recursive: true, force: true })
  }
}

describe("after SIGKILL, a persistent open", () => {
  it("is given back with its lock, keeps other clients away until then, and deletes its file when it is closed", () =>
    withProcess(async ({ connect, kill }) => {
      const lost = await connect(1)
      const open = await lost.create("a", [request(1)], { createOptions: 0x1000 })
      assert.strictEqual(open.status, 0)
      assert.strictEqual(await lost.status(Requests.lock(open.fileId, 5)), 0)
      assert.strictEqual(await lost.write(open.fileId, "text"), 0)
      await kill()
      const other = await connect(2)
      assert.strictEqual((await other.create("a")).status, NtStatus.STATUS_FILE_NOT_AVAILABLE)
      const again = await connect(1)
      assert.strictEqual((await again.create("a", [reconnect(open, 1)])).status, 0)
      assert.strictEqual(await again.status(Requests.lock(open.fileId, 5)), NtStatus.STATUS_LOCK_NOT_GRANTED)
      assert.strictEqual(await again.shut(open.fileId), 0)
      const gone = await other.create("a", [], { createDisposition: 1 })
      assert.strictEqual(gone.status, NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
    }))

  it("has its lease, unless the file was changed after the server had written of it", () =>
    withProcess(async ({ connect, folder, kill }) => {
      const lost = await connect(1)
      const [same, changed] = [
        await lost.create("same", [request(1), lease(1, ALL)]),
        await lost.create("changed", [request(2), lease(2, ALL)])
      ]
      assert.deepStrictEqual([same.leaseState, changed.leaseState], [ALL, ALL])
      await kill(() => writeFileSync(join(folder, "changed"), "by another program"))
      const again = await connect(1)
      const back = async (open: typeof same, name: string, number: number) =>
        (await again.create(name, [reconnect(open, number), lease(number, ALL)])).leaseState
      assert.strictEqual(await back(same, "same", 1), ALL)
      assert.strictEqual(await back(changed, "changed", 2), 0)
    }))

  it("is lost if another file has its name", () =>
    withProcess(async ({ connect, folder, kill }) => {
      const lost = await connect(1)
      const open = await lost.create("a", [request(1)])
      await kill(() => {
        // The old file keeps its number, so that the new one cannot get it.
        renameSync(join(folder, "a"), join(folder, "b"))
        writeFileSync(join(folder, "a"), "another file")
      })
      const again = await connect(1)
      assert.strictEqual((await again.create("a", [reconnect(open, 1)])).status, NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
      assert.strictEqual((await again.create("a")).status, 0)
    }))

  it("lets the client of this package write on, with its locks, as if nothing had happened", () =>
    withProcess(async ({ folder, kill, port }) => {
      const base = `//${host}:${port}/data`
      const layer = (schedule: Schedule.Schedule<unknown> | "never") =>
        Layer.fresh(SmbClient.layer({ reconnect: schedule as never, signing: "if-required" })).pipe(Layer.provide([
          TcpTransport.layer(),
          Credentials.layer(Credentials.password("joe", Redacted.make("secret")))
        ]))
      const part = (seed: number) => new Uint8Array(100_000).fill(seed)
      await Effect.runPromise(
        Effect.scoped(Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          const file = yield* smb.open(`${base}/f`, OpenMode.readWrite)
          assert.isTrue(file.opened.durable?.persistent)
          yield* file.lock([{ offset: 0, length: 10 }])
          for (const seed of [1, 2, 3]) {
            yield* file.write((seed - 1) * 100_000, part(seed))
            yield* Effect.promise(() => kill())
          }
          yield* file.write(300_000, part(4))
          const rival = Effect.gen(function*() {
            const other = yield* (yield* SmbClient.SmbClient).open(`${base}/f`, OpenMode.readWrite)
            return yield* Effect.flip(other.lock([{ offset: 5, length: 1 }], { wait: false }))
          })
          const refused = yield* Effect.provide(Effect.scoped(rival), layer("never"))
          assert.strictEqual(refused._tag === "SmbError" && refused.reason._tag, "LockNotGranted")
          yield* file.close
        })).pipe(Effect.provide(layer(Schedule.spaced("20 millis"))))
      )
      const content = readFileSync(join(folder, "f"))
      assert.strictEqual(content.length, 400_000)
      for (const seed of [1, 2, 3, 4]) {
        assert.isTrue(content.subarray((seed - 1) * 100_000, seed * 100_000).equals(part(seed)))
      }
    }))
}, 60_000)
