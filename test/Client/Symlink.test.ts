/**
 * Symbolic links that the server leaves to the client: the example of MS-SMB2 2.2.2.2.1.1, tables of paths, and
 * servers in memory that stop at links with right, missing or malformed data.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import { Credentials, SmbClient, SmbError, TestTransport } from "effect-smb"
import * as Symlink from "../../src/Client/internal/Symlink.ts"
import type { Target } from "../../src/Client/Locator.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, type SymbolicLink as LinkData } from "../../src/Protocol/Errors.ts"
import * as Header from "../../src/Smb2/Header.ts"
import { Command, CreateOptions, HeaderFlags } from "../../src/Smb2/Message/Constants.ts"
import * as SymbolicLink from "../../src/Smb2/SymbolicLink.ts"
import { random } from "../random.ts"

const place = (path: string): Target => ({ server: "nas", port: 445, share: "Data", path })

const utf16 = (text: string) => Buffer.from(text, "utf16le")
const u16 = (value: number) => Buffer.from(Uint16Array.of(value).buffer)
const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer)

/** MS-SMB2 2.2.2.2.1, field by field. */
const linkData = (unparsed: number, flags: number, substitute: string, print: string) => {
  const names = Buffer.concat([utf16(substitute), utf16(print)])
  const rest = Buffer.concat([
    u32(0x4c4d5953),
    u32(0xa000000c),
    u16(names.length + 12),
    u16(unparsed),
    u16(0),
    u16(substitute.length * 2),
    u16(substitute.length * 2),
    u16(print.length * 2),
    u32(flags),
    names
  ])
  return Buffer.concat([u32(rest.length), rest])
}

/** MS-SMB2 2.2.2: StructureSize, ErrorContextCount, Reserved, ByteCount, ErrorData. */
const packet = (contexts: number, data: Uint8Array) => {
  const bytes = Buffer.concat([Buffer.alloc(Header.size), u16(9), Buffer.of(contexts, 0), u32(data.length), data])
  Header.write(Header.view(bytes), 0, {
    creditCharge: 1,
    status: NtStatus.STATUS_STOPPED_ON_SYMLINK,
    command: Command.CREATE,
    credits: 1,
    flags: HeaderFlags.SMB2_FLAGS_SERVER_TO_REDIR,
    nextCommand: 0,
    messageId: 4,
    asyncId: 0n,
    treeId: 1,
    sessionId: 1n
  })
  return { header: Header.read(Header.view(bytes)), packet: new Uint8Array(bytes) }
}

describe("the Symbolic Link Error Response", () => {
  // The example of MS-SMB2 2.2.2.2.1.1.
  const target = "\\??\\D:\\DonHall\\MiscDocuments\\PDocs"
  const path = "Public\\ProtocolDocs\\DailyDocs\\[MS-SMB].doc"
  const data = linkData(0x2e, 0, target, "D:\\DonHall\\MiscDocuments\\PDocs")
  const expected = { path, unparsed: "\\DailyDocs\\[MS-SMB].doc".length, target, relative: false }

  it("is read alone, and in an error context of dialect 3.1.1", () => {
    assert.deepStrictEqual(SymbolicLink.decode(packet(0, data), path), expected)
    const context = Buffer.concat([u32(data.length), u32(0), data])
    assert.deepStrictEqual(SymbolicLink.decode(packet(1, context), path), expected)
  })

  it("is undefined when it is malformed, and never makes the reader throw", () => {
    assert.isUndefined(SymbolicLink.decode(packet(0, linkData(0x2f, 0, target, "")), path))
    assert.isUndefined(SymbolicLink.decode(packet(0, linkData(0x2e, 0, target, "")), "short"))
    assert.isUndefined(SymbolicLink.decode(packet(0, linkData(0, 1, "", "")), path))
    assert.isUndefined(SymbolicLink.decode(packet(3, data), path))
    assert.isUndefined(SymbolicLink.decode(packet(0, new Uint8Array(1)), path))
    const next = random(3)
    for (let i = 0; i < 2000; i++) {
      const reply = packet(0, data)
      reply.packet[Header.size + next(reply.packet.length - Header.size)] = next(256)
      SymbolicLink.decode({ ...reply, packet: reply.packet.subarray(0, Header.size + 2 + next(200)) }, path)
    }
  })
})

