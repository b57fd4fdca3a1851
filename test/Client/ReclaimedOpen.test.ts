/**
 * Proves that an open file outlives its connection: with the own server on loopback and a line that the test cuts. What
 * the server has kept is reclaimed with its locks; otherwise the file is opened again, and only if it is the same.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result, Schedule, Scope, Stream } from "effect"
import { OpenMode } from "effect-smb"
import type { Change } from "../../src/Client/Watch.ts"
import { Command, commandOf, type World, world } from "./cutting.ts"

const bytes = (length: number, seed = 7) => Uint8Array.from({ length }, (_, i) => (i * seed + (i >> 8)) & 0xff)
const content = bytes(3_000_000)

/** The server keeps no open of an absent client. */
const forgetful = { limits: { durables: 0 } }

/** Several attempts, without pauses that a test would wait for. */
const eager = { reconnect: Schedule.recurs(5) }

const withoutTries = (told: ReadonlyArray<string>) => told.filter((tag) => tag !== "Trying")

/** Cuts at every `each`-th request of a command, `times` times. */
const cutting = (
  { line }: World,
  command: number,
  each: number,
  times: number,
  how: "before" | "after" | "silence" = "before"
) => {
  let seen = 0
  let left = times
  line.onSend = (packet) => {
    if (commandOf(packet) !== command || ++seen % each !== 0 || left === 0) return undefined
    left--
    return how
  }
  return () => times - left
}

