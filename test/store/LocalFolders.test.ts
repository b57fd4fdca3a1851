/**
 * Proves which folders a LocalStore serves or refuses: folders of another store or process, folders with copied or
 * damaged sidecars, and folders after a crash. The tests use real folders and processes that are killed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope, Stream } from "effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { StoreError } from "../../src/Server/ShareStore.ts"
import * as SidecarLock from "../../src/Server/Store/internal/SidecarLock.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import { FileAttributes } from "../../src/Smb2/Message/Constants.ts"
import { makeOn } from "./fileSystemKinds.ts"

const folder = Effect.acquireRelease(
  Effect.promise(async () => Fs.realpathSync(await Fs.promises.mkdtemp(join(tmpdir(), "effect-smb-folders-")))),
  (path) => Effect.promise(() => Fs.promises.rm(path, { recursive: true, force: true }))
)

const existing = { mode: "existing", type: "file" } as const
const fresh = { mode: "new", type: "file" } as const
const text = (value: string) => new TextEncoder().encode(value)
const string = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes)

const error = <A, R>(effect: Effect.Effect<A, StoreError, R>) => Effect.scoped(Effect.flip(effect))

const program = `
import * as Effect from "effect/Effect"
import * as LocalStore from ${JSON.stringify(new URL("../../src/Server/Store/LocalStore.ts", import.meta.url).href)}
const made = Effect.flatMap(LocalStore.make(process.argv[1]), () => Effect.sync(() => console.log("served")))
Effect.runFork(Effect.scoped(Effect.andThen(Effect.tapError(made, ({ message, reason }) =>
  Effect.sync(() => console.log(reason._tag + ": " + message))), process.argv[2] === "stay" ? Effect.never : Effect.void)))
if (process.argv[2] === "stay") setInterval(() => {}, 60_000)
`

/** A process that serves a folder, with its first output. The process stays until it is killed, or ends at once. */
const serving = (path: string, stays: boolean) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn(
        process.execPath,
        ["--no-warnings", "--input-type=module", "--eval", program, "--", path, stays ? "stay" : "end"],
        { cwd: join(import.meta.dirname, "..", ".."), stdio: ["ignore", "pipe", "inherit"] }
      )
      const ended = new Promise<void>((resolve) => child.on("close", () => resolve()))
      const said = await new Promise<string>((resolve) => {
        child.stdout.once("data", (data: Buffer) => resolve(data.toString().trim()))
        child.once("close", () => resolve(""))
      })
      return { child, said, ended }
    }),
    ({ child, ended }) =>
      Effect.promise(() => {
        child.kill("SIGKILL")
        return ended
      })
  )

