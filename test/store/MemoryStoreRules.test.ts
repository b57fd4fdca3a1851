/**
 * Proves what a MemoryStore counts against its capacity, which times its calls change (by the clock of the tests), in
 * which order it refuses, and what it says of the volume.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as FileTime from "../../src/Codec/FileTime.ts"
import type { Blob, ShareStore, StoreError, StoreFile, StoreOpen, StorePath } from "../../src/Server/ShareStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import { random } from "../random.ts"

const existing = { mode: "existing", type: "file" } as const
const fresh = { mode: "new", type: "file" } as const
const freshDirectory = { mode: "new", type: "directory" } as const
const reason = <A, R>(effect: Effect.Effect<A, StoreError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

const make = (store: ShareStore, path: StorePath, how: StoreOpen = fresh) => Effect.scoped(store.open(path, how))

/** What a file or stream costs in addition to its content, as the store's documentation says. */
const each = 1024

const used = (store: ShareStore) => Effect.map(store.volume, ({ free, total }) => Number(total - free))

describe("MemoryStore's volume", () => {
  it.effect("has the options, or 1 GiB and the name `memory`, and a serial number from the time when it was made", () =>
    Effect.gen(function*() {
      // 2024-02-29T12:34:56.765Z
      const now = 1_709_210_096_765
      yield* TestClock.setTime(now)
      const made = FileTime.fromMillis(now)
      const plain = yield* (yield* MemoryStore.make()).volume
      assert.deepStrictEqual(plain, {
        label: "memory",
        serialNumber: Number((made & 0xffff_ffffn) ^ (made >> 32n)),
        creationTime: made,
        total: 1n << 30n,
        free: 1n << 30n,
        maximumComponentLength: 255,
        supports: {
          streams: true,
          securityDescriptors: true,
          extendedAttributes: true,
          reparsePoints: true,
          objectIds: true,
          lastingIdentities: true,
          sparse: true
        },
        readOnly: false
      })
      const given = yield* (yield* MemoryStore.make({ capacity: 5000, label: "x", readOnly: true })).volume
      assert.deepStrictEqual(given, { ...plain, label: "x", total: 5000n, free: 5000n, readOnly: true })
    }))

  it.effect("takes 1 KiB for each file, directory and stream, and gives it back when they are removed and closed", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.make({ capacity: 4 * each })
      yield* make(store, ["d"], freshDirectory)
      yield* make(store, ["f"], { ...fresh, stream: "s" })
      assert.strictEqual(yield* used(store), 3 * each)
      assert.strictEqual(yield* reason(make(store, ["g"], { ...fresh, stream: "t" })), "Full")
      // The file was made before its stream was refused, as on NTFS.
      assert.strictEqual(yield* used(store), 4 * each)
      assert.strictEqual(yield* reason(make(store, ["h"])), "Full")
      yield* store.remove(["g"])
      yield* store.remove(["f"], { stream: "S" })
      assert.strictEqual(yield* used(store), 2 * each)
      yield* store.remove(["f"])
      yield* Effect.scoped(Effect.gen(function*() {
        yield* store.open(["d"], { mode: "existing", type: "directory" })
        yield* store.remove(["d"])
        assert.strictEqual(yield* used(store), each)
      }))
      assert.strictEqual(yield* used(store), 0)
    }))

  it.effect("takes the memory of the bytes and the lengths of the blobs, and nothing of a refused call", () =>
    Effect.scoped(Effect.gen(function*() {
      const store = yield* MemoryStore.make({ capacity: each + 8192 + 100 })
      const { file } = yield* store.open(["f"], fresh)
      yield* file.write(0n, new Uint8Array(4097))
      assert.strictEqual(yield* used(store), each + 8192)
      assert.strictEqual((yield* file.stat).allocationSize, 8192n)
      yield* file.setBlob("SecurityDescriptor", new Uint8Array(100))
      assert.strictEqual((yield* store.volume).free, 0n)
      for (const blob of ["SecurityDescriptor", "ExtendedAttributes", "ReparsePoint"] as const) {
        const bytes = new Uint8Array(blob === "SecurityDescriptor" ? 101 : 1)
        assert.strictEqual(yield* reason(file.setBlob(blob, bytes)), "Full")
      }
      assert.strictEqual((yield* file.getBlob("SecurityDescriptor"))?.length, 100)
      assert.strictEqual(yield* reason(file.write(8192n, Uint8Array.of(1))), "Full")
      yield* file.write(8191n, Uint8Array.of(1))
      yield* file.setBlob("SecurityDescriptor", new Uint8Array(99))
      yield* file.setBlob("ReparsePoint", new Uint8Array(1))
      assert.strictEqual((yield* store.volume).free, 0n)
      yield* file.setBlob("SecurityDescriptor", undefined)
      yield* file.zero({ offset: 0n, length: 8192n })
      assert.strictEqual(yield* used(store), each + 1)
      yield* file.write(0n, Uint8Array.of(1))
      yield* file.truncate(0n)
      assert.strictEqual(yield* used(store), each + 1)
    })))

  it.effect("takes nothing for a new file whose security descriptor does not fit, and leaves no such file", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.make({ capacity: each + 10 })
      const initial = (length: number) => ({ ...fresh, initial: { securityDescriptor: new Uint8Array(length) } })
      assert.strictEqual(yield* reason(make(store, ["f"], initial(11))), "Full")
      assert.strictEqual(yield* used(store), 0)
      assert.strictEqual(yield* reason(store.stat(["f"])), "NotFound")
      yield* make(store, ["f"], initial(10))
      assert.strictEqual(yield* used(store), each + 10)
      yield* store.remove(["f"])
      assert.strictEqual(yield* used(store), 0)
    }))

  for (const seed of [1, 2, 3, 4]) {
    it.effect(`takes the sum of its files after each of 150 random calls, open or removed (seed ${seed})`, () =>
      Effect.gen(function*() {
        const pick = random(seed * 15_485_863)
        const store = yield* MemoryStore.make({ capacity: 400_000 })
        const blobs: ReadonlyArray<Blob> = ["SecurityDescriptor", "ExtendedAttributes", "ReparsePoint"]
        const opens: Array<{ readonly scope: Scope.Closeable; readonly file: StoreFile; readonly stream: boolean }> = []
        const name = () => ["a", "b", "c", "d"][pick(4)]!
        const one = () => opens[pick(opens.length)]
        for (let i = 0; i < 150; i++) {
          const open = one()
          const stream = pick(3) === 0 ? { stream: ["s", "t"][pick(2)]! } : {}
          const offset = BigInt(pick(100_000))
          const length = pick(50_000)
          const call: Effect.Effect<unknown, StoreError> = [
            Effect.gen(function*() {
              const scope = yield* Scope.make()
              const opened = yield* Effect.exit(
                Scope.provide(store.open([name()], { mode: "either", type: "file", ...stream }), scope)
              )
              if (Exit.isFailure(opened)) yield* Scope.close(scope, Exit.void)
              else opens.push({ scope, file: opened.value.file, stream: "stream" in stream })
            }),
            Effect.suspend(() => open === undefined ? Effect.void : open.file.write(offset, new Uint8Array(length))),
            Effect.suspend(() => open === undefined ? Effect.void : open.file.truncate(offset)),
            Effect.suspend(() => open === undefined ? Effect.void : open.file.zero({ offset, length: BigInt(length) })),
            Effect.suspend(() =>
              open === undefined
                ? Effect.void
                : open.file.setBlob(blobs[pick(3)]!, pick(3) === 0 ? undefined : new Uint8Array(pick(2000)))
            ),
            store.remove([name()], stream),
            store.rename([name()], [name()], { replace: true }),
            store.link!([name()], [name()], { replace: pick(2) === 0 }),
            Effect.suspend(() => {
              if (open === undefined) return Effect.void
              opens.splice(opens.indexOf(open), 1)
              return Scope.close(open.scope, Exit.void)
            })
          ][pick(9)]!
          yield* Effect.exit(call)
          // The files that have a name or a handle, by number, and their streams, by file and name.
          const files = new Map<bigint, number>()
          const streams = new Map<string, number>()
          const count = Effect.fnUntraced(function*(file: StoreFile, isStream: boolean) {
            const node = yield* file.stat
            if (files.has(file.id)) return
            let sum = each
            for (const blob of blobs) sum += (yield* file.getBlob(blob))?.length ?? 0
            files.set(file.id, sum)
            for (const { allocationSize, name } of yield* file.streams) {
              streams.set(`${file.id}:${name}`, each + Number(allocationSize))
            }
            if (!isStream) files.set(file.id, sum + Number(node.allocationSize))
          })
          for (const { name } of yield* Stream.runCollect(store.list([]))) {
            yield* Effect.scoped(Effect.flatMap(store.open([name], existing), ({ file }) => count(file, false)))
          }
          const sum = [...files.values(), ...streams.values()].reduce((all, bytes) => all + bytes, 0)
          // Files and streams that were removed while they are open come in addition.
          if (opens.length === 0) assert.strictEqual(yield* used(store), sum)
          else assert.isAtLeast(yield* used(store), sum)
          assert.isAtMost(yield* used(store), 400_000)
        }
        for (const { scope } of opens) yield* Scope.close(scope, Exit.void)
        for (const { name } of yield* Stream.runCollect(store.list([]))) yield* store.remove([name])
        assert.strictEqual(yield* used(store), 0)
      }))
  }

  it.effect("keeps the bytes of a removed file and of its streams until their own last handles are closed", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.make()
      const open = Effect.fnUntraced(function*(how: StoreOpen) {
        const scope = yield* Scope.make()
        const { file } = yield* Scope.provide(store.open(["f"], how), scope)
        return { file, close: Scope.close(scope, Exit.void) }
      })
      const main = yield* open(fresh)
      const again = yield* open(existing)
      const stream = yield* open({ ...fresh, stream: "s" })
      yield* main.file.write(0n, new Uint8Array(4096))
      yield* stream.file.write(0n, new Uint8Array(8192))
      yield* store.remove(["f"], { stream: "s" })
      assert.strictEqual(yield* used(store), each + 4096 + 8192)
      assert.strictEqual((yield* stream.file.read(0n, 8192)).length, 8192)
      yield* store.remove(["f"])
      yield* main.close
      assert.strictEqual(yield* used(store), each + 4096 + 8192)
      assert.strictEqual((yield* again.file.read(0n, 4096)).length, 4096)
      yield* again.close
      // The stream's handle keeps its file.
      assert.strictEqual((yield* stream.file.stat).numberOfLinks, 0)
      assert.strictEqual((yield* stream.file.read(0n, 8192)).length, 8192)
      yield* stream.close
      assert.strictEqual(yield* used(store), 0)
    }))
})

