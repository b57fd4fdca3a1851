/**
 * What a program can rely on with any `FileSystem` of Effect: the same tests run on a local disk, on this project's
 * server and on smbd, so that a program does not see which it is.
 */
import { assert, layer as withLayer } from "@effect/vitest"
import {
  Deferred,
  Effect,
  Exit,
  Fiber,
  FileSystem,
  type Layer,
  Option,
  type PlatformError,
  Scope,
  Sink,
  Stream
} from "effect"

/** What a storage does not have. The suite asserts how it says so. */
export interface Traits {
  /** `symlink` and `link` are refused with BadArgument. */
  readonly withoutSymbolicLinks?: boolean
  /** Names that differ by case alone are one name. */
  readonly ignoresCase?: boolean
  /** Windows' attributes take the place of permission bits, and no owner has a number. */
  readonly hasNoOwners?: boolean
}

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (data: Uint8Array) => new TextDecoder().decode(data)

/** Bytes that differ at each place, as far as 1 MiB. */
const pattern = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8) * 7 + (i >>> 16)) & 0xff)

/** The tag of the failure, and its method and path. */
const failureOf = <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

const tagOf = <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
  Effect.map(failureOf(effect), ({ _tag }) => _tag)

const collect = (stream: Stream.Stream<Uint8Array, PlatformError.PlatformError>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => Array.from(chunks))

/** The file system, and a new folder for one test. */
const world = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "suite-" })
  const at = (path: string) => `${folder}/${path}`
  const write = (path: string, content: string) => fs.writeFileString(at(path), content)
  const read = (path: string) => fs.readFileString(at(path))
  return { fs, folder, at, write, read }
})

type World = Effect.Success<typeof world>