describe("two LocalStores over one folder", () => {
  it.live("share one origin, records and open files, no matter by which path each was made", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const elsewhere = yield* folder
      Fs.mkdirSync(join(path, "x"))
      Fs.symlinkSync(join(path, "x"), join(elsewhere, "link"))
      const first = yield* Scope.make()
      const one = yield* Scope.provide(LocalStore.make(join(path, "x"), { label: "one" }), first)
      const other = yield* LocalStore.make(join(elsewhere, "link"), { label: "other" })
      const reading = yield* LocalStore.make(join(path, "x"), { readOnly: true })
      assert.isDefined(one.origin)
      assert.isTrue(one.origin === other.origin)
      assert.isTrue(one.origin === reading.origin)
      const volumes = [yield* one.volume, yield* other.volume, yield* reading.volume]
      assert.deepStrictEqual(volumes.map(({ label, readOnly }) => [label, readOnly]), [
        ["one", false],
        ["other", false],
        ["x", true]
      ])
      assert.strictEqual(volumes[0]!.serialNumber, volumes[1]!.serialNumber)
      const { file } = yield* one.open(["f"], fresh)
      yield* file.write(0n, text("bytes"))
      yield* file.setBlob("SecurityDescriptor", text("who may"))
      const { file: same } = yield* other.open(["f"], existing)
      assert.strictEqual(string(yield* same.getBlob("SecurityDescriptor")), "who may")
      yield* same.setBlob("SecurityDescriptor", text("others"))
      const { file: read } = yield* reading.open(["f"], existing)
      assert.strictEqual(string(yield* read.getBlob("SecurityDescriptor")), "others")
      assert.strictEqual((yield* error(read.setBlob("SecurityDescriptor", text("x")))).reason._tag, "ReadOnly")
      // A file that is removed through one store stays open in the other store.
      yield* one.remove(["f"])
      assert.strictEqual(string(yield* same.read(0n, 9)), "bytes")
      // The folder is served until the last store ends.
      yield* Scope.close(first, Exit.void)
      yield* Effect.scoped(other.open(["g"], { ...fresh, initial: { securityDescriptor: text("kept") } }))
      const again = yield* LocalStore.make(join(path, "x"))
      assert.isTrue(again.origin === other.origin)
    }))

  it.live("have different origins when the second is made after the first has ended", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const one = yield* Effect.scoped(LocalStore.make(path))
      const other = yield* LocalStore.make(path)
      assert.isTrue(one.origin !== other.origin)
    }))

  it.live("can be a read-only one that writes nothing, and then a writable one", () =>
    Effect.gen(function*() {
      const path = yield* folder
      yield* LocalStore.make(path, { readOnly: true })
      assert.deepStrictEqual(Fs.readdirSync(path), [])
      const store = yield* LocalStore.make(path)
      assert.isFalse((yield* store.volume).readOnly)
      yield* Effect.scoped(store.open(["f"], { ...fresh, initial: { securityDescriptor: text("x") } }))
    }))
})

describe("LocalStore over a folder inside or around a served folder", () => {
  it.live("is refused with Busy and a message that names the served folder", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const elsewhere = yield* folder
      Fs.mkdirSync(join(path, "outer", "middle", "inner"), { recursive: true })
      Fs.mkdirSync(join(path, "beside"))
      Fs.symlinkSync(join(path, "outer", "middle", "inner"), join(elsewhere, "link"))
      yield* LocalStore.make(join(path, "outer", "middle"))
      for (const inner of [join(path, "outer", "middle", "inner"), join(elsewhere, "link")]) {
        const { message, reason } = yield* error(LocalStore.make(inner))
        assert.strictEqual(reason._tag, "Busy")
        assert.include(message, `it lies in ${join(path, "outer", "middle")}`)
      }
      for (const outer of [join(path, "outer"), path]) {
        const { message, reason } = yield* error(LocalStore.make(outer))
        assert.strictEqual(reason._tag, "Busy")
        assert.include(message, `it holds ${join(path, "outer", "middle")}`)
      }
      yield* LocalStore.make(join(path, "beside"))
      assert.deepStrictEqual(Fs.readdirSync(path), ["beside", "outer"])
    }))
})