describe("MemoryStore's times", () => {
  /** Seconds of the clock of the tests. */
  const at = (seconds: number) => FileTime.fromMillis(seconds * 1000)

  const times = ["creationTime", "lastAccessTime", "lastWriteTime", "changeTime"] as const

  it.effect("are the clock's for new files and changes, and no call changes those that it does not concern", () =>
    Effect.scoped(Effect.gen(function*() {
      yield* TestClock.setTime(1000)
      const store = yield* MemoryStore.make()
      yield* TestClock.setTime(2000)
      yield* make(store, ["d"], freshDirectory)
      const { file, node } = yield* store.open(["f"], fresh)
      for (const time of times) assert.strictEqual(node[time], at(2))
      const root = yield* store.stat([])
      assert.deepStrictEqual(times.map((time) => root[time]), [at(1), at(2), at(2), at(2)])
      let second = 2
      /** The times of each path that a call changes to the current time. */
      const changed = Effect.fnUntraced(function*(
        call: Effect.Effect<unknown, StoreError>,
        expected: Record<string, ReadonlyArray<typeof times[number]>>
      ) {
        const paths: ReadonlyArray<StorePath> = [[], ["d"], ["f"], ["d", "g"]]
        const look = Effect.forEach(
          paths,
          (path) => Effect.match(store.stat(path), { onFailure: () => undefined, onSuccess: (node) => node })
        )
        const before = yield* look
        yield* TestClock.setTime(++second * 1000)
        yield* call
        const after = yield* look
        paths.forEach((path, i) => {
          const key = path.join("/")
          if (after[i] === undefined) return
          for (const time of times) {
            const isNew = (expected[key] ?? []).includes(time)
            const old = before[i]?.id === after[i]!.id ? before[i]![time] : undefined
            if (isNew) assert.strictEqual(after[i]![time], at(second), `${key} ${time} at ${second}`)
            else if (old !== undefined) assert.strictEqual(after[i]![time], old, `${key} ${time} at ${second}`)
          }
        })
      })
      // A change of the data, or of a directory's entries, is an access too (MS-FSA 2.1.4.17), as each read of bytes is.
      const written = ["lastAccessTime", "lastWriteTime", "changeTime"] as const
      yield* changed(file.write(0n, Uint8Array.of(1)), { f: written })
      yield* changed(file.write(0n, new Uint8Array(0)), {})
      yield* changed(file.read(0n, 1), { f: ["lastAccessTime"] })
      yield* changed(file.read(1n, 1), {})
      yield* changed(file.truncate(3n), { f: written })
      yield* changed(file.zero({ offset: 0n, length: 1n }), { f: written })
      yield* changed(file.set({}), { f: ["changeTime"] })
      yield* changed(file.set({ fileAttributes: 2 }), { f: ["changeTime"] })
      yield* changed(file.setBlob("ExtendedAttributes", Uint8Array.of(1)), { f: ["changeTime"] })
      yield* changed(file.getBlob("ExtendedAttributes"), {})
      yield* changed(make(store, ["f"], { ...fresh, stream: "s" }), { f: ["changeTime"] })
      yield* changed(make(store, ["f"], { ...existing, stream: "s" }), {})
      yield* changed(store.remove(["f"], { stream: "s" }), { f: ["changeTime"] })
      yield* changed(make(store, ["f"], existing), {})
      yield* changed(store.rename(["f"], ["F"], { replace: false }), { "": written, f: ["changeTime"] })
      yield* changed(store.link!(["f"], ["d", "g"], { replace: false }), {
        d: written,
        f: ["changeTime"],
        "d/g": ["changeTime"]
      })
      yield* changed(store.link!(["f"], ["d", "g"], { replace: true }), {})
      yield* changed(store.remove(["d", "g"]), { d: written, f: ["changeTime"] })
      yield* changed(make(store, ["d", "g"]), { d: written, "d/g": times })
      yield* changed(store.rename(["f"], ["d", "g"], { replace: true }), { "": written, d: written })
      yield* changed(store.rename(["d", "g"], ["f"], { replace: true }), {
        "": written,
        d: written,
        f: ["changeTime"]
      })
      // A directory that is moved is changed, and not written.
      yield* make(store, ["e"], freshDirectory)
      yield* changed(store.rename(["d"], ["e", "d"], { replace: false }), { "": written })
      yield* changed(store.rename(["e", "d"], ["d"], { replace: false }), { "": written, d: ["changeTime"] })
      yield* file.set({ creationTime: 1n, lastAccessTime: 2n, lastWriteTime: 3n, changeTime: 4n })
      const set = yield* file.stat
      assert.deepStrictEqual(times.map((time) => set[time]), [1n, 2n, 3n, 4n])
    })))
})