describe("Symlink.resolve", () => {
  const resolve = (path: string, unparsed: string, target: string, relative: boolean, asked = path) => {
    const link: LinkData = { path, unparsed: unparsed.length, target, relative }
    return Symlink.resolve(fromStatus(NtStatus.STATUS_STOPPED_ON_SYMLINK, "CREATE", path, link), {
      ...place(asked),
      dfsName: { server: "corp", share: "public" }
    })
  }

  it.each([
    ["link", "", "real", true, "real"],
    ["a\\link", "", "real", true, "a\\real"],
    ["a\\link", "", "..\\b\\real", true, "b\\real"],
    ["a\\link\\x\\y", "\\x\\y", "real", true, "a\\real\\x\\y"],
    // Some servers do not count the backslash; Windows does.
    ["a\\link\\x\\y", "x\\y", "real", true, "a\\real\\x\\y"],
    ["a\\link", "", ".", true, "a"],
    ["a\\link", "", "..", true, ""],
    ["link\\x", "\\x", "./b/./c", true, "b\\c\\x"],
    ["link", "", "..\\out", true, undefined],
    ["a\\link", "", "..\\..\\out", true, undefined],
    ["a\\link\\x", "\\x", "\\??\\UNC\\NAS\\data\\b", false, "b\\x"],
    ["a\\link\\x", "\\x", "\\\\nas\\DATA\\b\\", false, "b\\x"],
    ["link", "", "\\??\\UNC\\nas\\data", false, ""],
    ["link", "", "\\??\\UNC\\corp\\public\\b", false, "b"],
    ["link", "", "\\??\\UNC\\other\\data\\b", false, undefined],
    ["link", "", "\\??\\UNC\\nas\\secret\\b", false, undefined],
    ["link", "", "\\??\\UNC\\nas\\data2\\b", false, undefined],
    ["link", "", "\\??\\C:\\data\\b", false, undefined],
    ["link", "", "\\??\\UNC\\nas\\data\\..\\..\\b", false, undefined]
  ])(
    "resolves %j with %j left and the target %j (relative: %s) to %j",
    (path, unparsed, target, relative, expected) => {
      assert.strictEqual(resolve(path, unparsed, target, relative), expected)
    }
  )

  it("ignores a link of another path, and keeps a previous version's token", () => {
    assert.isUndefined(resolve("a\\link", "", "real", true, "b"))
    assert.strictEqual(
      resolve("a\\link", "", "real", true, "@GMT-2026.11.21-08.30.00\\a\\link"),
      "@GMT-2026.11.21-08.30.00\\a\\real"
    )
  })
})

describe.each(["2.1", "3.1.1"] as const)("a client of a server with dialect %s", (dialect) => {
  const chain = Object.fromEntries(
    Array.from({ length: 9 }, (_, i) => [`l${i + 1}`, TestTransport.link(i === 0 ? "readme.txt" : `l${i}`)])
  )
  const servers = TestTransport.layerFiles({
    data: {
      "readme.txt": "hello",
      deep: { "file.txt": "deep", up: TestTransport.link("..\\readme.txt") },
      short: TestTransport.link("deep"),
      absolute: TestTransport.link("\\\\nas\\data\\deep"),
      outside: TestTransport.link("..\\..\\etc"),
      elsewhere: TestTransport.link("\\\\evil\\data\\x"),
      circle: TestTransport.link("circle"),
      ...chain
    }
  }, { dialect })
  const user = Credentials.layer(Credentials.password("user", Redacted.make("password")))
  const run = Effect.provide(SmbClient.layer().pipe(Layer.provideMerge(servers), Layer.provide(user)))
  const nas = (path: string) => `\\\\nas\\data\\${path}`

  it.effect("follows links within the share in reads, lists and writes, and can stat and remove links themselves", () =>
    run(Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual(yield* smb.readFileString(nas("deep\\up")), "hello")
      assert.strictEqual(yield* smb.readFileString(nas("short\\file.txt")), "deep")
      assert.strictEqual(yield* smb.readFileString(nas("absolute\\file.txt")), "deep")
      assert.strictEqual((yield* smb.stat(nas("short"))).type, "directory")
      const names = yield* smb.list(nas("short")).pipe(Stream.map(({ name }) => name), Stream.runCollect)
      assert.deepStrictEqual([...names].sort(), ["file.txt", "up"])
      yield* smb.writeFile(nas("short\\new.txt"), "new")
      assert.strictEqual(yield* smb.readFileString(nas("deep\\new.txt")), "new")
      yield* Effect.scoped(Effect.gen(function*() {
        const file = yield* smb.open(nas("short\\file.txt"))
        assert.strictEqual(file.path, nas("deep\\file.txt"))
      }))
      // Operations on a link itself do not follow it.
      assert.strictEqual((yield* smb.stat(nas("deep\\up"), { follow: false })).type, "symlink")
      assert.strictEqual(yield* smb.readLink(nas("deep\\up")), "..\\readme.txt")
      yield* smb.remove(nas("deep\\up"))
      assert.strictEqual(yield* smb.readFileString(nas("readme.txt")), "hello")
    })))

  it.effect("follows eight links in a row, and fails with StoppedOnSymlink at nine links and at a circle", () =>
    run(Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual(yield* smb.readFileString(nas("l8")), "hello")
      for (const path of ["l9", "circle"]) {
        const error = yield* Effect.flip(smb.readFile(nas(path)))
        assert(error instanceof SmbError)
        assert.strictEqual(error.reason._tag, "StoppedOnSymlink")
      }
    })))

  it.effect("fails at links that lead out of the share, and the error names their target", () =>
    run(Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      for (const path of ["outside\\passwd", "elsewhere"]) {
        const error = yield* Effect.flip(smb.readFile(nas(path)))
        assert(error instanceof SmbError)
        assert.strictEqual(error.reason._tag, "StoppedOnSymlink")
        assert.include(error.message, path === "elsewhere" ? "evil" : "..\\..\\etc")
      }
      assert.strictEqual(yield* servers.connected, 1)
    })))
})

