/**
 * Tests of what every `ShareStore` must do: a server's responses are only as good as the store below it.
 *
 * The author of a store runs all of them with one line in a test file:
 *
 * ```ts
 * storeConformance("MyStore", MyStore.make(...))
 * ```
 *
 * The effect gives a fresh, empty store for each test and lives in the test's scope, so that it can make a temporary
 * folder and remove it. `StoreTraits.lacks` names the features that the store does not have. Tests of those features are
 * skipped, with the reason in their titles. The other tests prove that each other feature works, and that features which
 * `volume.supports` does not have fail with `Unsupported`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import type { Scope } from "effect"
import { ReparseTag } from "../../src/Codec/Reparse.ts"
import type {
  Blob,
  ShareStore,
  StoreError,
  StoreNode,
  StoreOpen,
  StoreOpened,
  StorePath,
  StoreReason
} from "../../src/Server/ShareStore.ts"
import { FileAttributes } from "../../src/Smb2/Message/Constants.ts"
import { modelAgrees } from "./model.ts"
import { type Outside, tellsOfOthers } from "./outside.ts"

/** What a store may lack, with the words for a title. `link`, `mayRemove` and `readInto` are its optional functions. */
const features = {
  streams: "no named streams",
  securityDescriptors: "no security descriptors",
  extendedAttributes: "no extended attributes",
  reparsePoints: "no reparse points",
  sparse: "no sparse files",
  objectIds: "no object ids",
  link: "no links",
  mayRemove: "no mayRemove",
  readInto: "no readInto"
} as const

/** A feature that a store may lack. */
export type StoreFeature = keyof typeof features

/** The limits of a store, which decide what the kit tests. */
export interface StoreTraits {
  /** The features that the store does not have. A test fails if the store itself says otherwise. Default: none. */
  readonly lacks?: ReadonlyArray<StoreFeature>
  /** The store's resolution of times, in ticks of 100 ns. Default: 1. */
  readonly timeResolution?: bigint
  /** Whether the store keeps creation times, change times and attributes as they are set. Default: true. */
  readonly keepsMetadata?: boolean
  /** Whether this storage cannot keep a name that other storages can keep. */
  readonly cannotName?: (name: string) => boolean
  /** The number of files in one directory, and of files open at once, in the tests with many files. Default: 1200. */
  readonly many?: number
  /** How another program changes the files of a store that has `changes`. */
  readonly outside?: (store: ShareStore) => Outside
}

type Make = Effect.Effect<ShareStore, unknown, Scope.Scope>

const text = (value: string) => new TextEncoder().encode(value)
const string = (bytes: Uint8Array | undefined) =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes ?? assert.fail("the store keeps no bytes"))

/** 2024-02-29T12:34:56.7654321Z */
const someTime = 133_536_980_967_654_321n

const file = { mode: "existing", type: "file" } as const
const newFile = { mode: "new", type: "file" } as const
const newDirectory = { mode: "new", type: "directory" } as const

/** Opens a file, uses it and closes it. */
const using = <A, E>(
  store: ShareStore,
  path: StorePath,
  how: StoreOpen,
  use: (opened: StoreOpened) => Effect.Effect<A, E>
): Effect.Effect<A, E | StoreError> => Effect.scoped(Effect.flatMap(store.open(path, how), use))

const put = (store: ShareStore, path: StorePath, content: string | Uint8Array) =>
  using(
    store,
    path,
    { mode: "either", type: "file" },
    ({ file }) =>
      Effect.andThen(file.truncate(0n), file.write(0n, typeof content === "string" ? text(content) : content))
  )

const get = (store: ShareStore, path: StorePath, stream?: string) =>
  using(
    store,
    path,
    stream === undefined ? file : { ...file, stream },
    ({ file, node }) => Effect.map(file.read(0n, Number(node.size)), string)
  )

const mkdir = (store: ShareStore, path: StorePath) => using(store, path, newDirectory, () => Effect.void)

const list = (store: ShareStore, path: StorePath) => Stream.runCollect(store.list(path))
const names = (store: ShareStore, path: StorePath) =>
  Effect.map(list(store, path), (nodes) => nodes.map((node) => node.name).sort())

/** Asserts that the effect fails with one of these reasons. */
const refused = <A>(
  effect: Effect.Effect<A, StoreError, Scope.Scope>,
  ...reasons: ReadonlyArray<StoreReason["_tag"]>
) =>
  Effect.map(Effect.exit(Effect.flip(Effect.scoped(effect))), (exit) => {
    assert.isTrue(exit._tag === "Success", `expected ${reasons.join(" or ")}, but the operation succeeded`)
    if (exit._tag === "Success") assert.include(reasons, exit.value.reason._tag)
  })

