/**
 * What only a share has as a `FileSystem`: a root that no path leaves, names that SMB cannot carry, statuses as tags,
 * few round trips, links of DFS, and shares that are read-only.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, FileSystem, Layer, Option, Path, type PlatformError, Redacted, Stream } from "effect"
import {
  Credentials,
  DfsAdapter,
  MemoryStore,
  type NtStatus,
  Smb,
  SmbClient,
  SmbFileSystem,
  SmbServer,
  TestTransport,
  UncPath,
  UserStore
} from "effect-smb"
import { SmbFile } from "effect-smb/Client"
import type { Operation, Share } from "effect-smb/Protocol"
import { TestClock } from "effect/testing"

const account = { user: "ann", password: "a-secret-that-no-error-has" }
const joe = Credentials.layer(Credentials.password(account.user, Redacted.make(account.password)))

const files = (): TestTransport.Files => ({
  "secret.txt": "outside",
  other: { "base": { "x.txt": "outside too" } },
  base: {
    "a.txt": "text",
    "large.bin": new Uint8Array(3_000_000).fill(7),
    "stream\uf022name": "a colon",
    "out": TestTransport.link("..\\secret.txt"),
    "far": TestTransport.link("..\\other"),
    "top": TestTransport.link("\\??\\UNC\\s\\data\\secret.txt"),
    sub: { "b.txt": "b", "link": TestTransport.link("..\\a.txt") }
  }
})

interface World {
  readonly fs: FileSystem.FileSystem
  readonly servers: TestTransport.TestServers["Service"]
}

/** The folder `base` of a share in memory, with faults. */
const share = <E>(
  body: (world: World) => Effect.Effect<void, E>,
  options: Omit<TestTransport.ServerOptions, "shares"> = {},
  client: SmbClient.Options = {}
) =>
  Effect.gen(function*() {
    yield* body({ fs: yield* FileSystem.FileSystem, servers: yield* TestTransport.TestServers })
  }).pipe(
    Effect.provide(SmbFileSystem.layer("//s/data/base")),
    Effect.provide(SmbClient.layer(client)),
    Effect.provide([TestTransport.layerFiles({ data: files() }, { ...account, ...options }), joe])
  )

const reasonOf = <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

const tagOf = <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
  Effect.map(reasonOf(effect), ({ _tag }) => _tag)

const put = (fs: FileSystem.FileSystem, path: string) => fs.writeFileString(path, "x")