describe.each(["no data", "truncated data", "malformed data"])(
  "a client of a server that stops at links with %s",
  (what) => {
    const names = ["link", "short", "absolute", "outside", "circle"]
    const body: Record<string, Uint8Array | undefined> = {
      "truncated data": packet(0, linkData(0, 1, "real", "real").subarray(0, 20)).packet.subarray(Header.size),
      "malformed data": packet(0, new Uint8Array(40).fill(0xee)).packet.subarray(Header.size)
    }
    const servers = TestTransport.layerFiles({
      data: {
        "readme.txt": "hello",
        deep: { "file.txt": "deep", nested: { "x.txt": "x" } },
        link: TestTransport.link("readme.txt"),
        short: TestTransport.link("deep"),
        absolute: TestTransport.link("\\\\nas\\data\\deep"),
        outside: TestTransport.link("..\\..\\etc"),
        circle: TestTransport.link("circle")
      }
    }, {
      faults: [{
        on: "CREATE",
        when: ({ request }) => {
          if (request._tag !== "CREATE") return false
          const parts = request.body.name.split("\\")
          const passes = parts.length === 1 &&
            (request.body.createOptions & CreateOptions.FILE_OPEN_REPARSE_POINT) !== 0
          return names.includes(parts[0]!) && !passes
        },
        is: { status: "STATUS_STOPPED_ON_SYMLINK", ...(body[what] === undefined ? {} : { body: body[what] }) }
      }]
    })
    const user = Credentials.layer(Credentials.password("user", Redacted.make("password")))
    const run = Effect.provide(SmbClient.layer().pipe(Layer.provideMerge(servers), Layer.provide(user)))
    const nas = (path: string) => `\\\\nas\\data\\${path}`

    it.effect("follows links at the end of a path and on its way", () =>
      run(Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        assert.strictEqual(yield* smb.readFileString(nas("link")), "hello")
        assert.strictEqual((yield* smb.stat(nas("link"))).size, 5n)
        assert.strictEqual(yield* smb.readFileString(nas("short\\file.txt")), "deep")
        assert.strictEqual(yield* smb.readFileString(nas("short\\nested\\x.txt")), "x")
        assert.strictEqual(yield* smb.readFileString(nas("absolute\\file.txt")), "deep")
        const list = yield* smb.list(nas("short")).pipe(Stream.map(({ name }) => name), Stream.runCollect)
        assert.deepStrictEqual([...list].sort(), ["file.txt", "nested"])
        yield* smb.writeFile(nas("short\\new.txt"), "new")
        assert.strictEqual(yield* smb.readFileString(nas("deep\\new.txt")), "new")
      })))

    it.effect("fails at a circle and at a link out of the share, and sends a bounded number of requests", () =>
      run(Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        for (const [path, target] of [["circle", "circle"], ["outside\\passwd", "..\\..\\etc"]] as const) {
          const error = yield* Effect.flip(smb.readFile(nas(path)))
          assert(error instanceof SmbError)
          assert(error.reason._tag === "StoppedOnSymlink")
          assert.strictEqual(error.reason.symbolicLink?.target, target)
        }
        // A path of 500 components costs a bounded number of requests.
        const { commands } = yield* TestTransport.TestServers
        const before = (yield* commands).length
        const error = yield* Effect.flip(smb.readFile(nas(`short${"\\a".repeat(500)}`)))
        assert.strictEqual((error as SmbError).reason._tag, "StoppedOnSymlink")
        assert.isBelow((yield* commands).length - before, 200)
      })))
  }
)

describe("a symbolic link to make", () => {
  it.effect.each(
    [
      ["STATUS_NOT_A_REPARSE_POINT", /does not support symbolic links that clients make\. Make the link on the server/],
      ["STATUS_INVALID_DEVICE_REQUEST", /does not support symbolic links that clients make/],
      ["STATUS_PRIVILEGE_NOT_HELD", /"Create symbolic links"/]
    ] as const
  )("is refused in words that say what to do: %s", ([status, words]) =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.makeLink("\\\\nas\\data\\link", "file"))
      assert.match(error.message, words)
      assert.include(error.message, status)
      // The file that could not become a link is gone.
      assert.isFalse(yield* smb.exists("\\\\nas\\data\\link"))
    }).pipe(Effect.provide(
      SmbClient.layer().pipe(
        Layer.provideMerge(TestTransport.layer({
          nas: {
            user: "joe",
            password: "secret",
            shares: { data: { file: "" } },
            faults: [TestTransport.fault("IOCTL", { status })]
          }
        })),
        Layer.provide(Credentials.layer(Credentials.password("joe", Redacted.make("secret"))))
      )
    )))
})