describe("LocalStore and other processes", () => {
  const lock = (path: string) => join(path, LocalStore.sidecarName, "lock")
  const locks = (path: string) => Fs.readdirSync(lock(path))

  it.live.skipIf(process.platform === "win32")(
    "refuses a folder with Busy while another process serves it, and serves it after that process is killed",
    () =>
      Effect.gen(function*() {
        const path = yield* folder
        Fs.mkdirSync(join(path, "d"))
        const other = yield* serving(path, true)
        assert.strictEqual(other.said, "served")
        for (const options of [{}, { readOnly: true }]) {
          const { message, reason } = yield* error(LocalStore.make(path, options))
          assert.strictEqual(reason._tag, "Busy")
          assert.include(message, "another process serves this folder")
        }
        const below = yield* error(LocalStore.make(join(path, "d")))
        assert.strictEqual(below.reason._tag, "Busy")
        assert.include(below.message, `it lies in ${path}`)
        // The lock of a killed process does not keep the next process out.
        other.child.kill("SIGKILL")
        yield* Effect.promise(() => other.ended)
        assert.strictEqual(locks(path).length, 2)
        yield* Effect.scoped(Effect.gen(function*() {
          yield* LocalStore.make(path)
          const third = yield* serving(path, true)
          assert.match(third.said, /^Busy: /)
        }))
        assert.deepStrictEqual(locks(path), [])
        // The lock does not keep its own process from ending.
        const short = yield* serving(path, false)
        assert.strictEqual(short.said, "served")
        yield* Effect.promise(() => short.ended)
        assert.deepStrictEqual(locks(path), [])
      })
  )

  it.live.skipIf(process.platform === "win32")(
    "refuses paths in a subfolder with AccessDenied while another process serves it",
    () =>
      Effect.gen(function*() {
        const path = yield* folder
        Fs.mkdirSync(join(path, "d", "inner"), { recursive: true })
        Fs.mkdirSync(join(path, "d", "inner", "below"))
        for (const at of ["d", "d/inner", "d/inner/below"]) Fs.writeFileSync(join(path, at, "f"), "x")
        const other = yield* serving(join(path, "d", "inner"), true)
        assert.strictEqual(other.said, "served")
        for (const byPath of [false, true]) {
          yield* Effect.scoped(Effect.gen(function*() {
            const store = yield* LocalStore.make(path, { byPath })
            yield* Effect.scoped(store.open(["d", "f"], existing))
            for (
              const one of [
                store.open(["d", "inner", "f"], existing),
                store.open(["d", "inner", "below", "f"], existing),
                store.open(["d", "inner", "new"], fresh),
                store.rename(["d", "f"], ["d", "inner", "g"], { replace: false }),
                Stream.runCollect(store.list(["d", "inner"]))
              ]
            ) {
              const { message, reason } = yield* error(one)
              assert.strictEqual(reason._tag, "AccessDenied")
              assert.match(message, /inner is not served: another process serves it: stop that one first/)
            }
          }))
        }
        const store = yield* LocalStore.make(path)
        assert.strictEqual((yield* error(store.open(["d", "inner", "f"], existing))).reason._tag, "AccessDenied")
        // The store serves the subfolder as soon as that process has ended, although its lock is left.
        other.child.kill("SIGKILL")
        yield* Effect.promise(() => other.ended)
        yield* Effect.scoped(store.open(["d", "inner", "f"], existing))
        // A process that comes now is refused, because this store serves the outer folder.
        assert.match((yield* serving(join(path, "d", "inner"), true)).said, /^Busy: /)
      })
  )

  it.live("gives the lock that a dead process left to exactly one of eight that take it at once", () =>
    Effect.gen(function*() {
      const path = yield* folder
      yield* Effect.scoped(LocalStore.make(path))
      const sidecar = join(path, LocalStore.sidecarName)
      const stats = Fs.lstatSync(sidecar, { bigint: true })
      for (let round = 0; round < 10; round++) {
        if (process.platform !== "win32") {
          // The lock as a killed process leaves it.
          const server = Net.createServer()
          yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(join(path, "socket"), resolve)))
          Fs.renameSync(join(path, "socket"), join(lock(path), "0"))
          Fs.writeFileSync(join(lock(path), "0.held"), "")
          yield* Effect.promise(() => new Promise<void>((resolve) => server.close(() => resolve())))
        }
        const all = yield* Effect.promise(() =>
          Promise.allSettled(Array.from({ length: 8 }, () => SidecarLock.take(sidecar, stats)))
        )
        const held = all.filter((one) => one.status === "fulfilled")
        assert.strictEqual(held.length, 1)
        yield* Effect.promise(() => held[0]!.value!.close())
        if (process.platform !== "win32") assert.deepStrictEqual(locks(path), [])
      }
    }))

  it.live("serves a folder whose path is too long for a socket", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, ..."abc".split("").map((letter) => letter.repeat(60)))
      Fs.mkdirSync(path, { recursive: true })
      yield* LocalStore.make(path)
      if (process.platform === "linux") assert.strictEqual(locks(path).length, 2)
    }))
})