describe("the root", () => {
  it.effect("is left by no path", () =>
    share(({ fs, servers }) =>
      Effect.gen(function*() {
        for (
          const path of ["a.txt", "/a.txt", "./a.txt", "/../a.txt", "../../../a.txt", "/sub/../../a.txt", "//a.txt"]
        ) {
          assert.strictEqual(yield* fs.readFileString(path), "text", path)
        }
        for (
          const path of [
            "/../secret.txt",
            "..\\secret.txt",
            "sub\\..\\..\\secret.txt",
            "\\\\s\\data\\secret.txt",
            "//s/data/secret.txt",
            "smb://s/data/secret.txt",
            "a.txt:$DATA",
            "a.txt::$DATA",
            "a.txt:stream",
            "@GMT-2026.01.02-03.04.05/a.txt"
          ]
        ) {
          assert.isFalse(yield* fs.exists(path), path)
          assert.strictEqual(yield* tagOf(fs.readFile(path)), "NotFound", path)
        }
        yield* put(fs, "../../written.txt")
        assert.isDefined(yield* servers.read("s", "data", "base\\written.txt"))
        yield* fs.rename("a.txt", "/../../moved.txt")
        assert.isDefined(yield* servers.read("s", "data", "base\\moved.txt"))
        assert.strictEqual(yield* fs.realPath("../sub/../../sub/b.txt"), "/sub/b.txt")
      })
    ))

  it.effect("is left by no link that the server leaves to the client", () =>
    share(({ fs, servers }) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* fs.readFileString("/sub/link"), "text")
        for (const path of ["/out", "/top", "/far/base/x.txt", "/sub/../out"]) {
          for (
            const run of [
              fs.readFile(path),
              Stream.runDrain(fs.stream(path)),
              Effect.scoped(fs.open(path, { flag: "r+" })),
              fs.writeFileString(path, "changed"),
              fs.truncate(path),
              fs.stat(path),
              fs.utimes(path, 1, 1),
              fs.chmod(path, 0o444),
              fs.copyFile(path, "/copy"),
              fs.copyFile("/a.txt", path),
              fs.realPath(path)
            ]
          ) {
            const reason = yield* reasonOf(Effect.asVoid(run as Effect.Effect<unknown, PlatformError.PlatformError>))
            assert.strictEqual(reason._tag, "BadResource", path)
            assert.match(String((reason as { readonly description?: string }).description), /leads out of/)
          }
        }
        assert.strictEqual(yield* tagOf(fs.readDirectory("/far")), "BadResource")
        assert.strictEqual((yield* fs.lstat("/out")).type, "SymbolicLink")
        assert.strictEqual(yield* fs.readLink("/out"), "../secret.txt")
        yield* fs.remove("/out")
        assert.strictEqual(Buffer.from((yield* servers.read("s", "data", "secret.txt"))!).toString(), "outside")
        assert.isUndefined(yield* servers.read("s", "data", "base\\copy"))
      })
    ))

  it.effect("copies no link over what the link leads to: the content would be gone", () =>
    share(({ fs }) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* tagOf(fs.copy("/sub/link", "/a.txt", { overwrite: true })), "BadResource")
        assert.strictEqual(yield* fs.readFileString("/a.txt"), "text")
        assert.strictEqual(yield* fs.readFileString("/sub/link"), "text")
      })
    ))

  it.effect("is left by no link behind a DFS link either, above or below the root", () =>
    Effect.gen(function*() {
      const fs = yield* SmbFileSystem.make("//ns/dfs/l/base")
      assert.strictEqual(yield* fs.readFileString("/sub/link"), "text")
      assert.strictEqual(yield* tagOf(fs.readFile("/out")), "BadResource")
      // The root holds the DFS link: a link stays in what that leads to.
      const above = yield* SmbFileSystem.make("//ns/dfs")
      assert.strictEqual(yield* above.readFileString("/l/out"), "outside")
      assert.strictEqual(yield* above.readFileString("/l/base/sub/link"), "text")
      assert.strictEqual(yield* tagOf(above.readFile("/l/above")), "BadResource")
      // A link that has the name of the folder that it leads to.
      assert.strictEqual(yield* above.readFileString("/deep/out"), "outside")
      assert.strictEqual(yield* tagOf(above.readFile("/deep/above")), "BadResource")
    }).pipe(
      Effect.provide(DfsAdapter.layerWithoutDiscovery()),
      Effect.provide(SmbClient.layer()),
      Effect.provide([
        TestTransport.layer({
          ns: {
            ...account,
            shares: { dfs: { l: {}, deep: {} } },
            referrals: {
              "//ns/dfs": { targets: ["//ns/dfs"] },
              "//ns/dfs/l": { targets: ["//nas/data/deep"] },
              "//ns/dfs/deep": { targets: ["//nas/data/deep"] }
            }
          },
          nas: {
            ...account,
            shares: {
              data: {
                "top.txt": "top",
                deep: {
                  ...files(),
                  "out": TestTransport.link("secret.txt"),
                  "above": TestTransport.link("..\\top.txt")
                }
              }
            }
          }
        }),
        joe
      ])
    ))

  it.effect("is there, and cannot be removed, renamed or replaced", () =>
    share(({ fs }) =>
      Effect.gen(function*() {
        for (const path of ["/", ".", "..", "//", "/sub/.."]) {
          assert.strictEqual((yield* fs.stat(path)).type, "Directory", path)
          assert.isTrue(yield* fs.exists(path))
          assert.strictEqual(yield* fs.realPath(path), "/")
          yield* fs.makeDirectory(path, { recursive: true })
          assert.strictEqual(yield* tagOf(fs.makeDirectory(path)), "AlreadyExists", path)
          assert.strictEqual(yield* tagOf(fs.remove(path, { recursive: true, force: true })), "Busy", path)
          assert.strictEqual(yield* tagOf(fs.rename(path, "/x")), "Busy", path)
          assert.strictEqual(yield* tagOf(fs.rename("/sub", path)), "Busy", path)
          assert.strictEqual(yield* tagOf(fs.symlink("x", path)), "AlreadyExists", path)
          assert.strictEqual(yield* tagOf(fs.link("a.txt", path)), "AlreadyExists", path)
          assert.strictEqual(yield* tagOf(put(fs, path)), "BadResource", path)
        }
        assert.include(yield* fs.readDirectory("/"), "a.txt")
      })
    ))

  it.effect("must be a folder of a share, and is looked at only by an operation", () =>
    Effect.gen(function*() {
      for (const base of ["folder", "//server", "//s/data/../..", "C:\\x"]) {
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(SmbFileSystem.layer(base))))
        assert(Exit.isFailure(exit), base)
        assert.include(String(exit.cause), "PathError", base)
      }
      const fs = yield* SmbFileSystem.make("//s/data/none")
      const servers = yield* TestTransport.TestServers
      assert.strictEqual(yield* servers.connected, 0)
      assert.strictEqual(yield* tagOf(put(fs, "a.txt")), "NotFound")
      yield* fs.makeDirectory("/", { recursive: true })
      yield* put(fs, "a.txt")
      assert.isDefined(yield* servers.read("s", "data", "none\\a.txt"))
    }).pipe(
      Effect.provide(SmbClient.layer()),
      Effect.provide([TestTransport.layerFiles({ data: files() }, account), joe])
    ))

  it.effect("has a place for temporary files, which is made when it is needed", () =>
    Effect.gen(function*() {
      const fs = yield* SmbFileSystem.make("//s/data/base", { temporaryDirectory: "/var/tmp" })
      assert.isFalse(yield* fs.exists("/var"))
      const path = yield* Effect.scoped(Effect.gen(function*() {
        const path = yield* fs.makeTempFileScoped({ prefix: "p-", suffix: ".txt" })
        assert.match(path, /^\/var\/tmp\/p-[a-z0-9]{12}\/[a-z0-9]{12}\.txt$/)
        assert.isTrue(yield* fs.exists(path))
        return path
      }))
      assert.isFalse(yield* fs.exists(path))
      assert.deepStrictEqual(yield* fs.readDirectory("/var/tmp"), [])
    }).pipe(
      Effect.provide(SmbClient.layer()),
      Effect.provide([TestTransport.layerFiles({ data: files() }, account), joe])
    ))
})