describe("an open file whose connection is cut", () => {
  it.live("reads on from the open that the server gives back", () =>
    Effect.scoped(Effect.gen(function*() {
      const { base, line, smb, told } = yield* world()
      yield* smb.writeFile(`${base}/f`, content)
      const file = yield* smb.open(`${base}/f`)
      assert.deepStrictEqual(yield* file.read(0, 10), content.subarray(0, 10))
      line.cut()
      assert.deepStrictEqual(yield* file.read(100, 10), content.subarray(100, 110))
      assert.deepStrictEqual(told(), ["Lost", "Trying", "Back", "Reclaimed"])
      assert.strictEqual(line.connections, 2)
    })))

  it.live.each(["2.0.2", "2.1", "3.0", "3.1.1"] as const)(
    "writes on in dialect %s, and its close says that the data is kept",
    (dialect) =>
      Effect.scoped(Effect.gen(function*() {
        const { base, line, other, smb, told } = yield* world({ dialects: [dialect] })
        const file = yield* smb.open(`${base}/f`, OpenMode.readWrite)
        yield* file.write(0, content.subarray(0, 100_000))
        line.cut()
        yield* file.write(100_000, content.subarray(100_000, 200_000))
        line.cut()
        yield* file.close
        assert.deepStrictEqual(yield* other.readFile(`${base}/f`), content.subarray(0, 200_000))
        assert.deepStrictEqual(withoutTries(told()), ["Lost", "Back", "Reclaimed", "Lost", "Back", "Reclaimed"])
      }))
  )

  it.live("keeps its locks, also a lock whose response was lost", () =>
    Effect.scoped(Effect.gen(function*() {
      const made = yield* world()
      const { base, line, other, smb } = made
      yield* smb.writeFile(`${base}/f`, content)
      const file = yield* smb.open(`${base}/f`, OpenMode.readWrite)
      yield* file.lock([{ offset: 0, length: 10 }])
      line.cut()
      const lost = cutting(made, Command.LOCK, 1, 1, "after")
      yield* file.lock([{ offset: 100, length: 10 }])
      assert.strictEqual(lost(), 1)
      yield* file.read(0, 10)
      const rival = yield* other.open(`${base}/f`, OpenMode.readWrite)
      for (const offset of [0, 100]) {
        const refused = yield* Effect.flip(rival.lock([{ offset, length: 10 }], { wait: false }))
        assert.deepInclude(refused, { _tag: "SmbError", statusName: "STATUS_LOCK_NOT_GRANTED" })
      }
      yield* rival.lock([{ offset: 50, length: 10 }], { wait: false })
    })))

  it.live("is opened again if the server has not kept it, and reads on if it is the same", () =>
    Effect.scoped(Effect.gen(function*() {
      const { base, line, smb, told } = yield* world({}, forgetful)
      yield* smb.writeFile(`${base}/f`, content)
      const file = yield* smb.open(`${base}/f`)
      line.cut()
      assert.deepStrictEqual(yield* file.read(100, 10), content.subarray(100, 110))
      assert.deepStrictEqual(told(), ["Lost", "Trying", "Back", "Reopened"])
    })))

  const changes = {
    "was replaced by another of the same size": (smb: World["smb"], f: string) =>
      Effect.andThen(smb.remove(f), smb.writeFile(f, content)),
    "has grown": (smb: World["smb"], f: string) => smb.writeFile(f, bytes(5), { append: true }),
    "was written without a new size": (smb: World["smb"], f: string) =>
      Effect.scoped(Effect.flatMap(smb.open(f, OpenMode.write), (file) => file.write(0, bytes(5, 3))))
  }
  it.live.each(Object.entries(changes))(
    "fails with FileDiffers, and gives no byte, if the file %s after the cut",
    ([, change]) =>
      Effect.scoped(Effect.gen(function*() {
        const { base, line, other, smb, told } = yield* world({}, forgetful)
        yield* smb.writeFile(`${base}/f`, content)
        const file = yield* smb.open(`${base}/f`)
        line.cut()
        yield* change(other, `${base}/f`)
        const error = yield* Effect.flip(file.read(0, 10))
        assert.deepInclude(error, { _tag: "ReconnectError" })
        assert(error._tag === "ReconnectError")
        assert.strictEqual(error.reason._tag, "FileDiffers")
        assert.strictEqual(told().at(-1), "GivenUp")
        // The open stays failed, and sends nothing more.
        const { attempts } = line
        assert.strictEqual((yield* Effect.flip(file.read(0, 10)))._tag, "ReconnectError")
        assert.strictEqual(line.attempts, attempts)
      }))
  )

  it.live("writes nothing into a file that has taken its name", () =>
    Effect.scoped(Effect.gen(function*() {
      const { base, line, other, smb } = yield* world({}, forgetful)
      const file = yield* smb.open(`${base}/f`, OpenMode.readWrite)
      yield* file.write(0, content.subarray(0, 1000))
      line.cut()
      yield* other.remove(`${base}/f`)
      yield* other.writeFile(`${base}/f`, bytes(1000, 3))
      const error = yield* Effect.flip(file.write(1000, content.subarray(0, 1000)))
      assert.deepInclude(error, { _tag: "ReconnectError" })
      assert.deepStrictEqual(yield* other.readFile(`${base}/f`), bytes(1000, 3))
      yield* Effect.flip(file.close)
    })))

  it.live.each(["2.1", "3.0", "3.1.1"] as const)(
    "is opened again with its lease key in dialect %s, so that the server does not break the lease of the lost open",
    (dialect) =>
      Effect.scoped(Effect.gen(function*() {
        const { base, line, smb, told } = yield* world({ dialects: [dialect] }, forgetful)
        const keys: Array<string> = []
        line.onSend = (packet) => {
          const at = commandOf(packet) === Command.CREATE ? packet.indexOf("RqLs") : -1
          // The key is the first field of the context, whose data begins at a multiple of eight bytes.
          if (at >= 0) keys.push(packet.subarray(at + 8, at + 24).toString("hex"))
          return undefined
        }
        const file = yield* smb.open(`${base}/f`, OpenMode.readWrite)
        line.cut()
        yield* file.write(0, content.subarray(0, 1000))
        assert.deepStrictEqual(told(), ["Lost", "Trying", "Back", "Reopened"])
        // The open, the attempt to reclaim it, and the open by name.
        assert.deepStrictEqual(keys, [keys[0], keys[0], keys[0]])
        yield* smb.open(`${base}/g`, OpenMode.readWrite)
        assert.notStrictEqual(keys[3], keys[0])
      }))
  )

  /** Somebody else opens the lost file, which ends the absent open, and keeps it until `line` has `connections`. */
  const inTheWayUntil = Effect.fnUntraced(
    function*({ base, line, other }: World, connections: number): Effect.fn.Return<void, unknown, Scope.Scope> {
      const rival = yield* other.open(`${base}/f`, { ...OpenMode.readWrite, shareAccess: 0 })
      yield* Effect.forkChild(
        Effect.andThen(Effect.repeat(Effect.sleep(5), { until: () => line.connections >= connections }), rival.close)
      )
    }
  )

  it.live("breaks the new connection off once, if the lost open seems to be in its own way there", () =>
    Effect.scoped(Effect.gen(function*() {
      const made = yield* world({ reconnect: Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 100 })) })
      const { base, line, other, smb, told } = made
      const file = yield* smb.open(`${base}/f`, OpenMode.readWrite)
      yield* file.write(0, content.subarray(0, 1000))
      line.cut()
      yield* inTheWayUntil(made, 3)
      yield* file.write(1000, content.subarray(1000, 2000))
      yield* file.close
      assert.strictEqual(line.connections, 3)
      assert.deepStrictEqual(withoutTries(told()), ["Lost", "Back", "Lost", "Back", "Reopened"])
      assert.deepStrictEqual(yield* other.readFile(`${base}/f`), content.subarray(0, 2000))
    })))

  it.live("waits for its own open whose response was lost, and fails at once if another one is in the way", () =>
    Effect.scoped(Effect.gen(function*() {
      const alone = { ...OpenMode.readWrite, shareAccess: 0 }
      let rival: Effect.Effect<unknown> = Effect.void
      const made = yield* world({
        reconnect: Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 100 })),
        onReconnect: ({ _tag }) => _tag === "Trying" ? rival : Effect.void
      })
      const { base, line, other, smb } = made
      yield* smb.writeFile(`${base}/f`, content)
      // This server ends an absent open for the next one. A rival takes the part of a server that keeps it for a while.
      const scope = yield* Effect.scope
      rival = Effect.gen(function*() {
        const file = yield* Scope.provide(other.open(`${base}/f`, alone), scope)
        yield* Effect.forkIn(Effect.andThen(Effect.sleep(100), file.close), scope)
      }).pipe(Effect.orDie)
      const lost = cutting(made, Command.CREATE, 1, 1, "after")
      const file = yield* smb.open(`${base}/f`, alone)
      assert.strictEqual(lost(), 1)
      assert.deepStrictEqual(yield* file.read(0, 10), content.subarray(0, 10))
      const { attempts } = line
      const refused = yield* Effect.flip(smb.open(`${base}/f`, alone))
      assert.deepInclude(refused, { _tag: "SmbError", statusName: "STATUS_SHARING_VIOLATION" })
      assert.strictEqual(line.attempts, attempts)
    })))

  it.live("keeps the new connection if another file there would lose its locks", () =>
    Effect.scoped(Effect.gen(function*() {
      const made = yield* world(eager)
      const { base, line, smb } = made
      const file = yield* smb.open(`${base}/f`, OpenMode.readWrite)
      line.cut()
      yield* inTheWayUntil(made, 3)
      // It asks for no durable handle.
      const plain = yield* smb.open(`${base}/g`, { ...OpenMode.readWrite, oplockLevel: 0 })
      yield* plain.lock([{ offset: 0, length: 10 }])
      const error = yield* Effect.flip(file.write(0, content.subarray(0, 1000)))
      assert.deepInclude(error, { _tag: "SmbError", statusName: "STATUS_SHARING_VIOLATION" })
      assert.strictEqual(line.connections, 2)
    })))

  it.live("fails with LocksLost until the lost ranges are unlocked", () =>
    Effect.scoped(Effect.gen(function*() {
      const { base, line, smb } = yield* world({}, forgetful)
      yield* smb.writeFile(`${base}/f`, content)
      const file = yield* smb.open(`${base}/f`, OpenMode.readWrite)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* file.lock([{ offset: 0, length: 10 }])
        line.cut()
        const error = yield* Effect.flip(file.read(0, 10))
        assert(error._tag === "ReconnectError")
        assert.deepStrictEqual(error.reason, { _tag: "LocksLost", ranges: 1 })
        assert.strictEqual((yield* Effect.flip(file.write(0, bytes(1))))._tag, "ReconnectError")
      }))
      assert.deepStrictEqual(yield* file.read(0, 10), content.subarray(0, 10))
    })))

  it.live("fails with `sent` for an append and a rename that may have had their effect", () =>
    Effect.scoped(Effect.gen(function*() {
      const made = yield* world()
      const { base, smb } = made
      yield* smb.writeFile(`${base}/f`, "text")
      const file = yield* smb.open(`${base}/f`, OpenMode.readWrite)
      cutting(made, Command.WRITE, 1, 1, "after")
      const appended = yield* Effect.flip(file.append(bytes(4)))
      assert.deepInclude(appended, { _tag: "TransportError", sent: true })
      cutting(made, Command.SET_INFO, 1, 1, "after")
      yield* file.truncate(2)
      assert.strictEqual((yield* smb.stat(`${base}/f`)).size, 2n)
    })))

  it.live("is one new connection for 50 files", () =>
    Effect.scoped(Effect.gen(function*() {
      const { base, line, smb, told } = yield* world()
      const files = yield* Effect.forEach(Array.from({ length: 50 }, (_, i) => i), (i) =>
        Effect.andThen(smb.writeFile(`${base}/f${i}`, bytes(100, i)), smb.open(`${base}/f${i}`)))
      line.cut()
      const read = yield* Effect.forEach(files, (file) =>
        file.read(0, 100), { concurrency: "unbounded" })
      assert.deepStrictEqual(read, files.map((_, i) => bytes(100, i)))
      assert.strictEqual(line.connections, 2)
      assert.strictEqual(told().filter((tag) => tag === "Lost").length, 1)
      assert.strictEqual(told().filter((tag) => tag === "Reclaimed").length, 50)
    })))
})