describe("MemoryStore's refusals", () => {
  it.effect("of a read-only store come after those of the name, for every call that changes something", () =>
    Effect.scoped(Effect.gen(function*() {
      const store = yield* MemoryStore.make({ readOnly: true })
      const { file } = yield* store.open([], { mode: "existing", type: "directory" })
      const again = yield* store.open([], { mode: "either", type: "directory" })
      assert.isFalse(again.created)
      const changes: ReadonlyArray<Effect.Effect<unknown, StoreError>> = [
        make(store, ["f"]),
        make(store, ["f"], { ...fresh, stream: "s" }),
        make(store, [], { ...fresh, stream: "s" }),
        store.remove([]),
        store.remove([], { stream: "s" }),
        store.rename([], ["x"], { replace: false }),
        store.link!([], ["x"], { replace: false }),
        file.write(0n, Uint8Array.of(1)),
        file.truncate(0n),
        file.zero({ offset: 0n, length: 1n }),
        file.set({}),
        file.setBlob("SecurityDescriptor", undefined)
      ]
      for (const change of changes) assert.strictEqual(yield* reason(change), "ReadOnly")
      assert.strictEqual(yield* reason(make(store, ["f"], existing)), "NotFound")
      assert.strictEqual(yield* reason(make(store, [], { ...existing, stream: "s" })), "NotFound")
      assert.strictEqual(yield* reason(make(store, ["no", "f"])), "PathNotFound")
      assert.strictEqual(yield* reason(store.remove(["f"])), "NotFound")
      assert.strictEqual(yield* reason(store.remove([], { expected: "other" })), "Stale")
      assert.strictEqual(yield* reason(store.rename([], [".."], { replace: false })), "InvalidName")
      assert.strictEqual(yield* reason(store.link!([], [".."], { replace: false })), "InvalidName")
      assert.deepStrictEqual(yield* Stream.runCollect(store.list([])), [])
    })))

  it.effect("of sizes begin above 2^63 - 1 bytes, the largest size of a file", () =>
    Effect.scoped(Effect.gen(function*() {
      const store = yield* MemoryStore.make()
      const { file } = yield* store.open(["f"], fresh)
      const largest = (1n << 63n) - 1n
      yield* file.truncate(largest)
      assert.strictEqual((yield* file.stat).size, largest)
      assert.strictEqual(yield* reason(file.truncate(largest + 1n)), "Full")
      yield* file.write(largest - 1n, Uint8Array.of(1))
      assert.strictEqual(yield* reason(file.write(largest, Uint8Array.of(1))), "Full")
      yield* file.write(largest, new Uint8Array(0))
    })))

  it.effect("of links and renames name the first fault: the root, a directory, a taken name", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.make()
      yield* make(store, ["f"])
      yield* make(store, ["d"], freshDirectory)
      const keep = { replace: false }
      const cases: ReadonlyArray<readonly [Effect.Effect<unknown, StoreError>, StoreError["reason"]["_tag"]]> = [
        [store.link!([], ["x"], keep), "IsDirectory"],
        [store.link!(["f"], [], keep), "Exists"],
        [store.link!(["f"], ["F"], keep), "Exists"],
        [store.link!(["f"], ["f", "x"], keep), "PathNotFound"],
        [store.rename(["f"], [], { replace: true }), "AccessDenied"],
        [store.rename([], ["d", "x"], keep), "AccessDenied"],
        [store.rename(["f"], ["d"], { replace: true, replaced: "other" }), "Stale"],
        [store.remove([]), "AccessDenied"],
        [Stream.runDrain(store.list(["f"])), "NotDirectory"]
      ]
      for (const [call, expected] of cases) assert.strictEqual(yield* reason(call), expected)
      // Another name of the same file is replaced by doing nothing.
      yield* store.link!(["f"], ["F"], { replace: true })
      assert.strictEqual((yield* store.stat(["f"])).numberOfLinks, 1)
      assert.strictEqual((yield* store.stat(["f"])).name, "f")
    }))

  it.effect("are those of the kit also for numbers: a file has one above 63, which no later file has", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.make()
      const seen = new Set<bigint>([(yield* store.stat([])).id])
      for (let i = 0; i < 5; i++) {
        const { node } = yield* make(store, ["f"])
        seen.add(node.id)
        yield* store.remove(["f"])
      }
      assert.strictEqual(seen.size, 6)
      // NTFS reserves the low numbers, and 0 means to clients that there is no number.
      for (const id of seen) assert.isAtLeast(Number(id), 64)
    }))
})