describe("LocalStore and a sidecar that is copied or incomplete", () => {
  it.live("refuses a copied sidecar or a damaged stamp with Failed, and stamps a sidecar without a stamp", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const one = join(path, "one")
      const other = join(path, "other")
      Fs.mkdirSync(one)
      const make = (at: string) =>
        Effect.scoped(Effect.flatMap(LocalStore.make(at), (store) =>
          Effect.scoped(store.open(["f"], {
            mode: "either",
            type: "file",
            initial: { securityDescriptor: text("one alone") }
          }))))
      const descriptor = (at: string) =>
        Effect.scoped(Effect.gen(function*() {
          const store = yield* LocalStore.make(at)
          const { file } = yield* store.open(["f"], existing)
          return string(yield* file.getBlob("SecurityDescriptor"))
        }))
      yield* make(one)
      Fs.cpSync(one, other, { recursive: true, preserveTimestamps: true })
      const { message, reason } = yield* error(LocalStore.make(other))
      assert.strictEqual(reason._tag, "Failed")
      assert.match(message, /copied or restored.*remove \.effect-smb/)
      Fs.rmSync(join(other, LocalStore.sidecarName), { recursive: true })
      assert.isUndefined(yield* descriptor(other))
      // Earlier versions left a sidecar without a stamp.
      const stamp = join(one, LocalStore.sidecarName, "stamp")
      Fs.rmSync(stamp)
      assert.strictEqual(yield* descriptor(one), "one alone")
      assert.isTrue(Fs.existsSync(stamp))
      // A renamed folder is the same folder.
      Fs.renameSync(one, join(path, "renamed"))
      assert.strictEqual(yield* descriptor(join(path, "renamed")), "one alone")
      for (const damage of ["", "{}"]) {
        Fs.writeFileSync(join(path, "renamed", LocalStore.sidecarName, "stamp"), damage)
        assert.strictEqual((yield* error(LocalStore.make(join(path, "renamed")))).reason._tag, "Failed")
      }
    }))

  it.live("refuses a folder with Failed when the records folder of its sidecar is removed", () =>
    Effect.gen(function*() {
      const path = yield* folder
      yield* Effect.scoped(LocalStore.make(path))
      Fs.rmSync(join(path, LocalStore.sidecarName, "records"), { recursive: true })
      assert.strictEqual((yield* error(LocalStore.make(path))).reason._tag, "Failed")
    }))

  it.live("fails with Failed for a file whose record was lost, until a new descriptor is set", () =>
    Effect.gen(function*() {
      const path = yield* folder
      yield* Effect.scoped(Effect.flatMap(
        LocalStore.make(path),
        (store) => store.open(["f"], { ...fresh, initial: { securityDescriptor: text("who may") } })
      ))
      const store = yield* LocalStore.make(path)
      const records = join(path, LocalStore.sidecarName, "records")
      for (const name of Fs.readdirSync(records)) Fs.rmSync(join(records, name))
      const { file } = yield* store.open(["f"], existing)
      assert.strictEqual((yield* error(file.getBlob("SecurityDescriptor"))).reason._tag, "Failed")
      assert.strictEqual(
        (yield* error(file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY }))).reason._tag,
        "Failed"
      )
      yield* file.setBlob("SecurityDescriptor", text("mended"))
      assert.strictEqual(string(yield* file.getBlob("SecurityDescriptor")), "mended")
    }))
})