describe("the policy", () => {
  it.live("tries again while the server refuses connections", () =>
    Effect.scoped(Effect.gen(function*() {
      const { base, line, smb, told } = yield* world(eager)
      yield* smb.writeFile(`${base}/f`, content)
      const file = yield* smb.open(`${base}/f`)
      line.refusals = 3
      line.cut()
      assert.deepStrictEqual(yield* file.read(0, 10), content.subarray(0, 10))
      assert.deepStrictEqual(told(), ["Lost", "Trying", "Trying", "Trying", "Trying", "Back", "Reclaimed"])
    })))

  it.live("ends with the last failure, for all who wait at once", () =>
    Effect.scoped(Effect.gen(function*() {
      const { base, line, smb, told } = yield* world(eager)
      yield* smb.writeFile(`${base}/f`, content)
      const file = yield* smb.open(`${base}/f`)
      line.refusals = Infinity
      line.cut()
      const failed = yield* Effect.forEach([1, 2, 3], () => Effect.flip(file.read(0, 10)), { concurrency: 3 })
      for (const error of failed) {
        assert.deepInclude(error, { _tag: "TransportError", reason: { _tag: "ConnectionRefused" } })
      }
      assert.strictEqual(line.attempts, 1 + 6)
      assert.strictEqual(told().filter((tag) => tag === "Lost").length, 1)
      // A new operation does not wait for a server that was given up.
      line.refusals = 1
      yield* Effect.flip(smb.stat(`${base}/f`))
      assert.strictEqual(line.attempts, 1 + 6 + 1)
    })))

  it.live("`never` fails an operation with its connection", () =>
    Effect.scoped(Effect.gen(function*() {
      const { base, line, smb, told } = yield* world({ reconnect: "never" })
      yield* smb.writeFile(`${base}/f`, content)
      const file = yield* smb.open(`${base}/f`)
      line.cut()
      assert.deepInclude(yield* Effect.flip(file.read(0, 10)), { _tag: "TransportError" })
      assert.deepStrictEqual(told(), [])
    })))

  it.live("comes to an end at a server that breaks off at each request", () =>
    Effect.scoped(Effect.gen(function*() {
      const made = yield* world(eager)
      const { base, line, smb } = made
      yield* smb.writeFile(`${base}/f`, content)
      const file = yield* smb.open(`${base}/f`)
      cutting(made, Command.READ, 1, Infinity)
      assert.deepInclude(yield* Effect.flip(file.read(0, 10)), { _tag: "TransportError" })
      assert.strictEqual(line.connections, 1 + 6)
    })))

  it.live("goes on after a server that has become silent, and ends at one that is silent after each recovery", () =>
    Effect.scoped(Effect.gen(function*() {
      const made = yield* world({ reconnect: Schedule.recurs(1), requestTimeout: "1 second" })
      const { base, line, smb } = made
      yield* smb.writeFile(`${base}/f`, content)
      const file = yield* smb.open(`${base}/f`)
      cutting(made, Command.READ, 1, 1, "silence")
      assert.deepStrictEqual(yield* file.read(0, 10), content.subarray(0, 10))
      assert.strictEqual(line.connections, 2)
      cutting(made, Command.READ, 1, Infinity, "silence")
      const error = yield* Effect.flip(file.read(0, 10))
      assert.deepInclude(error, { _tag: "TransportError", reason: { _tag: "TimedOut" } })
      assert.strictEqual(line.connections, 4)
    })))

  it.live("ends at once when the caller is interrupted, and tries no more", () =>
    Effect.scoped(Effect.gen(function*() {
      const { base, line, notices, smb } = yield* world({ reconnect: Schedule.spaced("1 hour") })
      yield* smb.writeFile(`${base}/f`, content)
      const file = yield* smb.open(`${base}/f`)
      line.refusals = 1
      line.cut()
      const fiber = yield* Effect.forkChild(file.read(0, 10))
      while (line.attempts < 2) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* Fiber.interrupt(fiber)
      assert.notInclude(notices.map(({ _tag }) => _tag), "Back")
      // The next operation tries again, and succeeds.
      assert.deepStrictEqual(
        Result.isSuccess(yield* Effect.result(Effect.timeout(smb.stat(`${base}/f`), "10 seconds"))),
        true
      )
    })))
})