/** The suite of one file system. */
export const fileSystemSuite = <E>(
  name: string,
  layer: Layer.Layer<FileSystem.FileSystem, E>,
  traits: Traits = {}
): void =>
  withLayer(layer, { excludeTestServices: true, timeout: "60 seconds" })(`FileSystem on ${name}`, (it) => {
    const test = (title: string, body: (world: World) => Effect.Effect<void, unknown, Scope.Scope>) =>
      it.effect(title, () => Effect.scoped(Effect.flatMap(world, body)))

    // --- whole files -------------------------------------------------------------------------------------------------

    test("writes and reads whole files, empty and large ones too", ({ at, fs, read, write }) =>
      Effect.gen(function*() {
        yield* write("a.txt", "hello")
        assert.strictEqual(yield* read("a.txt"), "hello")
        yield* write("a.txt", "by")
        assert.strictEqual(yield* read("a.txt"), "by")
        yield* fs.writeFile(at("empty"), new Uint8Array(0))
        assert.strictEqual((yield* fs.readFile(at("empty"))).length, 0)
        const large = pattern(1_500_001)
        yield* fs.writeFile(at("large"), large)
        assert.isTrue(Buffer.from(yield* fs.readFile(at("large"))).equals(large))
        yield* write("bom", "\ufeffé")
        assert.strictEqual(yield* read("bom"), "é")
        yield* fs.writeFile(at("latin"), Uint8Array.of(0xe9))
        assert.strictEqual(yield* fs.readFileString(at("latin"), "latin1"), "é")
        assert.strictEqual(yield* tagOf(fs.readFileString(at("latin"), "no-such-encoding")), "BadArgument")
      }))

    test("writes whole files by each flag", ({ at, fs, read, write }) =>
      Effect.gen(function*() {
        const put = (path: string, flag: FileSystem.OpenFlag) => fs.writeFileString(at(path), "new", { flag })
        yield* put("wx", "wx")
        assert.strictEqual(yield* tagOf(put("wx", "wx")), "AlreadyExists")
        assert.strictEqual(yield* tagOf(put("wx", "wx+")), "AlreadyExists")
        assert.strictEqual(yield* tagOf(put("wx", "ax")), "AlreadyExists")
        assert.strictEqual(yield* tagOf(put("wx", "ax+")), "AlreadyExists")
        yield* write("r+", "longer")
        yield* put("r+", "r+")
        assert.strictEqual(yield* read("r+"), "newger")
        assert.strictEqual(yield* tagOf(put("none", "r+")), "NotFound")
        yield* write("a", "old ")
        yield* put("a", "a")
        yield* put("a", "a+")
        assert.strictEqual(yield* read("a"), "old newnew")
        yield* put("a", "w+")
        assert.strictEqual(yield* read("a"), "new")
        for (const flag of ["a", "ax", "a+", "ax+", "w+", "wx+"] as const) {
          yield* put(`made-${flag}`, flag)
          assert.strictEqual(yield* read(`made-${flag}`), "new")
        }
      }))

    test("names the method, the path and the cause of a failure", ({ at, fs, write }) =>
      Effect.gen(function*() {
        const none = at("none")
        const methods = {
          access: fs.access(none),
          chmod: fs.chmod(none, 0o600),
          copyFile: fs.copyFile(none, at("to")),
          copy: fs.copy(none, at("to")),
          lstat: fs.lstat(none),
          open: Effect.scoped(fs.open(none)),
          readDirectory: fs.readDirectory(none),
          readDirectoryEntries: fs.readDirectoryEntries(none),
          readFile: fs.readFile(none),
          readLink: fs.readLink(none),
          realPath: fs.realPath(none),
          remove: fs.remove(none),
          rename: fs.rename(none, at("to")),
          stat: fs.stat(none),
          truncate: fs.truncate(none)
        }
        for (const [method, effect] of Object.entries(methods)) {
          const reason = yield* failureOf<unknown, never>(effect)
          // Node's `cp` has its own way to say it.
          assert.include(["NotFound", ...method === "copy" ? ["Unknown"] : []], reason._tag, method)
          assert.strictEqual(reason.module, "FileSystem", method)
          assert.strictEqual(reason.method, method)
          assert.strictEqual((reason as PlatformError.SystemError).pathOrDescriptor, none, method)
          assert.isDefined(reason.cause, method)
        }
        assert.strictEqual(yield* tagOf(fs.utimes(none, 1, 1)), "NotFound")
        assert.strictEqual(yield* tagOf(fs.chown(none, 0, 0)), "NotFound")
        assert.strictEqual(yield* tagOf(fs.link(none, at("to"))), "NotFound")
        assert.strictEqual(yield* tagOf(Stream.runDrain(fs.stream(none))), "NotFound")
        assert.strictEqual(yield* tagOf(Stream.runDrain(fs.watch(none))), "NotFound")
        assert.strictEqual(yield* tagOf(Stream.run(Stream.make(bytes("x")), fs.sink(at("none/x")))), "NotFound")
        assert.strictEqual(yield* tagOf(write("none/x", "x")), "NotFound")
        assert.strictEqual(yield* tagOf(fs.makeDirectory(at("none/x"))), "NotFound")
        assert.strictEqual(yield* tagOf(fs.makeTempFile({ directory: none })), "NotFound")
        assert.strictEqual(yield* tagOf(fs.stat("")), "NotFound")
        assert.strictEqual(yield* tagOf(fs.stat(at("a\0b"))), "BadArgument")
        assert.isFalse(yield* fs.exists(none))
        assert.isFalse(yield* fs.exists(at("none/x")))
      }))

    test("says that a directory is no file, and a file no directory", ({ at, fs, write }) =>
      Effect.gen(function*() {
        yield* fs.makeDirectory(at("d"))
        yield* write("f", "x")
        for (
          const [what, effect] of Object.entries<Effect.Effect<unknown, PlatformError.PlatformError>>({
            readFile: fs.readFile(at("d")),
            writeFile: fs.writeFileString(at("d"), "x"),
            open: Effect.scoped(fs.open(at("d"), { flag: "r+" })),
            truncate: fs.truncate(at("d")),
            stream: Stream.runDrain(fs.stream(at("d"))),
            sink: Stream.run(Stream.make(bytes("x")), fs.sink(at("d"))),
            readDirectory: fs.readDirectory(at("f")),
            readDirectoryEntries: fs.readDirectoryEntries(at("f")),
            slash: fs.stat(at("f/")),
            slashRead: fs.readFile(at("f/")),
            slashWrite: fs.writeFileString(at("g/"), "x"),
            onto: fs.rename(at("f"), at("d")),
            over: fs.rename(at("d"), at("f"))
          })
        ) {
          assert.strictEqual(yield* tagOf(effect), "BadResource", what)
        }
        assert.strictEqual((yield* fs.stat(at("d/"))).type, "Directory")
        assert.strictEqual(yield* tagOf(fs.makeDirectory(at("d"))), "AlreadyExists")
        assert.strictEqual(yield* tagOf(fs.makeDirectory(at("f"))), "AlreadyExists")
        assert.strictEqual(yield* tagOf(fs.makeDirectory(at("f"), { recursive: true })), "AlreadyExists")
      }))

    // --- open files --------------------------------------------------------------------------------------------------

    test("moves the cursor of an open file with its reads", ({ at, fs, write }) =>
      Effect.gen(function*() {
        yield* write("f", "lorem ipsum dolar sit amet")
        const file = yield* fs.open(at("f"))
        assert.isTrue(FileSystem.isFile(file))
        const next = (size: number) =>
          Effect.map(file.readAlloc(size), (found) => Option.isSome(found) ? text(found.value) : undefined)
        assert.strictEqual(yield* next(5), "lorem")
        assert.strictEqual(yield* file.seek(7n, "current"), 12n)
        assert.strictEqual(yield* next(5), "dolar")
        assert.strictEqual(yield* file.seek(0n, "start"), 0n)
        const buffer = new Uint8Array(11)
        assert.strictEqual(yield* file.read(buffer), 11)
        assert.strictEqual(text(buffer), "lorem ipsum")
        assert.strictEqual(yield* file.read(new Uint8Array(0)), 0)
        // At a position, and the cursor stays.
        assert.strictEqual(yield* file.read(buffer, { position: 22n }), 4)
        assert.strictEqual(text(buffer.subarray(0, 4)), "amet")
        assert.strictEqual(text(Option.getOrThrow(yield* file.readAlloc(3, { position: 6n }))), "ips")
        assert.strictEqual(yield* file.seek(0n, "current"), 11n)
        assert.strictEqual(yield* next(1000), " dolar sit amet")
        assert.strictEqual(yield* next(1), undefined)
        assert.strictEqual(yield* file.read(buffer), 0)
        assert.strictEqual(yield* file.read(buffer, { position: 1_000_000n }), 0)
        assert.deepStrictEqual(yield* file.readAlloc(1, { position: 1_000_000n }), Option.none())
        assert.strictEqual(yield* tagOf(file.seek(-1n, "start")), "BadArgument")
        assert.strictEqual(yield* tagOf(file.seek(-100n, "current")), "BadArgument")
        assert.strictEqual(yield* tagOf(file.read(buffer, { position: -1n })), "BadArgument")
        assert.strictEqual(yield* tagOf(file.readAlloc(1, { position: -1n })), "BadArgument")
        assert.strictEqual(yield* tagOf(file.readAlloc(-1)), "BadArgument")
        assert.strictEqual(yield* tagOf(file.readAlloc(1.5)), "BadArgument")
        assert.strictEqual(yield* file.seek(0n, "current"), 26n)
      }))

    test("moves the cursor with its writes, and writes after a gap", ({ at, fs, read }) =>
      Effect.gen(function*() {
        const file = yield* fs.open(at("f"), { flag: "w+" })
        assert.strictEqual(yield* file.write(bytes("lorem ipsum")), 11)
        yield* file.writeAll(bytes(" dolor sit amet"))
        yield* file.writeAll(new Uint8Array(0))
        assert.strictEqual(yield* read("f"), "lorem ipsum dolor sit amet")
        yield* file.seek(-4n, "current")
        yield* file.write(bytes("hello world"))
        assert.strictEqual(yield* read("f"), "lorem ipsum dolor sit hello world")
        yield* file.seek(6n, "start")
        yield* file.write(bytes("blabl"))
        assert.strictEqual(yield* read("f"), "lorem blabl dolor sit hello world")
        assert.strictEqual(yield* file.seek(0n, "current"), 11n)
        yield* file.seek(40n, "start")
        yield* file.writeAll(bytes("!"))
        assert.strictEqual(yield* read("f"), `lorem blabl dolor sit hello world${"\0".repeat(7)}!`)
        assert.strictEqual((yield* file.stat).size, 41n)
        yield* file.sync
        yield* file.seek(0n, "start")
        assert.strictEqual(text(Option.getOrThrow(yield* file.readAlloc(5))), "lorem")
      }))

    test("appends to the end, with a cursor for reads alone", ({ at, fs, read, write }) =>
      Effect.gen(function*() {
        const file = yield* fs.open(at("f"), { flag: "a+" })
        yield* file.write(bytes("foo"))
        yield* file.seek(0n, "start")
        yield* file.write(bytes("bar"))
        assert.strictEqual(yield* read("f"), "foobar")
        assert.strictEqual(text(Option.getOrThrow(yield* file.readAlloc(3))), "foo")
        yield* file.writeAll(bytes("baz"))
        assert.strictEqual(yield* read("f"), "foobarbaz")
        assert.strictEqual(text(Option.getOrThrow(yield* file.readAlloc(10))), "barbaz")
        // The end is where it is now, also if another program has moved it.
        yield* write("f", "other")
        yield* file.writeAll(bytes("!"))
        assert.strictEqual(yield* read("f"), "other!")
        yield* file.truncate(2)
        yield* file.writeAll(bytes("?"))
        assert.strictEqual(yield* read("f"), "ot?")
      }))

    test("loses nothing if several append at the same time", ({ at, fs, read }) =>
      Effect.gen(function*() {
        const lines = Array.from({ length: 24 }, (_, i) => `line ${i}\n`)
        yield* Effect.forEach(
          lines,
          (line) =>
            Effect.scoped(Effect.flatMap(fs.open(at("log"), { flag: "a" }), (file) => file.writeAll(bytes(line)))),
          { concurrency: 6, discard: true }
        )
        const found = (yield* read("log")).split("\n").filter((line) => line !== "")
        assert.deepStrictEqual(found.toSorted(), lines.map((line) => line.trimEnd()).toSorted())
      }))

    test("cuts and extends files, open ones and by path", ({ at, fs, read, write }) =>
      Effect.gen(function*() {
        const file = yield* fs.open(at("f"), { flag: "w+" })
        yield* file.writeAll(bytes("lorem ipsum dolor sit amet"))
        yield* file.seek(6n, "start")
        yield* file.truncate(11)
        assert.strictEqual(yield* file.seek(0n, "current"), 6n)
        assert.strictEqual(yield* read("f"), "lorem ipsum")
        yield* file.seek(11n, "start")
        yield* file.truncate(5)
        assert.strictEqual(yield* file.seek(0n, "current"), 5n)
        yield* file.truncate(7)
        assert.strictEqual(yield* read("f"), "lorem\0\0")
        yield* file.truncate()
        assert.strictEqual((yield* file.stat).size, 0n)
        assert.strictEqual(yield* file.seek(0n, "current"), 0n)
        yield* write("g", "hello world")
        yield* fs.truncate(at("g"), 5)
        assert.strictEqual(yield* read("g"), "hello")
        yield* fs.truncate(at("g"))
        assert.strictEqual(yield* read("g"), "")
        assert.strictEqual(yield* tagOf(fs.truncate(at("g"), 1.5)), "BadArgument")
      }))

    test("opens by each flag, and refuses what the flag does not allow", ({ at, fs, read, write }) =>
      Effect.gen(function*() {
        const use = <A, E>(
          path: string,
          flag: FileSystem.OpenFlag,
          run: (file: FileSystem.File) => Effect.Effect<A, E>
        ) => Effect.scoped(Effect.flatMap(fs.open(at(path), { flag }), run))
        assert.strictEqual(yield* tagOf(use("none", "r", () => Effect.void)), "NotFound")
        assert.strictEqual(yield* tagOf(use("none", "r+", () => Effect.void)), "NotFound")
        for (const flag of ["w", "w+", "wx", "wx+", "a", "a+", "ax", "ax+"] as const) {
          yield* use(`made-${flag}`, flag, (file) => file.writeAll(bytes(flag)))
          assert.strictEqual(yield* read(`made-${flag}`), flag)
        }
        for (const flag of ["wx", "wx+", "ax", "ax+"] as const) {
          assert.strictEqual(yield* tagOf(use(`made-${flag}`, flag, () => Effect.void)), "AlreadyExists")
        }
        yield* write("f", "content")
        yield* use("f", "r+", (file) => file.writeAll(bytes("CON")))
        assert.strictEqual(yield* read("f"), "CONtent")
        // A local disk has no tag for this.
        assert.include(["BadResource", "Unknown"], yield* tagOf(use("f", "r", (file) => file.writeAll(bytes("x")))))
        assert.include(["BadResource", "Unknown"], yield* tagOf(use("f", "w", (file) => file.read(new Uint8Array(1)))))
        assert.strictEqual(yield* read("f"), "")
      }))

    test("reads many positions of one open file at the same time", ({ at, fs }) =>
      Effect.gen(function*() {
        const content = pattern(300_000)
        yield* fs.writeFile(at("f"), content)
        const file = yield* fs.open(at("f"))
        yield* Effect.forEach(
          Array.from({ length: 30 }, (_, i) => i * 9_999),
          (position) =>
            Effect.map(
              file.readAlloc(5_000, { position: BigInt(position) }),
              (found) =>
                assert.isTrue(
                  Buffer.from(Option.getOrThrow(found)).equals(content.subarray(position, position + 5_000))
                )
            ),
          { concurrency: 8, discard: true }
        )
      }))

    test("closes an open file with its scope, also after an interruption and a failure", ({ at, fs, write }) =>
      Effect.gen(function*() {
        yield* write("f", "content")
        const opened = yield* Deferred.make<FileSystem.File>()
        const fiber = yield* Effect.forkChild(Effect.scoped(Effect.gen(function*() {
          yield* Deferred.succeed(opened, yield* fs.open(at("f"), { flag: "r+" }))
          yield* Effect.never
        })))
        const interrupted = yield* Deferred.await(opened)
        assert.strictEqual((yield* interrupted.stat).size, 7n)
        yield* Fiber.interrupt(fiber)
        const scope = yield* Scope.make()
        const closed = yield* Scope.provide(fs.open(at("f"), { flag: "r+" }), scope)
        yield* Scope.close(scope, Exit.fail("reason"))
        for (const file of [interrupted, closed]) {
          assert.isTrue(Exit.isFailure(yield* Effect.exit(file.stat)))
          assert.isTrue(Exit.isFailure(yield* Effect.exit(file.writeAll(bytes("x")))))
        }
        // No open is left that would keep the name.
        yield* fs.remove(at("f"))
        yield* write("f", "new")
        assert.strictEqual((yield* fs.readDirectory(at(""))).join(), "f")
      }))

    test("follows no link with noFollow", ({ at, fs, read, write }) =>
      Effect.gen(function*() {
        yield* write("f", "content")
        const flags = ["r", "r+", "w", "w+", "a", "a+"] as const
        const open = (path: string, flag: FileSystem.OpenFlag) =>
          Effect.scoped(fs.open(at(path), { flag, noFollow: true }))
        yield* open("f", "r")
        yield* open("f", "w")
        assert.strictEqual(yield* read("f"), "")
        yield* open("new", "wx")
        yield* open("newer", "w")
        assert.strictEqual(yield* tagOf(open("none", "r")), "NotFound")
        yield* write("f", "content")
        if (traits.withoutSymbolicLinks === true) return
        yield* fs.symlink("f", at("l"))
        yield* fs.symlink("nowhere", at("broken"))
        for (const flag of flags) {
          assert.strictEqual(yield* tagOf(open("l", flag)), "BadResource", flag)
          assert.strictEqual(yield* tagOf(open("broken", flag)), "BadResource", flag)
        }
        assert.strictEqual(yield* fs.readLink(at("l")), "f")
        assert.strictEqual(yield* read("l"), "content")
      }))

    // --- streams and sinks -------------------------------------------------------------------------------------------

    test("streams a file and its ranges in chunks of the wanted size", ({ at, fs }) =>
      Effect.gen(function*() {
        const content = pattern(200_000)
        yield* fs.writeFile(at("f"), content)
        yield* fs.writeFile(at("empty"), new Uint8Array(0))
        const joined = (options?: Parameters<typeof fs.stream>[1]) =>
          Effect.map(collect(fs.stream(at("f"), options)), (chunks) => Buffer.concat(chunks))
        const sizes = (options?: Parameters<typeof fs.stream>[1]) =>
          Effect.map(collect(fs.stream(at("f"), options)), (chunks) => chunks.map(({ length }) => length))
        assert.isTrue((yield* joined()).equals(content))
        assert.deepStrictEqual(yield* sizes(), [65_536, 65_536, 65_536, 3_392])
        assert.deepStrictEqual(yield* sizes({ chunkSize: 70_000 }), [70_000, 70_000, 60_000])
        assert.deepStrictEqual(yield* sizes({ bytesToRead: 7, chunkSize: 3 }), [3, 3, 1])
        assert.deepStrictEqual(yield* sizes({ bytesToRead: 6n, chunkSize: 3 }), [3, 3])
        assert.isTrue((yield* joined({ offset: 1_000, bytesToRead: 100_000 })).equals(content.subarray(1_000, 101_000)))
        assert.isTrue((yield* joined({ offset: 150_001n, chunkSize: 777 })).equals(content.subarray(150_001)))
        assert.isTrue((yield* joined({ offset: "100 kB" })).equals(content.subarray(100_000)))
        assert.deepStrictEqual(yield* sizes({ offset: 199_999, bytesToRead: 10 }), [1])
        assert.deepStrictEqual(yield* sizes({ offset: 200_000 }), [])
        assert.deepStrictEqual(yield* sizes({ offset: 300_000 }), [])
        assert.deepStrictEqual(yield* sizes({ bytesToRead: 0 }), [])
        assert.deepStrictEqual(yield* collect(fs.stream(at("empty"))), [])
        assert.strictEqual(yield* tagOf(Stream.runDrain(fs.stream(at("f"), { chunkSize: -1 }))), "BadArgument")
      }))

    test("ends a stream early, and is done with the file then", ({ at, fs }) =>
      Effect.gen(function*() {
        yield* fs.writeFile(at("f"), pattern(3_000_000))
        const first = yield* Stream.runCollect(Stream.take(fs.stream(at("f")), 1))
        assert.deepStrictEqual(Array.from(first, ({ length }) => length), [65_536])
        yield* fs.remove(at("f"))
        assert.isFalse(yield* fs.exists(at("f")))
        yield* fs.writeFileString(at("f"), "again")
      }))

    test("writes streams by a sink and its flags", ({ at, fs, read, write }) =>
      Effect.gen(function*() {
        const run = (path: string, flag: FileSystem.OpenFlag | undefined, ...chunks: ReadonlyArray<string>) =>
          Stream.run(Stream.fromIterable(chunks.map(bytes)), fs.sink(at(path), { flag }))
        yield* run("f", undefined, "one ", "two ", "three")
        assert.strictEqual(yield* read("f"), "one two three")
        yield* run("f", "w", "1")
        assert.strictEqual(yield* read("f"), "1")
        yield* run("f", "a", "2", "", "3")
        assert.strictEqual(yield* read("f"), "123")
        yield* run("f", "r+", "x")
        assert.strictEqual(yield* read("f"), "x23")
        assert.strictEqual(yield* tagOf(run("f", "wx", "y")), "AlreadyExists")
        yield* run("empty", "wx")
        assert.strictEqual(yield* read("empty"), "")
        assert.include(["BadResource", "Unknown"], yield* tagOf(run("f", "r", "y")))
        const large = pattern(1_300_000)
        yield* fs.writeFile(at("large"), large)
        yield* Stream.run(fs.stream(at("large")), fs.sink(at("copy")))
        assert.isTrue(Buffer.from(yield* fs.readFile(at("copy"))).equals(large))
        // A program that fails in between has closed the file, with the bytes that came before.
        yield* write("g", "longer than before")
        const failing = Stream.concat(Stream.make(bytes("begun")), Stream.fail("stop"))
        assert.strictEqual(yield* Effect.flip(Stream.run(failing, fs.sink(at("g")))), "stop")
        yield* fs.remove(at("g"))
        assert.isFalse(yield* fs.exists(at("g")))
        // A sink within a program that reads only a part.
        const head = Sink.take<Uint8Array>(1)
        assert.strictEqual(Array.from(yield* Stream.run(fs.stream(at("large"), { chunkSize: 5 }), head))[0]!.length, 5)
      }))

    // --- attributes --------------------------------------------------------------------------------------------------

    test("says what a file is: type, size, times, number and links", ({ at, fs, write }) =>
      Effect.gen(function*() {
        const before = Date.now()
        yield* write("f", "content")
        yield* write("g", "content")
        yield* fs.makeDirectory(at("d"))
        const [file, other, directory] = yield* Effect.all([fs.stat(at("f")), fs.stat(at("g")), fs.stat(at("d"))])
        assert.strictEqual(file.type, "File")
        assert.strictEqual(file.size, 7n)
        assert.strictEqual(directory.type, "Directory")
        assert.strictEqual(file.mode & 0o170_000, 0o100_000)
        assert.strictEqual(directory.mode & 0o170_000, 0o040_000)
        assert.notStrictEqual(file.mode & 0o200, 0)
        assert.deepStrictEqual(file.nlink, Option.some(1n))
        assert.strictEqual(file.dev, other.dev)
        const numbers = [file, other, directory].map(({ ino }) => Option.getOrThrow(ino))
        assert.strictEqual(new Set(numbers).size, 3)
        assert.deepStrictEqual(yield* fs.lstat(at("f")), file)
        for (const time of [file.mtime, file.atime, file.birthtime]) {
          assert.approximately(Option.getOrThrow(time).getTime(), before, 120_000)
        }
        yield* Effect.scoped(Effect.gen(function*() {
          const open = yield* fs.open(at("f"))
          const info = yield* open.stat
          assert.deepStrictEqual(
            [info.type, info.size, info.ino, info.dev, info.nlink, info.mode],
            [file.type, file.size, file.ino, file.dev, file.nlink, file.mode]
          )
        }))
        yield* fs.rename(at("f"), at("h"))
        assert.deepStrictEqual((yield* fs.stat(at("h"))).ino, file.ino)
      }))

    test("sets times, as dates and as seconds", ({ at, fs, write }) =>
      Effect.gen(function*() {
        yield* write("f", "content")
        yield* fs.makeDirectory(at("d"))
        const atime = new Date("2001-02-03T04:05:06.000Z")
        const mtime = new Date("2011-12-13T14:15:16.500Z")
        for (const path of ["f", "d"]) {
          yield* fs.utimes(at(path), atime, mtime)
          const info = yield* fs.stat(at(path))
          assert.deepStrictEqual(info.mtime, Option.some(mtime))
          assert.deepStrictEqual(info.atime, Option.some(atime))
        }
        yield* fs.utimes(at("f"), 86_400, 172_800.25)
        const info = yield* fs.stat(at("f"))
        assert.strictEqual(Option.getOrThrow(info.mtime).getTime(), 172_800_250)
        assert.strictEqual(Option.getOrThrow(info.atime).getTime(), 86_400_000)
      }))

    test("makes files read-only and writable again by their mode", ({ at, fs, read, write }) =>
      Effect.gen(function*() {
        yield* write("f", "content")
        yield* fs.chmod(at("f"), 0o444)
        assert.strictEqual((yield* fs.stat(at("f"))).mode & 0o222, 0)
        yield* fs.access(at("f"), { readable: true })
        assert.strictEqual(yield* read("f"), "content")
        // The administrator of a local disk can write to it nevertheless.
        if (traits.hasNoOwners === true) {
          assert.strictEqual(yield* tagOf(fs.access(at("f"), { writable: true })), "PermissionDenied")
          assert.strictEqual(yield* tagOf(write("f", "x")), "PermissionDenied")
          assert.strictEqual(yield* tagOf(Effect.scoped(fs.open(at("f"), { flag: "a" }))), "PermissionDenied")
          assert.strictEqual(yield* tagOf(fs.truncate(at("f"))), "PermissionDenied")
        }
        yield* fs.chmod(at("f"), 0o644)
        yield* fs.access(at("f"), { readable: true, writable: true })
        yield* write("f", "changed")
        // A new file with such a mode can be written by its first open.
        yield* Effect.scoped(Effect.gen(function*() {
          const file = yield* fs.open(at("new"), { flag: "w", mode: 0o444 })
          yield* file.writeAll(bytes("first"))
        }))
        assert.strictEqual((yield* fs.stat(at("new"))).mode & 0o222, 0)
        yield* fs.writeFileString(at("once"), "x", { mode: 0o400, flag: "wx" })
        assert.strictEqual((yield* fs.stat(at("once"))).mode & 0o222, 0)
        // An existing file keeps its mode.
        yield* fs.writeFileString(at("f"), "kept", { mode: 0o444 })
        assert.notStrictEqual((yield* fs.stat(at("f"))).mode & 0o200, 0)
        assert.strictEqual(yield* read("f"), "kept")
        // To remove a file needs no permission of the file.
        yield* fs.remove(at("new"))
        assert.isFalse(yield* fs.exists(at("new")))
      }))

    test("says what the user can do", ({ at, fs, write }) =>
      Effect.gen(function*() {
        yield* write("f", "content")
        yield* fs.makeDirectory(at("d"))
        for (const path of ["f", "d"]) {
          yield* fs.access(at(path))
          yield* fs.access(at(path), { ok: true, readable: true, writable: true })
        }
        assert.isTrue(yield* fs.exists(at("f")))
        assert.isTrue(yield* fs.exists(at("d")))
        if (traits.hasNoOwners === true) {
          assert.strictEqual(yield* tagOf(fs.chown(at("f"), 1000, 1000)), "PermissionDenied")
          assert.deepStrictEqual((yield* fs.stat(at("f"))).uid, Option.none())
        }
      }))

    // --- directories and trees ---------------------------------------------------------------------------------------

    const tree = ({ at, fs, write }: World) =>
      Effect.gen(function*() {
        yield* fs.makeDirectory(at("t/sub/deep"), { recursive: true })
        yield* fs.makeDirectory(at("t/empty"))
        yield* write("t/a.txt", "a")
        yield* write("t/sub/b.txt", "b")
        yield* write("t/sub/deep/c.txt", "c")
      })

    const content = ["a.txt", "empty", "sub", "sub/b.txt", "sub/deep", "sub/deep/c.txt"]

    test("makes directories, lists them, and lists trees", (world) =>
      Effect.gen(function*() {
        const { at, fs } = world
        yield* tree(world)
        yield* fs.makeDirectory(at("t/sub"), { recursive: true })
        assert.deepStrictEqual((yield* fs.readDirectory(at("t"))).toSorted(), ["a.txt", "empty", "sub"])
        assert.deepStrictEqual(yield* fs.readDirectory(at("t/empty")), [])
        assert.deepStrictEqual((yield* fs.readDirectory(at("t"), { recursive: true })).toSorted(), content)
        assert.deepStrictEqual(
          (yield* fs.readDirectoryEntries(at("t"))).toSorted((a, b) => a.name < b.name ? -1 : 1),
          [
            { name: "a.txt", type: "File" },
            { name: "empty", type: "Directory" },
            { name: "sub", type: "Directory" }
          ]
        )
        assert.deepStrictEqual(yield* fs.glob("**/*.txt", { root: at("t") }), ["a.txt", "sub/b.txt", "sub/deep/c.txt"])
        assert.deepStrictEqual(yield* fs.glob("sub/*", { root: at("t"), exclude: ["**/deep"] }), ["sub/b.txt"])
      }))

    test("lists a directory of many entries", ({ at, fs }) =>
      Effect.gen(function*() {
        const names = Array.from({ length: 120 }, (_, i) => `${"entry with a longer name ".repeat(4)}${i}`)
        yield* Effect.forEach(names, (name) => fs.writeFile(at(name), new Uint8Array(0)), { concurrency: 8 })
        assert.deepStrictEqual((yield* fs.readDirectory(at(""))).toSorted(), names.toSorted())
      }))

    test("removes files, and trees only if it is told to", (world) =>
      Effect.gen(function*() {
        const { at, fs } = world
        yield* tree(world)
        // A local disk has no tag for this.
        assert.include(["BadResource", "Unknown"], yield* tagOf(fs.remove(at("t/empty"))))
        assert.include(["BadResource", "Unknown"], yield* tagOf(fs.remove(at("t"))))
        yield* fs.remove(at("t/a.txt"))
        assert.strictEqual(yield* tagOf(fs.remove(at("t/a.txt"))), "NotFound")
        assert.strictEqual(yield* tagOf(fs.remove(at("none"), { recursive: true })), "NotFound")
        yield* fs.remove(at("t/a.txt"), { force: true })
        yield* fs.remove(at("none/below"), { force: true, recursive: true })
        yield* fs.chmod(at("t/sub/deep/c.txt"), 0o444)
        yield* fs.remove(at("t"), { recursive: true })
        assert.isFalse(yield* fs.exists(at("t")))
      }))

    test("renames files and directories, also over existing ones", (world) =>
      Effect.gen(function*() {
        const { at, fs, read, write } = world
        yield* tree(world)
        yield* fs.rename(at("t/a.txt"), at("t/empty/x"))
        assert.strictEqual(yield* read("t/empty/x"), "a")
        yield* write("old", "old")
        yield* write("new", "new")
        yield* fs.rename(at("new"), at("old"))
        assert.strictEqual(yield* read("old"), "new")
        assert.isFalse(yield* fs.exists(at("new")))
        yield* fs.rename(at("old"), at("Old"))
        assert.include(yield* fs.readDirectory(at("")), "Old")
        yield* fs.rename(at("t/sub"), at("moved"))
        assert.strictEqual(yield* read("moved/deep/c.txt"), "c")
        // Over an empty directory, and not over one with entries.
        yield* fs.makeDirectory(at("place"))
        yield* fs.rename(at("moved"), at("place"))
        assert.strictEqual(yield* read("place/b.txt"), "b")
        assert.include(["AlreadyExists", "Unknown"], yield* tagOf(fs.rename(at("place"), at("t"))))
        assert.strictEqual(yield* read("place/b.txt"), "b")
        assert.strictEqual(yield* tagOf(fs.rename(at("Old"), at("none/x"))), "NotFound")
      }))

    test("copies files", ({ at, fs, read, write }) =>
      Effect.gen(function*() {
        yield* write("a", "content")
        yield* fs.copyFile(at("a"), at("b"))
        assert.strictEqual(yield* read("b"), "content")
        yield* write("c", "longer than the source")
        yield* fs.copyFile(at("a"), at("c"))
        assert.strictEqual(yield* read("c"), "content")
        yield* fs.copyFile(at("a"), at("a"))
        assert.strictEqual(yield* read("a"), "content")
        assert.strictEqual(yield* tagOf(fs.copyFile(at("a"), at("none/x"))), "NotFound")
        const large = pattern(1_200_000)
        yield* fs.writeFile(at("large"), large)
        yield* fs.copyFile(at("large"), at("large2"))
        assert.isTrue(Buffer.from(yield* fs.readFile(at("large2"))).equals(large))
        yield* fs.writeFile(at("empty"), new Uint8Array(0))
        yield* fs.copyFile(at("empty"), at("b"))
        assert.strictEqual(yield* read("b"), "")
      }))

    test("copies the permission to write with a file, alone and in a tree", ({ at, fs, write }) =>
      Effect.gen(function*() {
        const isWritable = (path: string) => Effect.map(fs.stat(at(path)), ({ mode }) => (mode & 0o222) !== 0)
        yield* fs.makeDirectory(at("t"))
        yield* write("t/closed", "content")
        yield* write("t/open", "content")
        yield* fs.chmod(at("t/closed"), 0o444)
        yield* fs.copyFile(at("t/closed"), at("closed"))
        yield* fs.copyFile(at("t/open"), at("open"))
        yield* fs.copy(at("t"), at("u"))
        for (const path of ["closed", "u/closed"]) assert.isFalse(yield* isWritable(path), path)
        for (const path of ["open", "u/open"]) assert.isTrue(yield* isWritable(path), path)
        yield* fs.copyFile(at("t/closed"), at("open"))
        assert.isFalse(yield* isWritable("open"))
      }))

    test("copies trees, into existing ones too, and overwrites only if it is told to", (world) =>
      Effect.gen(function*() {
        const { at, fs, read, write } = world
        yield* tree(world)
        const time = new Date("2011-12-13T14:15:16.000Z")
        yield* fs.utimes(at("t/a.txt"), time, time)
        yield* fs.copy(at("t"), at("to/here"), { preserveTimestamps: true })
        assert.deepStrictEqual((yield* fs.readDirectory(at("to/here"), { recursive: true })).toSorted(), content)
        assert.strictEqual(yield* read("to/here/sub/deep/c.txt"), "c")
        assert.deepStrictEqual((yield* fs.stat(at("to/here/a.txt"))).mtime, Option.some(time))
        yield* write("t/a.txt", "changed")
        yield* write("t/new", "new")
        yield* write("to/here/kept", "kept")
        yield* fs.copy(at("t"), at("to/here"))
        assert.strictEqual(yield* read("to/here/a.txt"), "a")
        assert.strictEqual(yield* read("to/here/new"), "new")
        yield* fs.copy(at("t"), at("to/here"), { overwrite: true })
        assert.strictEqual(yield* read("to/here/a.txt"), "changed")
        assert.strictEqual(yield* read("to/here/kept"), "kept")
        yield* fs.copy(at("t/a.txt"), at("single"))
        assert.strictEqual(yield* read("single"), "changed")
        // The tags of a local disk say nothing here.
        for (
          const wrong of [
            fs.copy(at("t"), at("t/sub/t")),
            fs.copy(at("t"), at("t")),
            fs.copy(at("t"), at("single")),
            fs.copy(at("single"), at("t"))
          ]
        ) {
          yield* Effect.flip(wrong)
        }
        assert.deepStrictEqual((yield* fs.readDirectory(at("t/sub"))).toSorted(), ["b.txt", "deep"])
      }))

    test("keeps the characters of names", ({ at, fs }) =>
      Effect.gen(function*() {
        const names = [
          "with blanks",
          ".hidden",
          "é ñ 漢字 🙂",
          "11:05.jpg",
          "what?",
          "a*b",
          "<tag>",
          "pipe|",
          "quo\"te",
          "back\\slash",
          "end.",
          "end ",
          "...",
          "line\nbreak",
          "%41",
          "#1",
          "a;b,c=d+[e]",
          "c:$DATA",
          "x".repeat(200)
        ]
        for (const name of names) yield* fs.writeFileString(at(name), name)
        assert.deepStrictEqual((yield* fs.readDirectory(at(""))).toSorted(), names.toSorted())
        for (const name of names) {
          assert.strictEqual(yield* fs.readFileString(at(name)), name)
          assert.strictEqual((yield* fs.stat(at(name))).type, "File", name)
          yield* fs.rename(at(name), at(`${name}2`))
          yield* fs.remove(at(`${name}2`))
        }
        yield* fs.makeDirectory(at("what?/a:b"), { recursive: true })
        yield* fs.writeFileString(at("what?/a:b/c|d"), "x")
        assert.deepStrictEqual((yield* fs.readDirectory(at(""), { recursive: true })).toSorted(), [
          "what?",
          "what?/a:b",
          "what?/a:b/c|d"
        ])
        assert.isFalse(yield* fs.exists(at("what")))
        assert.isFalse(yield* fs.exists(at("what?\\a:b")))
      }))

    test("resolves dots and repeated separators of a path", ({ at, fs, write }) =>
      Effect.gen(function*() {
        yield* fs.makeDirectory(at("d/e"), { recursive: true })
        yield* write("d/f", "content")
        for (const path of ["d//f", "./d/./f", "d/e/../f", "d/e/../../d/f"]) {
          assert.strictEqual(yield* fs.readFileString(at(path)), "content", path)
        }
        assert.strictEqual(yield* fs.realPath(at("d//e/../f")), yield* fs.realPath(at("d/f")))
        if (traits.ignoresCase === true) {
          assert.strictEqual(yield* fs.realPath(at("D/F")), yield* fs.realPath(at("d/f")))
        }
        assert.isTrue((yield* fs.realPath(at("d/f"))).endsWith("/d/f"))
      }))

    // --- links -------------------------------------------------------------------------------------------------------

    test("makes hard links, and counts them", ({ at, fs, read, write }) =>
      Effect.gen(function*() {
        yield* write("a", "one")
        yield* fs.makeDirectory(at("d"))
        yield* fs.link(at("a"), at("d/b"))
        const [first, second] = yield* Effect.all([fs.stat(at("a")), fs.stat(at("d/b"))])
        assert.deepStrictEqual(first.ino, second.ino)
        assert.deepStrictEqual(second.nlink, Option.some(2n))
        yield* write("a", "two")
        assert.strictEqual(yield* read("d/b"), "two")
        yield* fs.remove(at("a"))
        assert.strictEqual(yield* read("d/b"), "two")
        yield* write("c", "c")
        assert.strictEqual(yield* tagOf(fs.link(at("c"), at("d/b"))), "AlreadyExists")
        assert.strictEqual(yield* tagOf(fs.link(at("c"), at("none/x"))), "NotFound")
      }))

    test("makes symbolic links, follows them and looks at them", ({ at, fs, folder, read, write }) =>
      Effect.gen(function*() {
        yield* write("f", "content")
        yield* fs.makeDirectory(at("d"))
        if (traits.withoutSymbolicLinks === true) {
          assert.strictEqual(yield* tagOf(fs.symlink("f", at("l"))), "BadArgument")
          assert.deepStrictEqual((yield* fs.readDirectory(at(""))).toSorted(), ["d", "f"])
          return
        }
        yield* write("d/g", "below")
        yield* fs.symlink("f", at("l"))
        yield* fs.symlink("../f", at("d/up"))
        yield* fs.symlink(at("d"), at("absolute"))
        yield* fs.symlink("nowhere", at("broken"))
        assert.strictEqual(yield* read("l"), "content")
        assert.strictEqual(yield* read("d/up"), "content")
        assert.strictEqual(yield* read("absolute/g"), "below")
        assert.strictEqual(yield* fs.readLink(at("l")), "f")
        assert.strictEqual(yield* fs.readLink(at("d/up")), "../f")
        assert.strictEqual(yield* fs.readLink(at("absolute")), at("d"))
        assert.include(["InvalidData", "Unknown"], yield* tagOf(fs.readLink(at("f"))))
        assert.strictEqual((yield* fs.lstat(at("l"))).type, "SymbolicLink")
        assert.strictEqual((yield* fs.stat(at("l"))).type, "File")
        assert.strictEqual((yield* fs.stat(at("absolute"))).type, "Directory")
        assert.strictEqual((yield* fs.lstat(at("absolute/"))).type, "Directory")
        assert.deepStrictEqual((yield* fs.stat(at("l"))).ino, (yield* fs.stat(at("f"))).ino)
        assert.isFalse(yield* fs.exists(at("broken")))
        assert.strictEqual((yield* fs.lstat(at("broken"))).type, "SymbolicLink")
        assert.strictEqual(yield* tagOf(fs.symlink("x", at("l"))), "AlreadyExists")
        assert.strictEqual(yield* fs.realPath(at("absolute/g")), yield* fs.realPath(at("d/g")))
        assert.strictEqual(yield* fs.realPath(at("l")), yield* fs.realPath(at("f")))
        const types = yield* fs.readDirectoryEntries(folder)
        assert.strictEqual(types.find(({ name }) => name === "l")!.type, "SymbolicLink")
        // A write goes to the target; a removal and a rename are of the link.
        yield* fs.writeFileString(at("l"), "by the link")
        assert.strictEqual(yield* read("f"), "by the link")
        yield* fs.rename(at("l"), at("m"))
        assert.strictEqual(yield* fs.readLink(at("m")), "f")
        yield* fs.remove(at("m"))
        assert.strictEqual(yield* read("f"), "by the link")
        yield* fs.remove(at("absolute"))
        assert.strictEqual(yield* read("d/g"), "below")
        for (const name of ["c:odd?", "back\\slash", "end."]) {
          yield* write(name, name)
          yield* fs.symlink(name, at(`to ${name}`))
          assert.strictEqual(yield* fs.readLink(at(`to ${name}`)), name)
          assert.strictEqual(yield* read(`to ${name}`), name)
        }
        yield* fs.symlink("loop", at("loop"))
        assert.strictEqual(yield* tagOf(fs.readFile(at("loop"))), "BadResource")
        // A tree with links is removed without what they lead to.
        yield* fs.makeDirectory(at("t"))
        yield* fs.symlink("../d", at("t/out"))
        yield* fs.copy(at("t"), at("t2"))
        assert.strictEqual((yield* fs.lstat(at("t2/out"))).type, "SymbolicLink")
        yield* fs.remove(at("t"), { recursive: true })
        assert.strictEqual(yield* read("d/g"), "below")
      }))

    // --- temporary files ---------------------------------------------------------------------------------------------

    test("makes temporary files and directories, and removes the scoped ones", ({ at, fs, folder }) =>
      Effect.gen(function*() {
        const directory = yield* fs.makeTempDirectory({ directory: folder, prefix: "pre-" })
        assert.isTrue(directory.startsWith(at("pre-")))
        assert.strictEqual((yield* fs.stat(directory)).type, "Directory")
        const file = yield* fs.makeTempFile({ directory: folder, suffix: ".txt" })
        assert.isTrue(file.endsWith(".txt"))
        assert.strictEqual((yield* fs.stat(file)).size, 0n)
        const paths = yield* Effect.scoped(Effect.gen(function*() {
          const scoped = yield* fs.makeTempDirectoryScoped({ directory: folder })
          yield* fs.writeFileString(`${scoped}/x`, "content")
          const inDefault = yield* fs.makeTempFileScoped({ prefix: "suite-" })
          yield* fs.writeFileString(inDefault, "content")
          const others = yield* Effect.all(
            Array.from({ length: 10 }, () => fs.makeTempFileScoped({ directory: folder })),
            { concurrency: 5 }
          )
          assert.strictEqual(new Set(others).size, 10)
          return [scoped, inDefault, ...others]
        }))
        for (const path of paths) assert.isFalse(yield* fs.exists(path), path)
        assert.strictEqual((yield* fs.readDirectory(folder)).length, 2)
      }))

    // --- changes -----------------------------------------------------------------------------------------------------

    /**
     * The events of a watch until one is as wanted. smbd says that it watches before it does (another process of it does
     * the watching), so `change` waits until the watch has reported a change of `first`, which is made again and again.
     */
    const until = (
      { at, fs }: World,
      path: string,
      first: string,
      wanted: (event: FileSystem.WatchEvent) => boolean,
      change: Effect.Effect<unknown, PlatformError.PlatformError>,
      options?: FileSystem.WatchOptions
    ) =>
      Effect.gen(function*() {
        const ready = yield* Deferred.make<void>()
        const reports = yield* Deferred.make<void>()
        const watched = fs.watch(at(path), { ...options, onReady: () => Deferred.doneUnsafe(ready, Effect.void) }).pipe(
          Stream.tap(() => Deferred.succeed(reports, undefined))
        )
        const fiber = yield* Effect.forkChild(Stream.runCollect(Stream.takeUntil(watched, wanted)))
        yield* Effect.raceFirst(Deferred.await(ready), Fiber.join(fiber))
        const changing = Effect.forever(Effect.delay(fs.writeFileString(at(first), `${Math.random()}`), "20 millis"))
        yield* Effect.raceFirst(Deferred.await(reports), changing)
        yield* change
        return yield* Effect.timeout(Fiber.join(fiber), "15 seconds")
      })

    const is = (_tag: FileSystem.WatchEvent["_tag"], path: string) => (event: FileSystem.WatchEvent) =>
      event._tag === _tag && event.path === path

    test("reports changes of a directory and of a file", (world) =>
      Effect.gen(function*() {
        const { at, fs, write } = world
        yield* fs.makeDirectory(at("w"))
        yield* until(world, "w", "w/first", is("Create", "a:b"), write("w/a:b", "x"))
        yield* until(world, "w", "w/first", is("Update", "a:b"), write("w/a:b", "changed"))
        yield* until(world, "w", "w/first", is("Create", "c"), fs.rename(at("w/a:b"), at("w/c")))
        yield* until(world, "w/c", "w/c", is("Update", "c"), write("w/c", "changed again"))
        yield* until(world, "w", "w/first", is("Remove", "c"), fs.remove(at("w/c")))
        yield* fs.makeDirectory(at("w/sub"))
        yield* until(world, "w", "w/first", is("Create", "sub/d"), write("w/sub/d", "x"), { recursive: true })
      }))
  })