describe("names", () => {
  it.effect("are on the server as other clients for Unix write them", () =>
    share(
      ({ fs, servers }) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* fs.readFileString("stream:name"), "a colon")
          assert.include(yield* fs.readDirectory("/"), "stream:name")
          for (
            const [name, sent] of [
              ["what?", "what\uf025"],
              ["a\\b", "a\uf026b"],
              ["private \uf026", "private \uf07f\uf026"],
              ["end.", "end\uf029"]
            ] as const
          ) {
            yield* put(fs, name)
            assert.isDefined(yield* servers.read("s", "data", `base\\${sent}`), name)
            assert.include(yield* fs.readDirectory("/"), name)
            assert.include(yield* fs.readDirectory("/", { recursive: true }), name)
            assert.strictEqual(yield* fs.realPath(name), `/${name}`)
          }
        }),
      {},
      { names: "unchanged" }
    ))

  it.effect("are the same if the client maps names already", () =>
    share(
      ({ fs, servers }) =>
        Effect.gen(function*() {
          yield* put(fs, "a:b\\c")
          assert.isDefined(yield* servers.read("s", "data", "base\\a\uf022b\uf026c"))
        }),
      {},
      { names: "mapped" }
    ))
})

describe("paths by layerPath", () => {
  it.effect("begin at the root", () =>
    Effect.gen(function*() {
      const path = yield* Path.Path
      assert.strictEqual(path.resolve("a/b"), "/a/b")
      assert.strictEqual(path.resolve("a", "../b", "c"), "/b/c")
      assert.strictEqual(path.resolve("/a", "/b"), "/b")
      assert.strictEqual(path.resolve(), "/")
      assert.strictEqual(path.relative("a/b", "/a/c"), "../c")
      assert.strictEqual(path.join("a", "..", "b"), "b")
      assert.strictEqual((yield* path.toFileUrl("a b")).href, "file:///a%20b")
      assert.deepStrictEqual(path.resolveWithin("site", "x/y"), Option.some("/site/x/y"))
      assert.deepStrictEqual(path.resolveWithin("site", "../x"), Option.none())
    }).pipe(Effect.provide(SmbFileSystem.layerPath)))
})