const transfers: Record<string, (smb: World["smb"], path: string) => Effect.Effect<unknown, unknown>> = {
  sink: (smb, path) => Stream.run(Stream.fromIterable(pieces(40_000)), smb.sink(path)),
  writeFrom: (smb, path) => smb.writeFrom(path, filling()),
  "writeFile of a large file": (smb, path) => smb.writeFile(path, content),
  "writeFile, atomic": (smb, path) => smb.writeFile(path, content, { atomic: true })
}

const pieces = function*(size: number) {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size)
}

const filling = () => {
  let at = 0
  return (buffer: Uint8Array) =>
    Effect.sync(() => {
      const part = content.subarray(at, at + buffer.length)
      buffer.set(part)
      at += part.length
      return part.length
    })
}

const gathered = <E>(stream: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => new Uint8Array(Buffer.concat(chunks)))

const readers: Record<string, (smb: World["smb"], path: string) => Effect.Effect<Uint8Array, unknown>> = {
  stream: (smb, path) => gathered(smb.stream(path)),
  readTo: (smb, path) =>
    Effect.suspend(() => {
      const all = new Uint8Array(content.length)
      return Effect.as(smb.readTo(path, (chunk, offset) => Effect.sync(() => all.set(chunk, Number(offset)))), all)
    }),
  readFile: (smb, path) => smb.readFile(path)
}