/** Bytes that are the same in every run and differ from page to page. */
const pattern = (length: number, seed: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let i = 0, state = seed; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

/**
 * Defines the tests of this kit for a store.
 *
 * @category testing
 */
export const storeConformance = (name: string, make: Make, traits: StoreTraits = {}): void => {
  const resolution = traits.timeResolution ?? 1n
  const keepsMetadata = traits.keepsMetadata ?? true
  const many = traits.many ?? 1200
  const cannotName = traits.cannotName ?? (() => false)

  const has = (feature: StoreFeature) => !(traits.lacks ?? []).includes(feature)

  /** Defines a test. With a reason why it cannot run, the test is skipped and its title has the reason. */
  const test = (
    title: string,
    body: (store: ShareStore) => Effect.Effect<void, unknown, Scope.Scope>,
    skipped?: string
  ) =>
    it.live.skipIf(skipped !== undefined)(
      skipped === undefined ? title : `${title} (skipped: the store has ${skipped})`,
      () => Effect.scoped(Effect.flatMap(make, body)),
      30_000
    )

  type Body = (store: ShareStore) => Generator<Effect.Effect<any, unknown, Scope.Scope>, void, any>

  const gen = (title: string, body: Body, skipped?: string) =>
    test(title, (store) => Effect.gen(() => body(store) as any), skipped)

  /** Tests of stores that have a feature. */
  const needs = (feature: StoreFeature) => (title: string, body: Body) =>
    gen(title, body, has(feature) ? undefined : features[feature])

  /** Tests of stores that keep creation times, change times and attributes as they are set. */
  const needsMetadata = (title: string, body: Body) =>
    gen(title, body, keepsMetadata ? undefined : "no attributes, creation and change times that a caller can set")

  const sameTime = (actual: bigint, expected: bigint) =>
    assert.strictEqual(actual / resolution, expected / resolution, `${actual} is not ${expected}`)

  describe(name, () => {
    describe("volume", () => {
      gen("has plausible sizes, name limits and a 32-bit serial number", function*(store) {
        const volume = yield* store.volume
        assert.isTrue(volume.free <= volume.total)
        assert.isTrue(volume.total > 0n)
        assert.isAtLeast(volume.maximumComponentLength, 1)
        assert.isTrue(
          Number.isInteger(volume.serialNumber) && volume.serialNumber >= 0 && volume.serialNumber < 2 ** 32
        )
      })

      gen("lacks exactly the features that the traits name", function*(store) {
        const { supports } = yield* store.volume
        const { file: opened }: StoreOpened = yield* store.open(["f"], newFile)
        const offered = {
          ...supports,
          link: store.link !== undefined,
          mayRemove: store.mayRemove !== undefined,
          readInto: opened.readInto !== undefined
        }
        const lacking = (Object.keys(features) as Array<StoreFeature>).filter((feature) => !offered[feature])
        assert.deepStrictEqual(lacking.sort(), [...(traits.lacks ?? [])].sort())
      })

      gen("has an empty root directory that cannot be made, removed, renamed or replaced", function*(store) {
        const root: StoreNode = yield* store.stat([])
        assert.strictEqual(root.name, "")
        assert.strictEqual(root.type, "directory")
        assert.deepStrictEqual(yield* names(store, []), [])
        const opened: StoreOpened = yield* store.open([], { mode: "existing", type: "directory" })
        assert.strictEqual(opened.node.id, root.id)
        assert.isFalse(opened.created)
        yield* refused(store.open([], newDirectory), "Exists")
        yield* refused(store.remove([]), "AccessDenied")
        yield* refused(store.rename([], ["x"], { replace: false }), "AccessDenied")
        yield* mkdir(store, ["d"])
        yield* refused(store.rename(["d"], [], { replace: true }), "AccessDenied")
        assert.deepStrictEqual(yield* names(store, []), ["d"])
      })
    })

    describe("open", () => {
      gen("works the same with the hint `forData`, also when no byte is read or the file is removed", function*(store) {
        yield* mkdir(store, ["d"])
        yield* put(store, ["f"], "some")
        const hinted = { mode: "existing", forData: true } as const
        assert.strictEqual(
          yield* using(store, ["d"], { ...hinted, type: "directory" }, ({ node }) => Effect.succeed(node.type)),
          "directory"
        )
        // Closes the file 50 times before any byte is read, and then removes it.
        for (let i = 0; i < 50; i++) yield* using(store, ["f"], { ...hinted, type: "file" }, () => Effect.void)
        yield* using(store, ["f"], { ...hinted, type: "file" }, () => store.remove(["f"]))
        yield* refused(store.open(["f"], { ...hinted, type: "file" }), "NotFound")
        yield* put(store, ["f"], "others")
        const read = ({ file }: StoreOpened) => Effect.map(file.read(0n, 10), string)
        assert.strictEqual(yield* using(store, ["f"], { ...hinted, type: "file" }, read), "others")
        yield* using(store, ["f"], { ...hinted, type: "file" }, (opened) =>
          Effect.gen(function*() {
            yield* store.rename(["f"], ["g"], { replace: false })
            assert.strictEqual(yield* read(opened), "others")
            yield* opened.file.write(6n, text("!"))
          }))
        assert.strictEqual(yield* get(store, ["g"]), "others!")
      })

      for (const type of ["file", "directory"] as const) {
        gen(`makes or finds a ${type} as the modes existing, new and either say`, function*(store) {
          yield* refused(store.open(["a"], { mode: "existing", type }), "NotFound")
          const made: StoreOpened = yield* store.open(["a"], { mode: "new", type })
          assert.isTrue(made.created)
          assert.strictEqual(made.node.type, type)
          assert.strictEqual(made.node.name, "a")
          assert.strictEqual(made.node.id, made.file.id)
          assert.strictEqual(made.node.size, 0n)
          assert.isAtLeast(made.node.numberOfLinks, 1)
          yield* refused(store.open(["a"], { mode: "new", type }), "Exists")
          yield* refused(store.open(["A"], { mode: "new", type }), "Exists")
          for (const mode of ["existing", "either"] as const) {
            const again: StoreOpened = yield* store.open(["A"], { mode, type })
            assert.isFalse(again.created)
            assert.strictEqual(again.node.id, made.node.id)
            assert.strictEqual(again.node.name, "a")
          }
          const either: StoreOpened = yield* store.open(["b"], { mode: "either", type })
          assert.isTrue(either.created)
          assert.notStrictEqual(either.node.id, made.node.id)
          assert.deepStrictEqual(yield* names(store, []), ["a", "b"])
        })
      }

      gen("opens the existing file or directory, no matter which type the caller names", function*(store) {
        yield* put(store, ["f"], "x")
        yield* mkdir(store, ["d"])
        assert.strictEqual((yield* store.open(["f"], { mode: "either", type: "directory" })).node.type, "file")
        assert.strictEqual((yield* store.open(["d"], { mode: "existing", type: "file" })).node.type, "directory")
      })

      gen("fails with NotFound for a missing name and with PathNotFound for a missing directory", function*(store) {
        yield* put(store, ["f"], "x")
        yield* mkdir(store, ["d"])
        for (const path of [["no", "x"], ["f", "x"], ["d", "no", "x"], ["f", "x", "y"]]) {
          yield* refused(store.stat(path), "PathNotFound")
          for (const mode of ["existing", "new", "either"] as const) {
            for (const type of ["file", "directory"] as const) {
              yield* refused(store.open(path, { mode, type }), "PathNotFound")
            }
          }
          yield* refused(store.remove(path), "PathNotFound")
          yield* refused(store.rename(path, ["z"], { replace: false }), "PathNotFound")
          yield* refused(store.rename(["f"], path, { replace: true }), "PathNotFound", "AccessDenied")
          yield* refused(list(store, path), "PathNotFound")
        }
        yield* refused(store.stat(["d", "x"]), "NotFound")
        yield* refused(store.remove(["d", "x"]), "NotFound")
        yield* refused(store.rename(["d", "x"], ["y"], { replace: false }), "NotFound")
        yield* refused(list(store, ["d", "x"]), "NotFound")
        yield* refused(list(store, ["f"]), "NotDirectory")
        assert.deepStrictEqual(yield* names(store, []), ["d", "f"])
      })

      gen("sets initial times, attributes and descriptor of a new file only", function*(store) {
        for (const type of ["file", "directory"] as const) {
          const initial = {
            creationTime: someTime,
            lastWriteTime: someTime + 10_000_000n,
            fileAttributes: FileAttributes.FILE_ATTRIBUTE_HIDDEN | FileAttributes.FILE_ATTRIBUTE_ARCHIVE,
            ...(has("securityDescriptors") ? { securityDescriptor: text("who may") } : {})
          }
          const opened: StoreOpened = yield* store.open([type], { mode: "new", type, initial })
          for (const node of [opened.node, yield* opened.file.stat, yield* store.stat([type])]) {
            sameTime(node.lastWriteTime, initial.lastWriteTime)
            if (keepsMetadata) {
              sameTime(node.creationTime, initial.creationTime)
              assert.strictEqual(
                node.fileAttributes,
                FileAttributes.FILE_ATTRIBUTE_HIDDEN | FileAttributes.FILE_ATTRIBUTE_ARCHIVE |
                  (type === "file" ? 0 : FileAttributes.FILE_ATTRIBUTE_DIRECTORY)
              )
            }
          }
          if (has("securityDescriptors")) {
            assert.strictEqual(string(yield* opened.file.getBlob("SecurityDescriptor")), "who may")
          }
          // Initial values apply to a new file only, not to an existing file.
          const again: StoreOpened = yield* store.open([type], {
            mode: "either",
            type,
            initial: { fileAttributes: FileAttributes.FILE_ATTRIBUTE_HIDDEN, lastWriteTime: someTime + 70_000_000n }
          })
          sameTime(again.node.lastWriteTime, initial.lastWriteTime)
          assert.strictEqual(again.node.fileAttributes, opened.node.fileAttributes)
        }
      })

      gen("keeps many files open at once", function*(store) {
        const opened: Array<StoreOpened> = yield* Effect.forEach(
          Array.from({ length: many }, (_, i) => i),
          (i) =>
            Effect.tap(
              store.open([`f${i}`], newFile),
              ({ file }) => file.write(0n, text(String(i)))
            ),
          { concurrency: 16 }
        )
        for (const i of [0, many / 2, many - 1]) {
          assert.strictEqual(string(yield* opened[i]!.file.read(0n, 9)), String(i))
        }
      })
    })

    describe("names", () => {
      gen("are found in any case and keep the case that they were made with", function*(store) {
        yield* mkdir(store, ["Folder"])
        yield* put(store, ["fOLDER", "ReadMe.TXT"], "hello")
        assert.strictEqual(yield* get(store, ["FOLDER", "readme.txt"]), "hello")
        assert.strictEqual((yield* store.stat(["folder", "README.txt"])).name, "ReadMe.TXT")
        assert.deepStrictEqual(yield* names(store, ["FOLDER"]), ["ReadMe.TXT"])
        yield* store.remove(["FOLDER", "README.TXT"])
        yield* store.remove(["folder"])
        assert.deepStrictEqual(yield* names(store, []), [])
      })

      gen("are compared by UTF-16 code units with the case mapping of Windows", function*(store) {
        for (
          const [made, same] of [["Grüße ÄÖ", "GRÜßE äö"], ["Привет", "ПРИВЕТ"], ["Σίσυφος", "ΣΊΣΥΦΟΣ"], ["ÿ", "Ÿ"]]
        ) {
          yield* put(store, [made!], made!)
          assert.strictEqual((yield* store.stat([same!])).name, made)
        }
        // Windows does not map the case of these characters, although Unicode does.
        const unpaired = [["stra\u00dfe", "STRASSE"], ["\u017f", "S"], ["\u0131", "I"], ["\u00b5", "\u039c"], [
          "\u212a",
          "k"
        ]]
        for (const [made, other] of unpaired) {
          yield* put(store, [made!], made!)
          yield* refused(store.stat([other!]), "NotFound")
        }
      })

      const kept = [
        "trailing.",
        "trailing ",
        " leading",
        "..a",
        "...",
        "a..",
        "cafe\u0301",
        "caf\u00e9",
        "emoji 😀",
        "日本語のファイル名",
        "CON",
        "nul.txt",
        "~",
        "~$x.docx",
        "%2e%2e",
        "$&`;'!#",
        "-rf",
        "__proto__",
        "constructor",
        "\u{f021}\u{f029}",
        "\ufeffbom",
        "x".repeat(255),
        "ж".repeat(100)
      ]

      gen("are kept unchanged or refused with InvalidName", function*(store) {
        const made: Array<string> = []
        for (const name of kept) {
          if (cannotName(name)) {
            yield* refused(store.open([name], newFile), "InvalidName")
            yield* refused(store.stat([name]), "InvalidName", "NotFound")
          } else {
            yield* put(store, [name], name)
            made.push(name)
          }
        }
        const shown = (name: string) => store.canonicalName?.(name) ?? name
        assert.deepStrictEqual(yield* names(store, []), made.map(shown).sort())
        for (const name of made) {
          assert.strictEqual((yield* store.stat([name])).name, shown(name))
          assert.strictEqual(yield* get(store, [name]), name)
        }
        // Only some storages can keep these names. The others must refuse them.
        for (const name of ["\ud800", "\udc00x", "ж".repeat(255), "😀".repeat(127), "a:*?\"<>|"]) {
          const exit = yield* Effect.exit(Effect.flip(put(store, [name], "odd")))
          if (exit._tag === "Success") assert.strictEqual((exit.value as StoreError).reason._tag, "InvalidName")
          else assert.strictEqual((yield* store.stat([name])).name, name)
        }
      })

      gen("that lead out of the share or are malformed fail with InvalidName", function*(store) {
        yield* mkdir(store, ["d"])
        yield* put(store, ["f"], "x")
        const bad = ["..", ".", "", "/", "/etc", "../x", "d/x", "a\\b", "..\\x", "a\0b", "\0", "x".repeat(256)]
        for (const name of bad) {
          for (const path of [[name], ["d", name], [name, "f"], ["d", "..", name]]) {
            const message = JSON.stringify(path)
            yield* refused(store.stat(path), "InvalidName")
            yield* refused(list(store, path), "InvalidName")
            for (const mode of ["existing", "new", "either"] as const) {
              yield* refused(store.open(path, { mode, type: "file" }), "InvalidName")
              yield* refused(store.open(path, { mode, type: "directory" }), "InvalidName")
            }
            yield* refused(store.remove(path), "InvalidName")
            yield* refused(store.rename(path, ["z"], { replace: true }), "InvalidName")
            yield* refused(store.rename(["f"], path, { replace: true }), "InvalidName")
            if (has("link")) {
              yield* refused(store.link!(path, ["z"], { replace: true }), "InvalidName")
              yield* refused(store.link!(["f"], path, { replace: true }), "InvalidName")
            }
            assert.deepStrictEqual(yield* names(store, []), ["d", "f"], message)
          }
        }
        if (has("streams")) {
          for (const stream of bad) {
            for (const mode of ["existing", "new", "either"] as const) {
              yield* refused(store.open(["f"], { mode, type: "file", stream }), "InvalidName")
            }
            yield* refused(store.remove(["f"], { stream }), "InvalidName", "NotFound")
          }
        }
      })
    })

    describe("bytes", () => {
      gen("are written and read at any offset, and unwritten bytes between them are zeros", function*(store) {
        const { file }: StoreOpened = yield* store.open(["f"], newFile)
        assert.strictEqual((yield* file.read(0n, 10)).length, 0)
        yield* file.write(0n, text("hello"))
        yield* file.write(8n, text("world"))
        assert.strictEqual(string(yield* file.read(0n, 100)), "hello\0\0\0world")
        assert.strictEqual(string(yield* file.read(4n, 5)), "o\0\0\0w")
        assert.strictEqual(string(yield* file.read(10n, 100)), "rld")
        assert.strictEqual((yield* file.read(13n, 1)).length, 0)
        assert.strictEqual((yield* file.read(1n << 40n, 1)).length, 0)
        assert.strictEqual((yield* file.read(0n, 0)).length, 0)
        yield* file.write(3n, text("XY"))
        yield* file.write(100n, new Uint8Array(0))
        assert.strictEqual((yield* file.stat).size, 13n)
        assert.strictEqual((yield* store.stat(["f"])).size, 13n)
        assert.strictEqual((yield* list(store, []))[0].size, 13n)
        assert.strictEqual(yield* get(store, ["f"]), "helXY\0\0\0world")
        yield* file.flush
      })

      gen("are copied, so that the caller can overwrite its buffers after a write or a read", function*(store) {
        const { file }: StoreOpened = yield* store.open(["f"], newFile)
        const data = text("mine")
        yield* file.write(0n, data)
        data.fill(0)
        const first: Uint8Array = yield* file.read(0n, 4)
        assert.strictEqual(string(first), "mine")
        first.fill(0)
        assert.strictEqual(string(yield* file.read(0n, 4)), "mine")
      })

      needs("readInto")("are read into the caller's memory and change no other bytes", function*(store) {
        const { file }: StoreOpened = yield* store.open(["f"], newFile)
        const all = pattern(100_000, 9)
        yield* file.write(0n, all)
        yield* file.truncate(150_000n)
        const expected = new Uint8Array(150_000)
        expected.set(all)
        const memory = new Uint8Array(300_000)
        for (
          const [from, length] of [
            [0, 1],
            [0, 150_000],
            [65_530, 20],
            [99_999, 2],
            [140_000, 100_000],
            [150_000, 5],
            [
              1,
              0
            ]
          ]
        ) {
          memory.fill(0xee)
          const target = memory.subarray(7, 7 + length!)
          const count = Math.max(0, Math.min(length!, 150_000 - from!))
          assert.strictEqual(yield* file.readInto!(BigInt(from!), target), count)
          assert.isTrue(Buffer.compare(target.subarray(0, count), expected.subarray(from, from! + count)) === 0)
          // The bytes before and after the target are unchanged.
          assert.isTrue(memory.every((byte, i) => (i >= 7 && i < 7 + count) || byte === 0xee))
        }
        assert.strictEqual(yield* file.readInto!(1n << 60n, memory), 0)
        const { file: directory }: StoreOpened = yield* store.open([], { mode: "existing", type: "directory" })
        yield* refused(directory.readInto!(0n, memory), "IsDirectory")
      })

      gen("read back equal after writes of lengths around 4096 and 65536 bytes", function*(store) {
        const all = pattern(3 * 65_536 + 4097, 7)
        const { file }: StoreOpened = yield* store.open(["f"], newFile)
        let at = 0
        for (const length of [1, 4095, 4096, 4097, 65_535, 65_536, 65_537, all.length]) {
          const piece = all.subarray(at, at + length)
          yield* file.write(BigInt(at), piece)
          at += piece.length
        }
        assert.strictEqual((yield* file.stat).size, BigInt(all.length))
        for (const [from, length] of [[0, all.length], [1, 65_536], [65_535, 2], [131_072, 65_537], [4096, 1]]) {
          const bytes: Uint8Array = yield* file.read(BigInt(from!), length!)
          assert.isTrue(Buffer.compare(bytes, all.subarray(from, from! + length!)) === 0, `${from}, ${length}`)
        }
      })

      gen("are cut off when truncate shrinks a file, and are zeros when it extends the file", function*(store) {
        const { file }: StoreOpened = yield* store.open(["f"], newFile)
        yield* file.write(0n, text("abcdefgh"))
        yield* file.truncate(3n)
        assert.strictEqual((yield* file.stat).size, 3n)
        yield* file.truncate(6n)
        assert.strictEqual(string(yield* file.read(0n, 10)), "abc\0\0\0")
        yield* file.truncate(200_000n)
        const bytes: Uint8Array = yield* file.read(0n, 200_000)
        assert.strictEqual(bytes.length, 200_000)
        assert.strictEqual(bytes.findLastIndex((byte) => byte !== 0), 2)
        yield* file.truncate(0n)
        assert.strictEqual((yield* store.stat(["f"])).size, 0n)
      })

      needs("sparse")("of a sparse file can be written at 2^42 without allocating 2^30 bytes", function*(store) {
        const { file }: StoreOpened = yield* store.open(["f"], newFile)
        const far = (1n << 42n) + 5n
        yield* file.write(far, text("far"))
        assert.strictEqual((yield* file.stat).size, far + 3n)
        assert.isTrue((yield* file.stat).allocationSize < 1n << 30n)
        assert.strictEqual(string(yield* file.read(far - 2n, 10)), "\0\0far")
        yield* file.write(1n << 33n, text("near"))
        assert.strictEqual(string(yield* file.read(1n << 33n, 4)), "near")
        assert.strictEqual((yield* file.stat).size, far + 3n)
        const ranges = yield* file.allocated({ offset: far - 10n, length: 1n << 20n })
        assert.isNotEmpty(ranges)
        yield* file.truncate(4n)
        assert.strictEqual((yield* file.stat).size, 4n)
      })

      gen("in a range become zeros with zero, which does not extend the file", function*(store) {
        const { file }: StoreOpened = yield* store.open(["f"], newFile)
        const all = pattern(300_000, 3)
        yield* file.write(0n, all)
        for (const [offset, length] of [[10, 5], [60_000, 150_000], [299_990, 100], [400_000, 10], [5, 0]]) {
          yield* file.zero({ offset: BigInt(offset!), length: BigInt(length!) })
          all.fill(0, offset, offset! + length!)
        }
        assert.isTrue(Buffer.compare(yield* file.read(0n, 400_000), all) === 0)
        assert.strictEqual((yield* file.stat).size, 300_000n)
      })

      gen("that were written lie in the allocated ranges, which are ascending and within the query", function*(store) {
        const { file }: StoreOpened = yield* store.open(["f"], newFile)
        assert.deepStrictEqual(yield* file.allocated({ offset: 0n, length: 100n }), [])
        yield* file.write(0n, pattern(70_000, 5))
        yield* file.truncate(1_000_000n)
        yield* file.write(700_000n, text("x"))
        const check = function*(
          offset: bigint,
          length: bigint,
          inside: ReadonlyArray<bigint>
        ): Generator<any, void, any> {
          const ranges: ReadonlyArray<{ offset: bigint; length: bigint }> = yield* file.allocated({ offset, length })
          let end = offset - 1n
          for (const range of ranges) {
            assert.isTrue(range.length > 0n && range.offset > end, "ranges are ascending, separate and not empty")
            end = range.offset + range.length
            assert.isTrue(
              end <= offset + length && end <= 1_000_000n,
              "ranges lie within the queried range and the file"
            )
          }
          for (const byte of inside) {
            assert.isTrue(ranges.some((range) => range.offset <= byte && byte < range.offset + range.length), `${byte}`)
          }
        }
        yield* check(0n, 2_000_000n, [0n, 69_999n, 700_000n])
        yield* check(10n, 20n, [10n, 29n])
        yield* check(69_000n, 631_001n, [69_000n, 69_999n, 700_000n])
        assert.deepStrictEqual(yield* file.allocated({ offset: 1_000_000n, length: 50n }), [])
        assert.deepStrictEqual(yield* file.allocated({ offset: 5n, length: 0n }), [])
      })

      gen("cannot be read, written, truncated, zeroed or queried on a directory: IsDirectory", function*(store) {
        const { file }: StoreOpened = yield* store.open(["d"], newDirectory)
        yield* refused(file.read(0n, 1), "IsDirectory")
        yield* refused(file.write(0n, text("x")), "IsDirectory")
        yield* refused(file.truncate(0n), "IsDirectory")
        yield* refused(file.zero({ offset: 0n, length: 1n }), "IsDirectory")
        yield* refused(file.allocated({ offset: 0n, length: 1n }), "IsDirectory")
        yield* file.flush
      })
    })

    describe("times and attributes", () => {
      for (const type of ["file", "directory"] as const) {
        gen(`of a ${type} are kept to the tick, or to the store's time resolution`, function*(store) {
          const { file }: StoreOpened = yield* store.open(["a"], { mode: "new", type })
          const times = { lastAccessTime: someTime + 1n, lastWriteTime: someTime + 12_345_678n }
          yield* file.set(times)
          const all = keepsMetadata ? { creationTime: someTime - 3n, changeTime: someTime + 99n } : {}
          yield* file.set(all)
          const nodes: ReadonlyArray<StoreNode> = [
            yield* file.stat,
            yield* store.stat(["A"]),
            ...(yield* list(store, []))
          ]
          for (const node of nodes) {
            sameTime(node.lastAccessTime, times.lastAccessTime)
            sameTime(node.lastWriteTime, times.lastWriteTime)
            if (!keepsMetadata) continue
            assert.strictEqual(node.creationTime, someTime - 3n)
            assert.strictEqual(node.changeTime, someTime + 99n)
          }
        })
      }

      needsMetadata("can be any time from 1601 to 9999", function*(store) {
        const { file }: StoreOpened = yield* store.open(["f"], newFile)
        for (const time of [1n, 94_354_848_000_000_001n, 200_000_000_000_000_007n, 2_650_467_743_999_999_999n]) {
          yield* file.set({ creationTime: time, lastAccessTime: time, lastWriteTime: time, changeTime: time })
          const node: StoreNode = yield* store.stat(["f"])
          assert.deepStrictEqual(
            [node.creationTime, node.lastAccessTime, node.lastWriteTime, node.changeTime],
            [time, time, time, time]
          )
        }
      })

      needsMetadata("are unchanged when set does not name them", function*(store) {
        const { file }: StoreOpened = yield* store.open(["f"], newFile)
        yield* file.set({
          creationTime: someTime,
          lastAccessTime: someTime,
          lastWriteTime: someTime,
          fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY | FileAttributes.FILE_ATTRIBUTE_HIDDEN |
            FileAttributes.FILE_ATTRIBUTE_SYSTEM | FileAttributes.FILE_ATTRIBUTE_ARCHIVE
        })
        yield* file.set({ lastWriteTime: someTime + 5n })
        yield* file.set({})
        const node: StoreNode = yield* file.stat
        assert.strictEqual(node.creationTime, someTime)
        assert.strictEqual(node.lastAccessTime, someTime)
        assert.strictEqual(node.lastWriteTime, someTime + 5n)
        assert.strictEqual(
          node.fileAttributes,
          FileAttributes.FILE_ATTRIBUTE_READONLY | FileAttributes.FILE_ATTRIBUTE_HIDDEN |
            FileAttributes.FILE_ATTRIBUTE_SYSTEM | FileAttributes.FILE_ATTRIBUTE_ARCHIVE
        )
      })

      gen("of last write and change advance with write, truncate and zero", function*(store) {
        const { file }: StoreOpened = yield* store.open(["f"], newFile)
        const changes = [
          file.write(0n, text("x")),
          file.truncate(100n),
          file.zero({ offset: 0n, length: 1n })
        ]
        for (const change of changes) {
          yield* file.set({
            lastWriteTime: someTime,
            ...(keepsMetadata ? { changeTime: someTime, creationTime: someTime } : {})
          })
          yield* change
          const node: StoreNode = yield* file.stat
          assert.isTrue(node.lastWriteTime > someTime + 10_000_000n)
          assert.isTrue(node.changeTime > someTime + 10_000_000n)
          if (keepsMetadata) assert.strictEqual(node.creationTime, someTime)
        }
        assert.deepStrictEqual((yield* store.stat(["f"])).lastWriteTime, (yield* file.stat).lastWriteTime)
      })

      gen(
        "of a directory's last write and change advance when an entry comes or goes, and no others",
        function*(store) {
          const at = new Map<string, StoreOpened["file"]>()
          for (const path of [["d"], ["e"], ["e", "sub"]]) {
            at.set(path.join("/"), (yield* store.open(path, newDirectory)).file)
          }
          const keep = { replace: false }
          const changes: ReadonlyArray<readonly [string, Effect.Effect<unknown, StoreError>, ReadonlyArray<string>]> = [
            ["make", put(store, ["d", "a"], "x"), ["d"]],
            ["write", put(store, ["d", "a"], "xy"), []],
            ["rename", store.rename(["d", "a"], ["d", "b"], keep), ["d"]],
            ["change of case", store.rename(["d", "b"], ["d", "B"], keep), ["d"]],
            ["move", store.rename(["d", "b"], ["e", "a"], keep), ["d", "e"]],
            ["make in another", put(store, ["d", "c"], "x"), ["d"]],
            ["move over a file", store.rename(["e", "a"], ["d", "c"], { replace: true }), ["d", "e"]],
            ["make below", mkdir(store, ["e", "sub", "x"]), ["e/sub"]],
            ["move of a directory", store.rename(["e", "sub", "x"], ["e", "x"], keep), ["e", "e/sub"]],
            ...(has("link")
              ? [["link", store.link!(["d", "c"], ["e", "l"], keep), ["e"]]] as const
              : [["make again", put(store, ["e", "l"], "x"), ["e"]]] as const),
            ["remove", store.remove(["e", "l"]), ["e"]],
            ["remove of a directory", store.remove(["e", "x"]), ["e"]],
            ["refused remove", Effect.ignore(store.remove(["e"])), []],
            ["refused make", Effect.ignore(Effect.scoped(store.open(["d", "c"], newFile))), []]
          ]
          for (const [title, change, expected] of changes) {
            for (const file of at.values()) {
              yield* file.set({ lastWriteTime: someTime, ...(keepsMetadata ? { changeTime: someTime } : {}) })
            }
            yield* change
            const advanced: Array<string> = []
            for (const [path, file] of at) {
              const { changeTime, lastWriteTime } = yield* file.stat
              if (lastWriteTime > someTime + 10_000_000n) advanced.push(path)
              if (keepsMetadata) {
                assert.strictEqual(changeTime > someTime + 10_000_000n, advanced.at(-1) === path, title)
              }
            }
            assert.deepStrictEqual(advanced, expected, title)
          }
        }
      )

      gen("are unchanged after an empty write and after reads", function*(store) {
        const { file }: StoreOpened = yield* store.open(["f"], newFile)
        yield* file.write(0n, text("x"))
        yield* file.set({ lastWriteTime: someTime, ...(keepsMetadata ? { changeTime: someTime } : {}) })
        yield* file.write(0n, new Uint8Array(0))
        yield* file.read(0n, 10)
        yield* file.streams
        yield* file.allocated({ offset: 0n, length: 10n })
        const node: StoreNode = yield* file.stat
        sameTime(node.lastWriteTime, someTime)
        if (keepsMetadata) {
          assert.strictEqual(node.changeTime, someTime)
        }
      })

      needsMetadata("of the last change advance with set, a blob, a rename and a link", function*(store) {
        const { file }: StoreOpened = yield* store.open(["f"], newFile)
        const changes: ReadonlyArray<readonly [string, Effect.Effect<void, StoreError>]> = [
          ["set of attributes", file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_HIDDEN })],
          ["set of nothing", file.set({})],
          ["rename", store.rename(["f"], ["g"], { replace: false })],
          ...(has("securityDescriptors")
            ? [["blob", file.setBlob("SecurityDescriptor", text("sd"))]] as const
            : []),
          ...(has("link") ? [["link", store.link!(["g"], ["h"], { replace: false })]] as const : [])
        ]
        for (const [title, change] of changes) {
          yield* file.set({ creationTime: someTime, lastWriteTime: someTime, changeTime: someTime })
          yield* change
          const node: StoreNode = yield* file.stat
          assert.isTrue(node.changeTime > someTime + 10_000_000n, title)
          assert.deepStrictEqual([node.creationTime, node.lastWriteTime], [someTime, someTime], title)
        }
      })

      gen("have the directory attribute for directories only, no matter what set says", function*(store) {
        const f: StoreOpened = yield* store.open(["f"], newFile)
        const d: StoreOpened = yield* store.open(["d"], newDirectory)
        assert.strictEqual(f.node.fileAttributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY, 0)
        assert.strictEqual(
          d.node.fileAttributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY,
          FileAttributes.FILE_ATTRIBUTE_DIRECTORY
        )
        yield* f.file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_DIRECTORY })
        yield* d.file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_NORMAL })
        assert.strictEqual((yield* f.file.stat).fileAttributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY, 0)
        assert.strictEqual(
          (yield* d.file.stat).fileAttributes &
            (FileAttributes.FILE_ATTRIBUTE_NORMAL | FileAttributes.FILE_ATTRIBUTE_DIRECTORY),
          FileAttributes.FILE_ATTRIBUTE_DIRECTORY
        )
      })

      needsMetadata("that say read-only do not keep the store itself from a write", function*(store) {
        const { file }: StoreOpened = yield* store.open(["f"], newFile)
        yield* file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY })
        assert.strictEqual((yield* file.stat).fileAttributes, FileAttributes.FILE_ATTRIBUTE_READONLY)
        // The server decides what a client can change.
        yield* file.write(0n, text("x"))
        assert.strictEqual((yield* file.stat).size, 1n)
        yield* file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_NORMAL })
        assert.strictEqual((yield* file.stat).fileAttributes, FileAttributes.FILE_ATTRIBUTE_NORMAL)
      })
    })

    describe("blobs", () => {
      const kinds = [
        ["SecurityDescriptor", "securityDescriptors"],
        ["ExtendedAttributes", "extendedAttributes"],
        ["ReparsePoint", "reparsePoints"],
        ["ObjectId", "objectIds"]
      ] as const satisfies ReadonlyArray<readonly [Blob, string]>
      for (const [blob, support] of kinds) {
        for (const type of ["file", "directory"] as const) {
          if (!has(support)) {
            gen(`that are a ${blob} of a ${type} are refused with Unsupported`, function*(store) {
              const { file }: StoreOpened = yield* store.open(["a"], { mode: "new", type })
              yield* refused(file.getBlob(blob), "Unsupported")
              yield* refused(file.setBlob(blob, text("x")), "Unsupported")
            })
          }

          needs(support)(`keep the ${blob} of a ${type} for this file alone`, function*(store) {
            const { file }: StoreOpened = yield* store.open(["a"], { mode: "new", type })
            assert.isUndefined(yield* file.getBlob(blob))
            yield* file.setBlob(blob, undefined)
            for (const length of [4, 65_536, 8]) {
              const bytes = pattern(length, length)
              const given = bytes.slice()
              yield* file.setBlob(blob, given)
              given.fill(0)
              const read: Uint8Array | undefined = yield* file.getBlob(blob)
              assert.deepStrictEqual(read, bytes)
              read?.fill(0)
              const { file: other }: StoreOpened = yield* store.open(["A"], { mode: "existing", type })
              assert.deepStrictEqual(yield* other.getBlob(blob), bytes)
            }
            // No other file and no other kind of blob has these bytes.
            yield* put(store, ["b"], "")
            const { file: stranger }: StoreOpened = yield* store.open(["b"], { mode: "existing", type: "file" })
            assert.isUndefined(yield* stranger.getBlob(blob))
            for (const [other, otherSupport] of kinds) {
              if (other !== blob && has(otherSupport)) {
                assert.isUndefined(yield* file.getBlob(other))
              }
            }
            yield* file.setBlob(blob, undefined)
            assert.isUndefined(yield* file.getBlob(blob))
          })
        }
      }

      needs("extendedAttributes")("of ExtendedAttributes have the size of the node, if it has one", function*(store) {
        for (const type of ["file", "directory"] as const) {
          const { file, node }: StoreOpened = yield* store.open([type], { mode: "new", type })
          // A store tells the size always, or never.
          const expected = (size: number) => node.eaSize === undefined ? undefined : size
          assert.strictEqual(node.eaSize, expected(0))
          for (const bytes of [text("four"), pattern(1000, 1), text("x"), undefined]) {
            yield* file.setBlob("ExtendedAttributes", bytes)
            const size = expected(bytes?.length ?? 0)
            assert.strictEqual((yield* file.stat).eaSize, size)
            assert.strictEqual((yield* store.stat([type])).eaSize, size)
            const listed: ReadonlyArray<StoreNode> = yield* Stream.runCollect(store.list([]))
            assert.strictEqual(listed.find(({ name }) => name === type)?.eaSize, size)
          }
        }
      })

      needs("securityDescriptors")("of a removed file do not appear on a new file of the same name", function*(store) {
        for (let i = 0; i < 10; i++) {
          yield* using(store, ["f"], newFile, ({ file }) =>
            Effect.gen(function*() {
              assert.isUndefined(yield* file.getBlob("SecurityDescriptor"))
              yield* file.setBlob("SecurityDescriptor", text("old"))
            }))
          yield* store.remove(["f"])
        }
      })

      needs("objectIds")("with an object id are of one file: the first 16 bytes are unique", function*(store) {
        const objectId = (id: number, rest: number) => new Uint8Array(64).fill(id, 0, 16).fill(rest, 16)
        const { file: one }: StoreOpened = yield* store.open(["one"], newFile)
        const { file: two }: StoreOpened = yield* store.open(["two"], { mode: "new", type: "directory" })
        yield* one.setBlob("ObjectId", objectId(1, 2))
        yield* refused(two.setBlob("ObjectId", objectId(1, 3)), "Exists")
        assert.isUndefined(yield* two.getBlob("ObjectId"))
        // The same id with other bytes after it is a change of the file itself.
        yield* one.setBlob("ObjectId", objectId(1, 4))
        yield* two.setBlob("ObjectId", objectId(2, 4))
        yield* refused(two.setBlob("ObjectId", objectId(1, 4)), "Exists")
        assert.deepStrictEqual(yield* two.getBlob("ObjectId"), objectId(2, 4))
        // One of many at once.
        const all: ReadonlyArray<StoreOpened> = yield* Effect.forEach(
          Array.from({ length: 8 }, (_, i) => [`many ${i}`]),
          (path) => store.open(path, newFile)
        )
        const results: ReadonlyArray<string> = yield* Effect.forEach(
          all,
          ({ file }) =>
            Effect.match(file.setBlob("ObjectId", objectId(7, 0)), {
              onSuccess: () => "done",
              onFailure: ({ reason }) => reason._tag
            }),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(results.toSorted(), ["done", ...results.slice(1).fill("Exists")].toSorted())
        // An id is free again after its change, its removal, and the removal of its file.
        yield* one.setBlob("ObjectId", objectId(3, 0))
        yield* two.setBlob("ObjectId", objectId(1, 0))
        yield* two.setBlob("ObjectId", undefined)
        yield* one.setBlob("ObjectId", objectId(1, 0))
        yield* using(store, ["gone"], newFile, ({ file }) => file.setBlob("ObjectId", objectId(5, 0)))
        yield* refused(two.setBlob("ObjectId", objectId(5, 0)), "Exists")
        yield* store.rename(["gone"], ["renamed"], { replace: false })
        yield* refused(two.setBlob("ObjectId", objectId(5, 0)), "Exists")
        yield* store.remove(["renamed"])
        yield* two.setBlob("ObjectId", objectId(5, 0))
      })

      needs("reparsePoints")(
        "of a reparse point set its tag and FILE_ATTRIBUTE_REPARSE_POINT until they are removed",
        function*(store) {
          const { file }: StoreOpened = yield* store.open(["a"], newFile)
          yield* file.setBlob("ReparsePoint", Uint8Array.of(0x0c, 0, 0, 0xa0, 0, 0, 0, 0))
          for (const node of [yield* file.stat, yield* store.stat(["a"]), (yield* list(store, []))[0]]) {
            assert.strictEqual(node.reparseTag, ReparseTag.IO_REPARSE_TAG_SYMLINK)
            assert.strictEqual(
              node.fileAttributes & FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT,
              FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT
            )
          }
          yield* file.setBlob("ReparsePoint", undefined)
          const node: StoreNode = yield* store.stat(["a"])
          assert.strictEqual(node.reparseTag, 0)
          assert.strictEqual(node.fileAttributes & FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT, 0)
        }
      )
    })

    describe("named streams", () => {
      const stream = "Zone.Identifier"

      if (!has("streams")) {
        gen("are refused with Unsupported by a store without streams", function*(store) {
          yield* put(store, ["f"], "x")
          for (const mode of ["existing", "new", "either"] as const) {
            yield* refused(store.open(["f"], { mode, type: "file", stream }), "Unsupported")
          }
          yield* refused(store.remove(["f"], { stream }), "Unsupported")
          const { file: opened }: StoreOpened = yield* store.open(["f"], file)
          assert.deepStrictEqual(yield* opened.streams, [])
          assert.strictEqual(yield* get(store, ["f"]), "x")
        })
      }

      needs("streams")("have bytes and a size separate from the data of their file", function*(store) {
        yield* put(store, ["f"], "data")
        const main: StoreOpened = yield* store.open(["f"], file)
        yield* refused(store.open(["f"], { ...file, stream }), "NotFound")
        yield* refused(store.open(["no"], { ...file, stream }), "NotFound")
        yield* refused(store.remove(["f"], { stream }), "NotFound")
        const made: StoreOpened = yield* store.open(["f"], { ...newFile, stream })
        assert.isTrue(made.created)
        assert.strictEqual(made.node.id, main.node.id)
        yield* refused(store.open(["f"], { ...newFile, stream: stream.toUpperCase() }), "Exists")
        yield* made.file.write(0n, text("stream's"))
        yield* made.file.write(100_000n, text("end"))
        assert.strictEqual((yield* made.file.stat).size, 100_003n)
        assert.strictEqual((yield* made.file.stat).name, "f")
        assert.strictEqual((yield* main.file.stat).size, 4n)
        yield* made.file.truncate(6n)
        assert.strictEqual(yield* get(store, ["F"], "ZONE.identifier"), "stream")
        assert.strictEqual(yield* get(store, ["f"]), "data")
        yield* put(store, ["g"], "other")
        yield* refused(store.open(["g"], { ...file, stream }), "NotFound")
        for (const from of [main.file, made.file]) {
          const streams = yield* from.streams
          assert.deepStrictEqual(streams.map((s: { name: string; size: bigint }) => [s.name, s.size]), [[stream, 6n]])
        }
        assert.deepStrictEqual(yield* names(store, []), ["f", "g"])
      })

      for (const type of ["file", "directory"] as const) {
        needs("streams")(`give their ${type} the times of a change with write, truncate and zero`, function*(store) {
          const { file: main }: StoreOpened = yield* store.open(["it"], { mode: "new", type })
          const { file: named }: StoreOpened = yield* store.open(["it"], { ...newFile, stream })
          const changes = [
            named.write(0n, text("x")),
            named.truncate(100n),
            named.zero({ offset: 0n, length: 50n }),
            named.truncate(3n)
          ]
          for (const change of changes) {
            yield* main.set({
              lastAccessTime: someTime,
              lastWriteTime: someTime,
              ...(keepsMetadata ? { changeTime: someTime, creationTime: someTime } : {})
            })
            yield* change
            for (const node of [yield* main.stat, yield* named.stat, yield* store.stat(["it"])]) {
              assert.isTrue(node.lastWriteTime > someTime + 10_000_000n)
              assert.isTrue(node.changeTime > someTime + 10_000_000n)
              assert.isTrue(node.lastAccessTime > someTime + 10_000_000n)
              if (keepsMetadata) assert.strictEqual(node.creationTime, someTime)
            }
          }
          // The bytes can still be changed when the file has no name any more, or the handle is Stale.
          yield* store.remove(["it"])
          yield* Effect.matchEffect(named.write(0n, text("y")), {
            onFailure: ({ reason }) => Effect.sync(() => assert.strictEqual(reason._tag, "Stale")),
            onSuccess: () => Effect.map(named.read(0n, 1), (bytes) => assert.deepStrictEqual(bytes, text("y")))
          })
        })
      }

      needs("streams")("make their file if it does not exist, and are removed with it", function*(store) {
        const made: StoreOpened = yield* Effect.scoped(store.open(["f"], { mode: "either", type: "file", stream }))
        assert.isTrue(made.created)
        assert.strictEqual((yield* store.stat(["f"])).type, "file")
        yield* store.remove(["f"])
        yield* put(store, ["f"], "")
        const { file: opened }: StoreOpened = yield* store.open(["f"], file)
        assert.deepStrictEqual(yield* opened.streams, [])
      })

      needs("streams")("can belong to a directory", function*(store) {
        yield* mkdir(store, ["d"])
        yield* using(store, ["d"], { mode: "either", type: "file", stream }, ({ file }) => file.write(0n, text("d's")))
        assert.strictEqual(yield* get(store, ["d"], stream), "d's")
        assert.deepStrictEqual(yield* names(store, ["d"]), [])
        yield* store.remove(["d"])
      })

      needs("streams")("move with a renamed file, and can be removed one by one", function*(store) {
        yield* put(store, ["f"], "x")
        const all = ["a", "B", "ünï cödé", "x".repeat(100)]
        for (const name of all) {
          yield* using(store, ["f"], { ...newFile, stream: name }, ({ file }) => file.write(0n, text(name)))
        }
        yield* store.rename(["f"], ["g"], { replace: false })
        for (const name of all) assert.strictEqual(yield* get(store, ["g"], name), name)
        yield* store.remove(["g"], { stream: "b" })
        yield* refused(store.open(["g"], { ...file, stream: "B" }), "NotFound")
        const { file: opened }: StoreOpened = yield* store.open(["g"], file)
        const left = yield* opened.streams
        assert.deepStrictEqual(left.map((s: { name: string }) => s.name).sort(), all.filter((n) => n !== "B").sort())
        assert.strictEqual(yield* get(store, ["g"]), "x")
      })

      needs("streams")("that are removed while open stay readable or fail with Stale", function*(store) {
        const { file: opened }: StoreOpened = yield* store.open(["f"], { ...newFile, stream })
        yield* opened.write(0n, text("kept"))
        yield* store.remove(["f"], { stream })
        yield* sameOrStale(opened.read(0n, 10), "kept")
        const again: StoreOpened = yield* store.open(["f"], { ...newFile, stream })
        assert.strictEqual(again.node.size, 0n)
      })
    })

    const sameOrStale = (read: Effect.Effect<Uint8Array, StoreError>, expected: string) =>
      Effect.matchEffect(read, {
        onFailure: (error) => Effect.sync(() => assert.strictEqual(error.reason._tag, "Stale")),
        onSuccess: (bytes) => Effect.sync(() => assert.strictEqual(string(bytes), expected))
      })

    describe("remove", () => {
      gen("removes files and empty directories, and refuses other directories with NotEmpty", function*(store) {
        yield* mkdir(store, ["d"])
        yield* put(store, ["d", "f"], "x")
        yield* refused(store.remove(["d"]), "NotEmpty")
        yield* store.remove(["D", "F"])
        yield* refused(store.stat(["d", "f"]), "NotFound")
        yield* refused(store.remove(["d", "f"]), "NotFound")
        yield* store.remove(["d"])
        yield* refused(store.stat(["d", "f"]), "PathNotFound")
        assert.deepStrictEqual(yield* names(store, []), [])
      })

      gen("keeps a removed file's handles apart from a new file of its name: readable or Stale", function*(store) {
        const before: StoreOpened = yield* store.open(["f"], newFile)
        yield* before.file.write(0n, text("kept"))
        yield* store.remove(["f"])
        yield* sameOrStale(before.file.read(0n, 10), "kept")
        yield* refused(store.stat(["f"]), "NotFound")
        assert.deepStrictEqual(yield* names(store, []), [])
        const after: StoreOpened = yield* store.open(["f"], newFile)
        assert.isTrue(after.created)
        assert.notStrictEqual(after.node.id, before.node.id)
        yield* after.file.write(0n, text("new"))
        yield* Effect.ignore(before.file.write(0n, text("lost")))
        yield* sameOrStale(before.file.read(0n, 10), "lost")
        assert.strictEqual(yield* get(store, ["f"]), "new")
        yield* before.file.stat.pipe(
          Effect.match({
            onFailure: (error) => assert.strictEqual(error.reason._tag, "Stale"),
            onSuccess: (node) => assert.strictEqual(node.numberOfLinks, 0)
          })
        )
      })
    })

    describe("mayRemove", () => {
      needs("mayRemove")("removes nothing, and fails as remove would fail", function*(store) {
        const mayRemove = store.mayRemove!
        yield* mkdir(store, ["d"])
        yield* put(store, ["d", "f"], "x")
        yield* put(store, ["b"], "another")
        yield* refused(mayRemove(["d"]), "NotEmpty")
        yield* refused(mayRemove(["no"]), "NotFound")
        yield* refused(mayRemove(["no", "f"]), "PathNotFound")
        yield* refused(mayRemove([".."]), "InvalidName")
        yield* refused(mayRemove([]), "AccessDenied")
        yield* refused(mayRemove(["d", "f"], { expected: (yield* store.stat(["b"])).identity }), "Stale")
        yield* mayRemove(["D", "F"], { expected: (yield* store.stat(["d", "f"])).identity })
        assert.strictEqual(yield* get(store, ["d", "f"]), "x")
        yield* store.remove(["d", "f"])
        yield* mayRemove(["d"])
        assert.deepStrictEqual(yield* names(store, []), ["b", "d"])
      })
    })

    describe("identity", () => {
      const identity = (store: ShareStore, path: StorePath) => Effect.map(store.stat(path), ({ identity }) => identity)

      gen("of a file is the same by stat, list and open, and after a rename", function*(store) {
        yield* put(store, ["a"], "x")
        yield* mkdir(store, ["d"])
        const before = yield* identity(store, ["a"])
        yield* store.rename(["a"], ["d", "B"], { replace: false })
        assert.strictEqual(yield* identity(store, ["D", "b"]), before)
        assert.strictEqual((yield* list(store, ["d"]))[0]!.identity, before)
        yield* using(store, ["d", "B"], file, ({ file, node }) =>
          Effect.map(file.stat, (stat) => {
            assert.strictEqual(node.identity, before)
            assert.strictEqual(stat.identity, before)
          }))
        const all = [yield* identity(store, []), yield* identity(store, ["d"]), before]
        assert.strictEqual(new Set(all).size, 3)
      })

      gen("differs for another file that takes the name of a file", function*(store) {
        yield* put(store, ["a"], "first")
        const before = yield* identity(store, ["a"])
        yield* put(store, ["b"], "second")
        yield* store.rename(["b"], ["a"], { replace: true })
        assert.notStrictEqual(yield* identity(store, ["a"]), before)
        const after = yield* identity(store, ["a"])
        yield* store.remove(["a"])
        // Storages that number files can reuse a number at once.
        yield* Effect.sleep(20)
        yield* put(store, ["a"], "third")
        assert.notStrictEqual(yield* identity(store, ["a"]), before)
        assert.notStrictEqual(yield* identity(store, ["a"]), after)
      })

      gen("that differs from the expected one makes remove, rename, link and list fail with Stale", function*(store) {
        yield* put(store, ["a"], "old")
        const old = { expected: yield* identity(store, ["a"]) }
        yield* put(store, ["new"], "new")
        yield* mkdir(store, ["d"])
        yield* store.rename(["new"], ["a"], { replace: true })
        yield* refused(store.remove(["a"], old), "Stale")
        yield* refused(store.rename(["a"], ["b"], { replace: true, ...old }), "Stale")
        if (has("link")) yield* refused(store.link!(["a"], ["b"], { replace: false, ...old }), "Stale")
        yield* refused(Stream.runDrain(store.list(["d"], old)), "Stale")
        assert.deepStrictEqual(yield* names(store, []), ["a", "d"])
        assert.strictEqual(yield* get(store, ["a"]), "new")
        const now = { expected: yield* identity(store, ["a"]) }
        yield* store.rename(["a"], ["b"], { replace: false, ...now })
        yield* store.remove(["b"], now)
        yield* Stream.runDrain(store.list(["d"], { expected: yield* identity(store, ["d"]) }))
        assert.deepStrictEqual(yield* names(store, []), ["d"])
      })

      gen("of the target that differs from the expected one makes rename and link fail with Stale", function*(store) {
        yield* put(store, ["a"], "mine")
        yield* put(store, ["b"], "judged")
        const judged = { replace: true, replaced: yield* identity(store, ["b"]) }
        yield* put(store, ["other"], "other")
        yield* store.rename(["other"], ["b"], { replace: true })
        yield* refused(store.rename(["a"], ["b"], judged), "Stale")
        if (has("link")) yield* refused(store.link!(["a"], ["b"], judged), "Stale")
        assert.strictEqual(yield* get(store, ["a"]), "mine")
        assert.strictEqual(yield* get(store, ["b"]), "other")
        yield* store.rename(["a"], ["b"], { replace: true, replaced: yield* identity(store, ["b"]) })
        assert.strictEqual(yield* get(store, ["b"]), "mine")
      })

      needs("link")("shared by several names lets remove and rename change only the given name", function*(store) {
        yield* put(store, ["a"], "x")
        yield* store.link!(["a"], ["b"], { replace: false })
        const same = { expected: yield* identity(store, ["a"]) }
        assert.strictEqual(yield* identity(store, ["b"]), same.expected)
        const opened: StoreOpened = yield* store.open(["a"], file)
        yield* store.remove(["b"], same)
        assert.deepStrictEqual(yield* names(store, []), ["a"])
        yield* store.link!(["a"], ["b"], { replace: false })
        yield* store.rename(["b"], ["c"], { replace: false, ...same })
        assert.deepStrictEqual(yield* names(store, []), ["a", "c"])
        assert.strictEqual(string(yield* opened.file.read(0n, 10)), "x")
      })
    })

    describe("rename", () => {
      gen("moves files and directories with their entries, while handles stay usable", function*(store) {
        yield* mkdir(store, ["a"])
        yield* mkdir(store, ["b"])
        yield* put(store, ["a", "f"], "x")
        const open: StoreOpened = yield* store.open(["a", "f"], file)
        yield* store.rename(["A"], ["b", "C"], { replace: false })
        assert.strictEqual(yield* get(store, ["b", "c", "f"]), "x")
        yield* refused(store.stat(["a"]), "NotFound")
        assert.strictEqual(string(yield* open.file.read(0n, 9)), "x")
        yield* open.file.write(1n, text("y"))
        yield* store.rename(["b", "c", "f"], ["g"], { replace: false })
        yield* open.file.write(2n, text("z"))
        assert.strictEqual(yield* get(store, ["g"]), "xyz")
        const node: StoreNode = yield* open.file.stat
        assert.strictEqual(node.id, open.node.id)
        assert.strictEqual(node.name, "g")
        assert.strictEqual((yield* store.stat(["g"])).id, open.node.id)
        assert.deepStrictEqual(yield* names(store, ["b", "C"]), [])
      })

      gen("keeps the times, attributes and security descriptor of a file", function*(store) {
        const opened: StoreOpened = yield* store.open(["f"], newFile)
        yield* opened.file.set({
          lastWriteTime: someTime,
          ...(keepsMetadata ? { creationTime: someTime, fileAttributes: FileAttributes.FILE_ATTRIBUTE_HIDDEN } : {})
        })
        if (has("securityDescriptors")) yield* opened.file.setBlob("SecurityDescriptor", text("sd"))
        yield* store.rename(["f"], ["g"], { replace: false })
        yield* put(store, ["f"], "another")
        const node: StoreNode = yield* store.stat(["g"])
        sameTime(node.lastWriteTime, someTime)
        if (keepsMetadata) {
          assert.strictEqual(node.creationTime, someTime)
          assert.strictEqual(node.fileAttributes, 2)
          assert.notStrictEqual((yield* store.stat(["f"])).creationTime, someTime)
        }
        if (has("securityDescriptors")) {
          const { file: again }: StoreOpened = yield* store.open(["g"], file)
          assert.strictEqual(string(yield* again.getBlob("SecurityDescriptor")), "sd")
          const { file: stranger }: StoreOpened = yield* store.open(["f"], file)
          assert.isUndefined(yield* stranger.getBlob("SecurityDescriptor"))
        }
      })

      gen("can change only the case of a name, with and without replace", function*(store) {
        for (const make of [put(store, ["Name"], "x"), mkdir(store, ["Name"])]) {
          yield* make
          const { id } = yield* store.stat(["name"])
          for (const replace of [false, true]) {
            for (const to of ["NAME", "name", "name"]) {
              yield* store.rename(["nAmE"], [to], { replace })
              assert.deepStrictEqual(yield* names(store, []), [to])
              assert.strictEqual((yield* store.stat(["NaMe"])).name, to)
              assert.strictEqual((yield* store.stat(["NaMe"])).id, id)
            }
          }
          yield* store.remove(["name"])
        }
      })

      gen("replaces an existing target only with `replace`, and only a file by a file", function*(store) {
        yield* put(store, ["a"], "a")
        yield* put(store, ["b"], "b")
        yield* mkdir(store, ["d"])
        yield* mkdir(store, ["e"])
        const b: StoreOpened = yield* store.open(["b"], file)
        for (const to of ["b", "B", "d"]) yield* refused(store.rename(["a"], [to], { replace: false }), "Exists")
        yield* refused(store.rename(["d"], ["e"], { replace: false }), "Exists")
        yield* refused(store.rename(["a"], ["d"], { replace: true }), "IsDirectory")
        yield* refused(store.rename(["d"], ["e"], { replace: true }), "IsDirectory")
        yield* refused(store.rename(["d"], ["a"], { replace: true }), "NotDirectory")
        yield* store.rename(["a"], ["B"], { replace: true })
        assert.deepStrictEqual(yield* names(store, []), ["B", "d", "e"])
        assert.strictEqual(yield* get(store, ["b"]), "a")
        yield* sameOrStale(b.file.read(0n, 9), "b")
        yield* refused(store.rename(["no"], ["b"], { replace: true }), "NotFound")
        yield* refused(store.rename(["b"], ["no", "x"], { replace: true }), "PathNotFound")
        assert.strictEqual(yield* get(store, ["b"]), "a")
      })

      gen("refuses to move a directory into itself with AccessDenied", function*(store) {
        yield* mkdir(store, ["d"])
        yield* mkdir(store, ["d", "e"])
        yield* refused(store.rename(["d"], ["d", "x"], { replace: false }), "AccessDenied")
        yield* refused(store.rename(["d"], ["D", "E", "x"], { replace: false }), "AccessDenied")
        assert.deepStrictEqual(yield* names(store, ["d"]), ["e"])
      })
    })

    describe("link", () => {
      needs("link")("gives a file one more name that shares its bytes, times and attributes", function*(store) {
        yield* put(store, ["a"], "x")
        yield* put(store, ["b"], "b")
        yield* mkdir(store, ["d"])
        yield* store.link!(["A"], ["d", "L"], { replace: false })
        assert.strictEqual((yield* store.stat(["d", "l"])).id, (yield* store.stat(["a"])).id)
        assert.strictEqual((yield* store.stat(["a"])).numberOfLinks, 2)
        yield* put(store, ["d", "l"], "through the other")
        assert.strictEqual(yield* get(store, ["a"]), "through the other")
        yield* refused(store.link!(["a"], ["B"], { replace: false }), "Exists")
        yield* refused(store.link!(["a"], ["d"], { replace: true }), "IsDirectory")
        yield* refused(store.link!(["d"], ["x"], { replace: false }), "IsDirectory")
        yield* refused(store.link!(["no"], ["x"], { replace: false }), "NotFound")
        yield* refused(store.link!(["a"], ["no", "x"], { replace: false }), "PathNotFound")
        yield* store.link!(["a"], ["b"], { replace: true })
        assert.strictEqual((yield* store.stat(["a"])).numberOfLinks, 3)
        yield* store.remove(["a"])
        assert.strictEqual(yield* get(store, ["b"]), "through the other")
        // A rename of one name of a file over its other name leaves one name.
        yield* store.rename(["b"], ["d", "l"], { replace: true })
        assert.strictEqual((yield* store.stat(["d", "l"])).numberOfLinks, 1)
        assert.deepStrictEqual(yield* names(store, []), ["d"])
        if (keepsMetadata) {
          const { file: opened }: StoreOpened = yield* store.open(["d", "l"], file)
          yield* opened.set({ creationTime: someTime, fileAttributes: FileAttributes.FILE_ATTRIBUTE_HIDDEN })
          yield* store.link!(["d", "l"], ["again"], { replace: false })
          yield* store.remove(["d", "l"])
          assert.strictEqual((yield* store.stat(["again"])).creationTime, someTime)
          assert.strictEqual((yield* store.stat(["again"])).fileAttributes, 2)
        }
      })
    })

    describe("list", () => {
      gen("gives each of many entries once, with the values that stat gives", function*(store) {
        const count = many
        yield* mkdir(store, ["d"])
        yield* Effect.forEach(
          Array.from({ length: count }, (_, i) => i),
          (i) => put(store, ["d", `f${i}`], "x".repeat(i % 7)),
          {
            concurrency: 16
          }
        )
        const nodes: ReadonlyArray<StoreNode> = yield* list(store, ["d"])
        assert.strictEqual(nodes.length, count)
        assert.strictEqual(new Set(nodes.map((node) => node.name)).size, count)
        assert.strictEqual(new Set(nodes.map((node) => node.id)).size, count)
        for (const i of [0, 6, many / 2, many - 1]) {
          assert.deepStrictEqual(nodes.find((node) => node.name === `f${i}`), yield* store.stat(["d", `f${i}`]))
        }
        // A caller can stop reading a listing before its end.
        assert.strictEqual((yield* Stream.runCollect(Stream.take(store.list(["d"]), 3))).length, 3)
      })

      gen("gives fewer than 200 of 400 entries when all others are removed after the first", function*(store) {
        const count = Math.min(4 * many, 400)
        yield* Effect.forEach(Array.from({ length: count }, (_, i) => i), (i) => put(store, [`f${i}`], "x"), {
          concurrency: 16
        })
        let seen = 0
        yield* Stream.runForEach(store.list([]), ({ name }) => {
          if (seen++ > 0) return Effect.void
          return Effect.forEach(
            Array.from({ length: count }, (_, i) => `f${i}`).filter((other) => other !== name),
            (other) => store.remove([other]),
            { concurrency: 16, discard: true }
          )
        })
        assert.isBelow(seen, 200)
      })

      gen("gives each of 100 entries once while the caller removes each entry that it gets", function*(store) {
        for (let i = 0; i < 100; i++) yield* put(store, [`f${i}`], "x")
        const seen: Array<string> = []
        yield* Stream.runForEach(store.list([]), (node) => {
          seen.push(node.name)
          return Effect.ignore(store.remove([node.name]))
        })
        assert.strictEqual(new Set(seen).size, 100)
        assert.deepStrictEqual(yield* names(store, []), [])
      })
    })

    describe("at the same time", () => {
      gen("exactly one of 20 opens makes a new name", function*(store) {
        for (const type of ["file", "directory"] as const) {
          const all = yield* Effect.forEach(
            Array.from({ length: 20 }, (_, i) => i),
            (i) =>
              Effect.exit(
                Effect.scoped(store.open([i % 2 === 0 ? `one ${type}` : `ONE ${type}`], { mode: "new", type }))
              ),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(all.filter((exit: { _tag: string }) => exit._tag === "Success").length, 1)
          const either = yield* Effect.forEach(
            Array.from({ length: 20 }, (_, i) => i),
            (i) => Effect.scoped(store.open([i % 2 === 0 ? `two ${type}` : `TWO ${type}`], { mode: "either", type })),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(either.filter((opened: StoreOpened) => opened.created).length, 1)
          assert.strictEqual(new Set(either.map((opened: StoreOpened) => opened.node.id)).size, 1)
        }
        assert.strictEqual((yield* names(store, [])).length, 4)
      })

      gen("16 handles write separate ranges of one file, and all bytes are kept", function*(store) {
        yield* put(store, ["f"], "")
        const piece = 50_000
        yield* Effect.forEach(
          Array.from({ length: 16 }, (_, i) => i),
          (i) => using(store, ["f"], file, ({ file }) => file.write(BigInt(i * piece), pattern(piece, i))),
          { concurrency: "unbounded" }
        )
        const { file: opened }: StoreOpened = yield* store.open(["f"], file)
        for (let i = 0; i < 16; i++) {
          assert.deepStrictEqual(yield* opened.read(BigInt(i * piece), piece), pattern(piece, i))
        }
      })

      gen("exactly one of 10 renames, and one of 10 removes, of the same file succeeds", function*(store) {
        yield* put(store, ["f"], "x")
        const renamed = yield* Effect.forEach(
          Array.from({ length: 10 }, (_, i) => i),
          (i) => Effect.exit(store.rename(["f"], [`g${i}`], { replace: false })),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(renamed.filter((exit: { _tag: string }) => exit._tag === "Success").length, 1)
        const [left] = yield* names(store, [])
        const removed = yield* Effect.forEach(
          Array.from({ length: 10 }, (_, i) => i),
          () => Effect.exit(store.remove([left])),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(removed.filter((exit: { _tag: string }) => exit._tag === "Success").length, 1)
        assert.deepStrictEqual(yield* names(store, []), [])
      })

      gen("exactly one of 10 renames to names that differ only in case succeeds", function*(store) {
        for (let i = 0; i < 10; i++) yield* put(store, [`f${i}`], `${i}`)
        const exits = yield* Effect.forEach(
          Array.from({ length: 10 }, (_, i) => i),
          (i) => Effect.exit(store.rename([`f${i}`], [i % 2 === 0 ? "meet" : "MEET"], { replace: false })),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(exits.filter((exit: { _tag: string }) => exit._tag === "Success").length, 1)
        assert.strictEqual((yield* names(store, [])).length, 10)
      })
    })

    gen("has `changes` exactly if the traits have `outside`", function*(store) {
      assert.strictEqual(store.changes !== undefined, traits.outside !== undefined)
    })
    if (traits.outside !== undefined) tellsOfOthers(make, traits.outside)

    for (const seed of [1, 2, 3, 4]) {
      test(`gives the results of a simple model for 250 random operations (seed ${seed})`, (store) =>
        modelAgrees(store, seed, 250))
    }
  })
}