describe("a failure", () => {
  const statuses: ReadonlyArray<readonly [NtStatus.Name, read: string, write: string]> = [
    ["STATUS_OBJECT_NAME_NOT_FOUND", "NotFound", "NotFound"],
    ["STATUS_OBJECT_PATH_NOT_FOUND", "NotFound", "NotFound"],
    ["STATUS_NO_SUCH_FILE", "NotFound", "NotFound"],
    ["STATUS_DELETE_PENDING", "NotFound", "Busy"],
    ["STATUS_OBJECT_NAME_COLLISION", "AlreadyExists", "AlreadyExists"],
    ["STATUS_ACCESS_DENIED", "PermissionDenied", "PermissionDenied"],
    ["STATUS_MEDIA_WRITE_PROTECTED", "PermissionDenied", "PermissionDenied"],
    ["STATUS_SHARING_VIOLATION", "Busy", "Busy"],
    ["STATUS_TOO_MANY_OPENED_FILES", "Busy", "Busy"],
    ["STATUS_FILE_IS_A_DIRECTORY", "BadResource", "BadResource"],
    ["STATUS_NOT_A_DIRECTORY", "BadResource", "BadResource"],
    ["STATUS_OBJECT_NAME_INVALID", "InvalidData", "InvalidData"],
    ["STATUS_DISK_FULL", "WriteZero", "WriteZero"],
    ["STATUS_IO_TIMEOUT", "TimedOut", "TimedOut"],
    ["STATUS_NOT_SUPPORTED", "BadArgument", "BadArgument"],
    ["STATUS_UNEXPECTED_IO_ERROR", "Unknown", "Unknown"]
  ]

  it.effect.each(statuses)(
    "of %s has its tag, and the client's error as its cause",
    ([status, read, write]) =>
      share(({ fs }) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* tagOf(put(fs, "/new.txt")), write)
          const reason = yield* reasonOf(fs.readFile("/a.txt"))
          assert.strictEqual(reason._tag, read)
          assert.deepInclude(reason, { module: "FileSystem", method: "readFile" })
          const { cause } = reason
          assert((cause as { _tag?: unknown } | undefined)?._tag === "SmbError")
          assert.strictEqual((cause as { statusName?: unknown }).statusName, status)
          if (reason._tag !== "BadArgument") {
            assert.deepInclude(reason, { pathOrDescriptor: "/a.txt", syscall: "CREATE" })
          }
          assert.include(reason.message, status)
        }), { faults: [TestTransport.fault("CREATE", { status })] })
  )

  it.effect("of a full disk is told by a write, a sink and an open file", () =>
    share(({ fs }) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* tagOf(put(fs, "/new.txt")), "WriteZero")
        const bytes = Stream.make(new Uint8Array(9))
        assert.strictEqual(yield* tagOf(Stream.run(bytes, fs.sink("/new.txt"))), "WriteZero")
        const writing = Effect.scoped(
          Effect.flatMap(fs.open("/new.txt", { flag: "w" }), (file) => file.writeAll(new Uint8Array(9)))
        )
        const reason = yield* reasonOf(writing)
        assert.deepInclude(reason, { _tag: "WriteZero", method: "writeAll", pathOrDescriptor: "/new.txt" })
      }), { faults: [TestTransport.fault("WRITE", { status: "STATUS_DISK_FULL" })] }))

  it.effect("at the close is told by a sink and by writeFile with any flag", () =>
    share(({ fs }) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* tagOf(Stream.run(Stream.make(new Uint8Array(9)), fs.sink("/new.txt"))), "WriteZero")
        assert.strictEqual(yield* tagOf(put(fs, "/new.txt")), "WriteZero")
        assert.strictEqual(yield* tagOf(fs.writeFileString("/a.txt", "x", { flag: "r+" })), "WriteZero")
      }), { faults: [TestTransport.fault("CLOSE", { status: "STATUS_DISK_FULL" })] }))

  it.effect("of the connection has the error of the transport as its cause, and no password", () =>
    share(({ fs, servers }) =>
      Effect.gen(function*() {
        yield* servers.down("*")
        const reason = yield* reasonOf(fs.readFile("/a.txt"))
        assert.strictEqual(reason._tag, "Unknown")
        assert.deepInclude(reason.cause, { _tag: "TransportError", reason: { _tag: "ConnectionRefused" } })
        yield* servers.up("*")
        assert.strictEqual(yield* fs.readFileString("/a.txt"), "text")
      })
    ))

  it.effect("without an answer is TimedOut", () =>
    share(({ fs }) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(tagOf(fs.readFile("/a.txt")), { startImmediately: true })
        yield* TestClock.adjust("2 minutes")
        assert.strictEqual(yield* Fiber.join(fiber), "TimedOut")
      }), { faults: [TestTransport.fault("CREATE", "silence")] }))

  it.effect("of the logon is PermissionDenied, and names no password", () =>
    Effect.gen(function*() {
      const fs = yield* SmbFileSystem.make("//s/data/base")
      const reason = yield* reasonOf(fs.stat("/"))
      assert.strictEqual(reason._tag, "PermissionDenied")
      assert.notInclude(JSON.stringify(reason) + reason.message, "wrong-secret")
    }).pipe(
      Effect.provide(SmbClient.layer()),
      Effect.provide([
        TestTransport.layerFiles({ data: files() }, account),
        Credentials.layer(Credentials.password("ann", Redacted.make("wrong-secret")))
      ])
    ))
})