/** Small requests, so that a transfer has many of them. */
const small = { maximumTransfer: 65_536 }

describe("a transfer whose connection is cut ten times", () => {
  for (const [kept, server] of [["kept", {}], ["not kept", forgetful]] as const) {
    for (const how of ["before", "after"] as const) {
      it.live.each(Object.entries(transfers))(
        `arrives whole at a server that has ${kept} the open, cut ${how} a WRITE: %s`,
        ([, transfer]) =>
          Effect.scoped(Effect.gen(function*() {
            const made = yield* world(small, server)
            const { base, other, smb } = made
            const cuts = cutting(made, Command.WRITE, 5, 10, how)
            yield* transfer(smb, `${base}/f`)
            assert.isAtLeast(cuts(), how === "before" ? 10 : 2)
            assert.deepStrictEqual(yield* other.readFile(`${base}/f`), content)
          }))
      )
    }
    it.live.each(Object.entries(readers))(
      `arrives whole from a server that has ${kept} the open: %s`,
      ([, read]) =>
        Effect.scoped(Effect.gen(function*() {
          const made = yield* world(small, server)
          const { base, other, smb } = made
          yield* other.writeFile(`${base}/f`, content)
          const cuts = cutting(made, Command.READ, 5, 10)
          assert.deepStrictEqual(yield* read(smb, `${base}/f`), content)
          assert.strictEqual(cuts(), 10)
        }))
    )
  }
})