describe("LocalStore while it makes a file or directory", () => {
  const who = text("who may")
  const kinds = ["file", "directory"] as const

  /** Holds each rename of a record to its place. `came` waits for the first one, and `go` lets all continue. */
  const held = Effect.acquireRelease(
    Effect.sync(() => {
      const rename = Fs.promises.rename
      const came = Promise.withResolvers<void>()
      const go = Promise.withResolvers<void>()
      Fs.promises.rename = async (from, to) => {
        if (String(to).includes("/records/")) {
          came.resolve()
          await go.promise
        }
        return rename(from, to)
      }
      return { rename, came: Effect.promise(() => came.promise), go: Effect.sync(() => go.resolve()) }
    }),
    ({ go, rename }) =>
      Effect.andThen(
        go,
        Effect.sync(() => {
          Fs.promises.rename = rename
        })
      )
  )

  for (const type of kinds) {
    it.live(`lets opens of a new ${type} wait until its security descriptor is kept`, () =>
      Effect.gen(function*() {
        const path = yield* folder
        // Other calls run between those of the thread pool.
        const store = yield* makeOn(path, "other")
        Fs.symlinkSync("new", join(path, "link"))
        const { came, go } = yield* held
        const making = yield* Effect.forkChild(
          store.open(["new"], { mode: "new", type, initial: { securityDescriptor: who } })
        )
        yield* came
        assert.isTrue(Fs.existsSync(join(path, "new")))
        let isWhole = false
        const look = (name: string, mode: "existing" | "either") =>
          Effect.gen(function*() {
            const { file } = yield* store.open([name], { mode, type })
            return [isWhole, string(yield* file.getBlob("SecurityDescriptor"))]
          })
        const looking = yield* Effect.forkChild(
          Effect.all([look("new", "existing"), look("link", "existing"), look("new", "either")], {
            concurrency: "unbounded"
          })
        )
        // The waiting opens have enough time to end too early if they do not wait.
        for (let i = 0; i < 50; i++) yield* store.stat(["new"])
        isWhole = true
        yield* go
        yield* Fiber.join(making)
        assert.deepStrictEqual(yield* Fiber.join(looking), [
          [true, "who may"],
          [true, "who may"],
          [true, "who may"]
        ])
      }))

    it.live(`fails a waiting open of a ${type} with NotFound when its descriptor cannot be kept`, () =>
      Effect.gen(function*() {
        const path = yield* folder
        // Other calls run between those of the thread pool.
        const store = yield* makeOn(path, "other")
        const { came, go } = yield* held
        const making = yield* Effect.forkChild(Effect.flip(
          store.open(["new"], { mode: "new", type, initial: { securityDescriptor: who } })
        ))
        yield* came
        const looking = yield* Effect.forkChild(Effect.flip(store.open(["new"], { mode: "existing", type })))
        for (let i = 0; i < 50; i++) yield* store.stat(["new"])
        // From now on no record can be kept.
        Fs.rmSync(join(path, LocalStore.sidecarName, "records"), { recursive: true })
        yield* go
        yield* Fiber.join(making)
        assert.strictEqual((yield* Fiber.join(looking)).reason._tag, "NotFound")
        assert.isFalse(Fs.existsSync(join(path, "new")))
        assert.deepStrictEqual(Fs.readdirSync(join(path, LocalStore.sidecarName, "new")), [])
      }))

    it.live.skipIf(process.platform === "win32")(
      `gives a ${type} its descriptor after its maker was killed before the record's rename`,
      () =>
        Effect.gen(function*() {
          const path = yield* folder
          Fs.mkdirSync(join(path, "d"))
          const crash = `
            import * as Effect from "effect/Effect"
            import * as Fs from "node:fs"
            import * as LocalStore from ${
            JSON.stringify(new URL("../../src/Server/Store/LocalStore.ts", import.meta.url).href)
          }
            const rename = Fs.promises.rename
            Fs.promises.rename = async (from, to) =>
              to.includes("/records/") ? process.kill(process.pid, "SIGKILL") : rename(from, to)
            const store = await Effect.runPromise(Effect.flatMap(LocalStore.make(process.argv[1]), (store) => store.open(
              ["d", "new"],
              { mode: "new", type: ${JSON.stringify(type)}, initial: { securityDescriptor: Buffer.from("who may") } }
            )).pipe(Effect.scoped))
          `
          yield* Effect.promise(() =>
            new Promise<void>((resolve) =>
              spawn(process.execPath, ["--no-warnings", "--input-type=module", "--eval", crash, "--", path], {
                cwd: join(import.meta.dirname, "..", ".."),
                stdio: "inherit"
              }).on("close", () => resolve())
            )
          )
          assert.isTrue(Fs.existsSync(join(path, "d", "new")))
          // A read-only store gives the descriptor too.
          for (const readOnly of [true, false, false]) {
            const said = yield* Effect.scoped(Effect.gen(function*() {
              const store = yield* LocalStore.make(path, { readOnly })
              const { file } = yield* store.open(["d", "new"], { mode: "existing", type })
              return string(yield* file.getBlob("SecurityDescriptor"))
            }))
            assert.strictEqual(said, "who may")
          }
          const sidecar = join(path, LocalStore.sidecarName)
          assert.deepStrictEqual(Fs.readdirSync(join(sidecar, "new")), [])
          assert.strictEqual(Fs.readdirSync(join(sidecar, "records")).length, 1)
        })
    )
  }

  it.live("gives no file a leftover record that names an older, missing or outside file or is damaged", () =>
    Effect.gen(function*() {
      const path = yield* folder
      Fs.writeFileSync(join(path, "old"), "")
      yield* Effect.scoped(LocalStore.make(path))
      const sidecar = join(path, LocalStore.sidecarName)
      // Waits until the clock of the file system has advanced.
      while (Fs.statSync(sidecar).mtimeMs <= Fs.statSync(join(path, "old")).mtimeMs) {
        Fs.writeFileSync(join(sidecar, "tick"), "")
        Fs.rmSync(join(sidecar, "tick"))
      }
      Fs.mkdirSync(join(path, "elsewhere"))
      Fs.symlinkSync("elsewhere", join(path, "link"))
      const left = (name: string, said: string) => Fs.writeFileSync(join(sidecar, "new", name), said)
      const record = (...making: Array<string>) => JSON.stringify({ blobs: { SecurityDescriptor: "AAAA" }, making })
      left("1.record", record("old"))
      left("2.record", record("not there"))
      left("3.record", record("..", "x"))
      left("4.record", record("link", "x"))
      left("5.record", record("new").slice(0, -3))
      left("6", record("new"))
      for (const name of ["elsewhere/x", "new"]) Fs.writeFileSync(join(path, name), "")
      yield* Effect.scoped(LocalStore.make(path))
      assert.deepStrictEqual(Fs.readdirSync(join(sidecar, "new")), [])
      assert.deepStrictEqual(Fs.readdirSync(join(sidecar, "records")), [])
    }))
})