describe("requests", () => {
  it.effect("are few: a small file is read and written in one round trip, and stat needs one", () =>
    share(({ fs, servers }) =>
      Effect.gen(function*() {
        yield* fs.stat("/")
        const during = <A, E>(effect: Effect.Effect<A, E>) =>
          Effect.gen(function*() {
            const before = (yield* servers.commands).length
            yield* effect
            return (yield* servers.commands).slice(before)
          })
        assert.deepStrictEqual(yield* during(fs.readFile("/a.txt")), ["CREATE", "READ", "CLOSE"])
        assert.deepStrictEqual(yield* during(put(fs, "/a.txt")), ["CREATE", "WRITE", "CLOSE"])
        assert.deepStrictEqual(yield* during(fs.stat("/a.txt")), [
          "CREATE",
          "QUERY_INFO",
          "QUERY_INFO",
          "QUERY_INFO",
          "CLOSE"
        ])
        assert.deepStrictEqual(yield* during(fs.exists("/a.txt")), ["CREATE", "CLOSE"])
        // The server copies by itself, if it can.
        assert.include(yield* during(fs.copyFile("/a.txt", "/copy.txt")), "IOCTL")
      })
    ))

  it.effect("of a stream are many before the first chunk is used, and end with the stream", () =>
    share(({ fs, servers }) =>
      Effect.gen(function*() {
        const first = yield* Stream.runCollect(Stream.take(fs.stream("/large.bin"), 1))
        assert.strictEqual(Array.from(first)[0]!.length, 65_536)
        const commands = yield* servers.commands
        assert.isAbove(commands.filter((command) => command === "READ").length, 4)
        assert.strictEqual(commands.at(-1), "CLOSE")
        const all = Buffer.concat(Array.from(yield* Stream.runCollect(fs.stream("/large.bin", { chunkSize: 99_999 }))))
        assert.isTrue(all.equals(new Uint8Array(3_000_000).fill(7)))
      }), { maximumTransfer: 65_536 }))

  it.effect("for access are an open with the wanted rights, if the server does not tell the rights", () =>
    share(({ fs }) =>
      Effect.gen(function*() {
        yield* fs.access("/a.txt", { readable: true })
        assert.strictEqual(yield* tagOf(fs.access("/a.txt", { readable: true, writable: true })), "PermissionDenied")
      }), {
      faults: [{
        on: "CREATE",
        when: ({ request }) => request._tag === "CREATE" && (request.body.desiredAccess & 2) !== 0,
        is: { status: "STATUS_ACCESS_DENIED" }
      }]
    }))
})