describe("a directory whose connection is cut", () => {
  it.live("is listed on, each name once", () =>
    Effect.scoped(Effect.gen(function*() {
      const made = yield* world()
      const { base, other, smb } = made
      const names = Array.from({ length: 3000 }, (_, i) => `a-rather-long-name-of-a-file-${String(i).padStart(5, "0")}`)
      yield* other.makeDirectory(`${base}/d`)
      yield* Effect.forEach(names, (name) => other.writeFile(`${base}/d/${name}`, ""), { concurrency: 16 })
      const cuts = cutting(made, Command.QUERY_DIRECTORY, 2, 3)
      const entries = yield* Stream.runCollect(smb.list(`${base}/d`))
      assert.isAtLeast(cuts(), 1)
      assert.deepStrictEqual(entries.map(({ name }) => name).toSorted(), names)
    })))

  it.live("is watched on: `Overflow` for the time that was not watched, and then each change", () =>
    Effect.scoped(Effect.gen(function*() {
      const { base, line, other, smb } = yield* world()
      yield* other.makeDirectory(`${base}/d`)
      const seen: Array<Change> = []
      const fiber = yield* smb.watch(`${base}/d`, { onStart: Effect.sync(() => void started.push(1)) }).pipe(
        Stream.tap((change) => Effect.sync(() => void seen.push(change))),
        Stream.takeUntil((change) => change._tag === "Change" && change.name === "last"),
        Stream.runDrain,
        Effect.forkChild
      )
      while (started.length === 0) yield* turn
      yield* other.writeFile(`${base}/d/first`, "")
      while (!seen.some((change) => change._tag === "Change" && change.name === "first")) yield* turn
      line.cut()
      while (!seen.some(({ _tag }) => _tag === "Overflow")) yield* turn
      yield* other.writeFile(`${base}/d/last`, "")
      yield* Fiber.join(fiber)
    })))
})

const started: Array<number> = []
const turn = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))

describe("a client with DFS", () => {
  it.live("waits for the only target of a path, and reads on there", () =>
    Effect.scoped(Effect.gen(function*() {
      const made = yield* world(small)
      const { base, line, other } = made
      const { smb } = yield* made.withDfs
      yield* other.writeFile(`${base}/f`, content)
      const cuts = cutting(made, Command.READ, 5, 5)
      for (const read of Object.values(readers)) {
        assert.deepStrictEqual(yield* read(smb, `${base}/f`), content)
      }
      assert.strictEqual(cuts(), 5)
      assert.isAtLeast(line.connections, 6)
    })))
})