describe("LocalStore whose sidecar is removed while it is served", () => {
  for (const part of ["", "new", "records"]) {
    it.live(`fails changes that need it with Failed and says why${part === "" ? "" : `: ${part}`}`, () =>
      Effect.gen(function*() {
        const path = yield* folder
        const store = yield* LocalStore.make(path)
        Fs.writeFileSync(join(path, "f"), "x")
        const { file } = yield* store.open(["f"], existing)
        Fs.rmSync(join(path, LocalStore.sidecarName, part), { recursive: true })
        const initial = { securityDescriptor: text("who may") }
        for (
          const change of [
            store.open(["new"], { ...fresh, initial }),
            store.open(["new"], { mode: "new", type: "directory", initial }),
            file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY }),
            file.setBlob("SecurityDescriptor", text("who may")),
            store.open(["f"], { mode: "new", type: "file", stream: "s" })
          ]
        ) {
          const { cause, reason } = yield* error(change)
          assert.strictEqual(reason._tag, "Failed")
          assert.match(String(cause), /\.effect-smb was removed.*Stop the server/)
        }
        assert.isFalse(Fs.existsSync(join(path, "new")))
      }))
  }
})

describe("LocalStore's stamp", () => {
  it.live("is flushed before its rename, and the sidecar folder is flushed", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const { rename } = Fs.promises
      const native = process.getBuiltinModule("node:fs")
      const { fsync } = native
      const flushed = new Set<number>()
      let wasFlushed: boolean | undefined
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          Object.assign(native, {
            fsync: (fd: number, done: Fs.NoParamCallback) => {
              flushed.add(Fs.fstatSync(fd).ino)
              fsync(fd, done)
            }
          })
          Fs.promises.rename = (from, to) => {
            if (String(to).endsWith("/stamp")) wasFlushed = flushed.has(Fs.lstatSync(from).ino)
            return rename(from, to)
          }
          syncBuiltinESMExports()
        }),
        () =>
          Effect.sync(() => {
            Object.assign(native, { fsync })
            Fs.promises.rename = rename
            syncBuiltinESMExports()
          })
      )
      yield* Effect.scoped(LocalStore.make(path))
      assert.isTrue(wasFlushed)
      // The folder that holds the name is flushed too.
      assert.isTrue(flushed.has(Fs.lstatSync(join(path, LocalStore.sidecarName)).ino))
    }))
})