describe("an open file after a write to its end", () => {
  it.effect("does not count the offset of that write as its size", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const answer = (operation: Operation.Any): unknown => {
        asked.push(operation._tag)
        return operation._tag === "Write" ? operation.data.length : { endOfFile: 6n }
      }
      const file: Share.OpenFile = {
        path: "f",
        opened: { endOfFile: 3n } as Share.Opened,
        caching: () => ({ oplockLevel: 0, leaseState: 0 }),
        run: (operation) => Effect.sync(() => answer(operation)) as Effect.Effect<any>,
        close: Effect.void
      }
      const limits = { read: 65_536, write: 65_536, transact: 65_536 }
      const opened = SmbFile.make({ server: "s", port: 445, name: "data", limits } as Share.Share, file)
      yield* opened.run({ _tag: "Write", offset: 0xffff_ffff_ffff_ffffn, data: new Uint8Array(3) })
      assert.strictEqual((yield* opened.read(6n, 10)).length, 0)
      // The server was asked for the size, and no bytes were read after it.
      assert.deepStrictEqual(asked, ["Write", "QueryInfo"])
    }))
})

describe("on the project's server", () => {
  const host = "127.0.49.2"
  const one = "127.0.49.3"
  const password = Redacted.make("secret")

  const servers = Effect.gen(function*() {
    const users = UserStore.inMemory({ joe: password })
    const target = yield* SmbServer.make({
      host: one,
      port: 0,
      users,
      shares: { data: MemoryStore.make(), more: MemoryStore.make() }
    })
    const root = yield* SmbServer.make({
      host,
      port: 0,
      users,
      shares: { data: MemoryStore.make(), fixed: { store: MemoryStore.make(), readOnly: true } },
      namespaces: { roots: { public: { links: { plans: [`\\\\${one}\\data`], more: [`\\\\${one}\\more`] } } } }
    })
    const client = Smb.layer({
      user: "joe",
      password,
      dfs: "fallback",
      addresses: { [one]: { host: one, port: target.port } }
    })
    return { client, at: (path: string) => `//${host}:${root.port}/${path}` }
  })

  it.live("a share that is read-only says so", () =>
    Effect.scoped(Effect.gen(function*() {
      const { at, client } = yield* servers
      yield* Effect.gen(function*() {
        const fs = yield* SmbFileSystem.make(at("fixed"))
        yield* fs.access("/", { readable: true })
        assert.strictEqual(yield* tagOf(fs.access("/", { writable: true })), "PermissionDenied")
        assert.strictEqual(yield* tagOf(put(fs, "/a.txt")), "PermissionDenied")
        assert.strictEqual(yield* tagOf(fs.makeDirectory("/d")), "PermissionDenied")
      }).pipe(Effect.provide(client))
    })))

  it.live("links of DFS are folders, and files do not move or link across them", () =>
    Effect.scoped(Effect.gen(function*() {
      const { at, client } = yield* servers
      yield* Effect.gen(function*() {
        const fs = yield* SmbFileSystem.make(at("public"))
        yield* fs.makeDirectory("/plans/d")
        yield* put(fs, "/plans/d/a?.txt")
        yield* fs.symlink("d/a?.txt", "/plans/link")
        assert.deepStrictEqual((yield* fs.readDirectory("/plans", { recursive: true })).toSorted(), [
          "d",
          "d/a?.txt",
          "link"
        ])
        assert.strictEqual(yield* fs.readFileString("/plans/link"), "x")
        assert.strictEqual(yield* fs.realPath("/PLANS/D/A?.txt").pipe(Effect.map((path) => path.slice(6))), "/d/a?.txt")
        yield* fs.copyFile("/plans/d/a?.txt", "/plans/copy")
        yield* fs.link("/plans/copy", "/plans/d/hard")
        assert.deepStrictEqual((yield* fs.stat("/plans/copy")).nlink, Option.some(2n))
        // The failure says which two shares it is about.
        const across = yield* Effect.flip(fs.link("/plans/copy", "/more/hard"))
        assert(across._tag === "PlatformError" && across.reason._tag === "Unknown", String(across))
        const cause = across.reason.cause
        assert(cause instanceof UncPath.PathError && cause.reason._tag === "AcrossShares", String(cause))
        assert.match(across.message, /cannot get the other name .*more.*: copy and remove/)
        assert.deepStrictEqual(yield* fs.readDirectory("/more"), [])
        // The link itself is made in the namespace.
        assert.strictEqual(yield* tagOf(fs.remove("/plans", { recursive: true })), "Busy")
        const other = yield* SmbFileSystem.make(at("data"))
        yield* put(other, "/x")
        assert.strictEqual(yield* other.readFileString("/x"), "x")
      }).pipe(Effect.provide(client))
    })))

  it.live("an absolute link is relative for other clients, and stays within the root", () =>
    Effect.scoped(Effect.gen(function*() {
      const { at, client } = yield* servers
      yield* Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        yield* smb.makeDirectory(at("data/base/d/e"), { recursive: true })
        const fs = yield* SmbFileSystem.make(at("data/base"))
        yield* put(fs, "/f")
        yield* fs.symlink("/f", "/d/e/link")
        yield* fs.symlink("/d/e", "/d/folder")
        yield* fs.symlink("/../../f", "/d/up")
        assert.strictEqual(yield* fs.readLink("/d/e/link"), "/f")
        assert.strictEqual(yield* fs.readFileString("/d/folder/link"), "x")
        assert.strictEqual(yield* fs.readFileString("/d/up"), "x")
        assert.strictEqual(yield* fs.realPath("/d/folder/link"), "/f")
        // A copy of such a link is such a link.
        yield* fs.copy("/d", "/copies/here")
        assert.strictEqual(yield* fs.readLink("/copies/here/folder"), "/d/e")
        assert.strictEqual(yield* fs.readFileString("/copies/here/folder/link"), "x")
        assert.strictEqual((yield* fs.stat("/copies/here/folder")).type, "Directory")
        // Links of Windows to other places are copied unchanged.
        yield* smb.makeLink(at("data/base/d/drive"), "C:\\windows")
        yield* smb.makeLink(at("data/base/d/server"), "\\\\other\\share\\x")
        yield* fs.copy("/d", "/again")
        assert.strictEqual(yield* fs.readLink("/again/drive"), "C:/windows")
        assert.strictEqual(yield* smb.readLink(at("data/base/again/server")), "\\\\other\\share\\x")
        // Another client follows the link from the share's root.
        assert.strictEqual(yield* smb.readFileString(at("data/base/d/e/link")), "x")
      }).pipe(Effect.provide(client))
    })))
})

describe("an argument that cannot be used", () => {
  const places: Readonly<
    Record<string, (fs: FileSystem.FileSystem, value: any) => Effect.Effect<unknown, PlatformError.PlatformError>>
  > = {
    "the mode of open": (fs, mode) => Effect.scoped(fs.open("/a.txt", { flag: "w", mode })),
    "the mode of writeFile": (fs, mode) => fs.writeFile("/a.txt", new Uint8Array(1), { mode }),
    "the mode of writeFileString": (fs, mode) => fs.writeFileString("/a.txt", "x", { mode }),
    "the mode of makeDirectory": (fs, mode) => fs.makeDirectory("/new", { mode }),
    "the mode of chmod": (fs, mode) => fs.chmod("/a.txt", mode),
    "the mode of sink": (fs, mode) => Stream.run(Stream.make(new Uint8Array(1)), fs.sink("/a.txt", { mode })),
    "the offset of stream": (fs, offset) => Stream.runDrain(fs.stream("/a.txt", { offset })),
    "the length of stream": (fs, bytesToRead) => Stream.runDrain(fs.stream("/a.txt", { bytesToRead })),
    "the size of chunks": (fs, value) => Stream.runDrain(fs.stream("/a.txt", { chunkSize: value === -1 ? 0 : value })),
    "the size of readAlloc": (fs, size) =>
      Effect.scoped(Effect.flatMap(fs.open("/a.txt"), (file) => file.readAlloc(size)))
  }
  it.live("is BadArgument of each method that takes a number, and changes nothing", () =>
    share(({ fs }) =>
      Effect.gen(function*() {
        for (const [name, run] of Object.entries(places)) {
          for (const value of [Number.NaN, 1.5, -1, -Infinity]) {
            assert.strictEqual((yield* reasonOf(run(fs, value)))._tag, "BadArgument", `${name}: ${value}`)
          }
        }
        for (const [atime, mtime] of [[Number.NaN, 0], [0, new Date(Number.NaN)], [Infinity, 0]] as const) {
          assert.strictEqual((yield* reasonOf(fs.utimes("/a.txt", atime, mtime)))._tag, "BadArgument")
        }
        assert.strictEqual(yield* fs.readFileString("/a.txt"), "text")
      })
    ))

  it.effect("as the suffix of a temporary file is BadArgument, and leaves no folder behind", () =>
    share(({ fs }) =>
      Effect.gen(function*() {
        const before = yield* fs.readDirectory("/")
        for (const suffix of ["/x", "a/b", "\0"]) {
          assert.strictEqual((yield* reasonOf(fs.makeTempFile({ suffix })))._tag, "BadArgument", suffix)
          assert.strictEqual((yield* reasonOf(Effect.scoped(fs.makeTempFileScoped({ suffix }))))._tag, "BadArgument")
        }
        // A name that the server refuses.
        yield* Effect.flip(fs.makeTempFile({ suffix: "x".repeat(40_000) }))
        assert.deepStrictEqual(yield* fs.readDirectory("/"), before)
      })
    ))

  it.live("chunks can be larger than any memory, and have the bytes that the file has", () =>
    share(({ fs }) =>
      Effect.gen(function*() {
        for (const [size, lengths] of [[2 ** 50, "3000000"], [2_000_000, "2000000,1000000"]] as const) {
          const chunks = yield* Stream.runCollect(fs.stream("/large.bin", { chunkSize: size }))
          assert.strictEqual(chunks.map(({ length }) => length).join(), lengths)
          assert.isTrue(chunks.every((chunk) => chunk.every((byte) => byte === 7)))
        }
      })
    ))
})
