/**
 * A CREATE that is on its way when its caller is interrupted: the file that the server creates a moment later does not
 * stay, or the user is told that it may. Over the own server with a slow store, and over servers in memory that respond
 * late or never, in SMB 2 and SMB 1.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, type FileSystem, Layer, Logger, Redacted, Result, Stream } from "effect"
import { Credentials, OpenMode, SmbClient, SmbFileSystem, TestTransport, type Transport } from "effect-smb"
import { TestClock } from "effect/testing"
import * as FileReplacement from "../../src/Client/FileReplacement.ts"
import * as UncPath from "../../src/Client/UncPath.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import type * as Share from "../../src/Protocol/Share.ts"
import type { ShareStore } from "../../src/Server/ShareStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as Smb1Header from "../../src/Smb1/Header.ts"
import { Command as Smb1Command } from "../../src/Smb1/Message/Constants.ts"
import { Close } from "../../src/Smb1/Message/Simple.ts"
import { AccessMask, CreateAction, CreateDisposition, CreateOptions } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import { client, server } from "../Cli/served.ts"
import * as Peer from "../Smb1/peer.ts"
import { isDeletion } from "../Transfer/remoteFile.ts"

/** Lets all running work continue, also that of sockets, without virtual time passing. */
const settle = Effect.promise(async () => {
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve))
})

const logger = () => {
  const lines: Array<string> = []
  return { lines, layer: Layer.fresh(Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])) }
}

const provide = (transport: Layer.Layer<Transport.Transport>, options: SmbClient.Options = {}) =>
  Effect.provide(
    SmbClient.layer(options).pipe(
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password")))),
      Layer.provide(transport)
    )
  )

/** Runs `effect` over a server in memory, with the log of the client. */
const inMemory = <A, E>(
  files: TestTransport.Files,
  faults: ReadonlyArray<TestTransport.Fault>,
  use: (
    smb: SmbClient.Client,
    servers: TestTransport.TestServers["Service"],
    lines: ReadonlyArray<string>
  ) => Effect.Effect<A, E>
) => {
  const { layer, lines } = logger()
  return Effect.gen(function*() {
    return yield* use(yield* SmbClient.SmbClient, yield* TestTransport.TestServers, lines)
  }).pipe(
    Effect.provide(
      SmbClient.layer().pipe(
        Layer.provideMerge(TestTransport.layerFiles({ data: files }, { faults })),
        Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password")))),
        Layer.provideMerge(layer)
      )
    )
  )
}

const base = "//nas/data"

/** A CREATE of a new file with such a name. */
const creates = (pattern: RegExp) => ({ request }: Pick<TestTransport.Received, "request">) =>
  request._tag === "CREATE" && pattern.test(request.body.name) &&
  request.body.createDisposition !== CreateDisposition.FILE_OPEN

const part = /\.[0-9a-f]{12}\.part$/

const names = (smb: SmbClient.Client) =>
  Effect.map(Stream.runCollect(smb.list(base)), (all) => all.map(({ name }) => name).toSorted())

describe("a server that creates the file after the interruption", () => {
  /** A store whose new files wait for the gate, if their name matches. */
  const slow = (store: ShareStore, pattern: RegExp, asked: Deferred.Deferred<void>, gate: Deferred.Deferred<void>) => ({
    ...store,
    open: ((path, how) =>
      how.mode === "new" && pattern.test(path.at(-1)!)
        ? Effect.andThen(
          Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(gate)),
          store.open(path, how)
        )
        : store.open(path, how)) satisfies ShareStore["open"]
  })

  const cases: ReadonlyArray<
    readonly [string, RegExp, (smb: SmbClient.Client, at: (name: string) => string) => Effect.Effect<unknown, unknown>]
  > = [
    ["writeFile with atomic", part, (smb, at) => smb.writeFile(at("f"), "new", { atomic: true })],
    [
      "the second small file of a transfer",
      /^g\.[0-9a-f]{12}\.part$/,
      (smb, at) => {
        const replace = FileReplacement.make(smb, { hint: "", tell: ({ message }) => Effect.logWarning(message) })
        const put = (name: string) =>
          Effect.flatMap(
            Effect.fromResult(UncPath.parse(at(name))),
            (path) => replace<never, never>(path, { _tag: "Bytes", bytes: Buffer.from("new") })
          )
        return Effect.andThen(put("f"), put("g"))
      }
    ],
    ["copy", /^h$/, (smb, at) => smb.copy(at("f"), at("h"))],
    ["copy with create", /^h$/, (smb, at) => smb.copy(at("f"), at("h"), { create: true })]
  ]

  for (const [name, pattern, run] of cases) {
    it.live(`leaves no file: ${name}`, () =>
      Effect.gen(function*() {
        const { layer, lines } = logger()
        const [asked, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const store = yield* MemoryStore.make()
        const { port } = yield* server({ shares: { data: slow(store, pattern, asked, gate) } })
        yield* Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          const at = (name: string) => `//127.0.0.1:${port}/data/${name}`
          yield* smb.writeFile(at("f"), "old")
          const fiber = yield* Effect.forkChild(run(smb, at))
          yield* Deferred.await(asked)
          const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
          // The cleanup has time for everything that it does before the response.
          yield* settle
          yield* Deferred.succeed(gate, undefined)
          yield* Fiber.join(interruption)
          yield* settle
          const found = yield* Stream.runCollect(smb.list(at("")))
          assert.deepStrictEqual(found.map(({ name }) => name), ["f"])
          assert.deepStrictEqual(lines, [])
        }).pipe(Effect.scoped, Effect.provide(client()), Effect.provide(layer))
      }).pipe(Effect.scoped))
  }
})

describe("a server that responds to the CREATE later than a second after the interruption", () => {
  const late: TestTransport.Fault = {
    on: "CREATE",
    when: creates(part),
    is: { delay: "5 seconds", uncancellable: true }
  }

  it.effect("is told to delete the part by its open, and not by its name; the user was told before", () =>
    inMemory({ f: "old" }, [late], (smb, servers, lines) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(smb.writeFile(`${base}/f`, "new", { atomic: true }))
        while (!(yield* servers.requests).some(creates(part))) yield* settle
        const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
        yield* settle
        yield* TestClock.adjust("999 millis")
        assert.isUndefined(interruption.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        yield* Fiber.join(interruption)
        assert.lengthOf(lines, 1)
        assert.match(lines[0]!, /\.part: an unfinished file may be left there, .* \(no answer within 1 second\)/)
        const before = (yield* servers.requests).length
        yield* TestClock.adjust("4 seconds")
        yield* settle
        const after = (yield* servers.requests).slice(before)
        assert.deepStrictEqual(after.map(({ command }) => command), ["SET_INFO", "CLOSE"])
        assert.isTrue(isDeletion(after[0]!))
        assert.deepStrictEqual(yield* names(smb), ["f"])
      })))

  it.effect("closes any other file: one that existed, and one that its caller did not ask to delete", () =>
    Effect.gen(function*() {
      const deleting = (mode: Share.OpenOptions) => ({
        ...OpenMode.withAccess(mode, AccessMask.DELETE),
        deleteIfAbandoned: true
      })
      const cases: ReadonlyArray<readonly [string, Share.OpenOptions, ReadonlyArray<string>]> = [
        ["f", deleting(OpenMode.overwrite), ["f"]],
        ["g", OpenMode.create, ["f", "g"]],
        ["g", deleting(OpenMode.create), ["f"]]
      ]
      for (const [name, mode, left] of cases) {
        yield* inMemory({ f: "old" }, [{ ...late, when: creates(/^[fg]$/) }], (smb, servers) =>
          Effect.gen(function*() {
            const fiber = yield* Effect.forkChild(Effect.scoped(smb.open(`${base}/${name}`, mode)))
            while (!(yield* servers.commands).includes("CREATE")) yield* settle
            const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
            yield* TestClock.adjust("1 second")
            yield* Fiber.join(interruption)
            yield* TestClock.adjust("5 seconds")
            yield* settle
            assert.strictEqual((yield* servers.commands).at(-1), "CLOSE")
            assert.deepStrictEqual(yield* names(smb), [...left])
          }))
      }
    }))

  it.effect("is not asked for the part by its name when the time of the request is over: its response can still come", () =>
    inMemory(
      { f: "old" },
      [{ on: "CREATE", when: creates(part), is: "silence" }],
      (smb, servers, lines) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(Effect.flip(smb.writeFile(`${base}/f`, "new", { atomic: true })))
          while (!(yield* servers.requests).some(creates(part))) yield* settle
          // The server is alive, and responds to other requests.
          for (let i = 0; i < 40; i++) {
            yield* TestClock.adjust("1 second")
            yield* smb.exists(`${base}/f`)
          }
          const error = yield* Fiber.join(fiber)
          assert(error._tag === "TransportError" && error.reason._tag === "TimedOut")
          assert.lengthOf(lines, 1)
          assert.match(lines[0]!, /\.part: an unfinished file may be left there/)
        })
    ))
})

describe("a server that does not respond to the CREATE", () => {
  it.effect("of a copy: the user is told that the target may be left", () =>
    inMemory(
      { f: "old" },
      [{ on: "CREATE", when: creates(/^h$/), is: "silence" }],
      (smb, servers, lines) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(smb.copy(`${base}/f`, `${base}/h`))
          while (!(yield* servers.requests).some(creates(/^h$/))) yield* settle
          const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
          yield* settle
          yield* TestClock.adjust("1 second")
          yield* Fiber.join(interruption)
          assert.lengthOf(lines, 1)
          assert.match(lines[0]!, /^\\\\nas\\data\\h: an empty file may be left there/)
        })
    ))

  it.effect("of a new file at its final name: the user is told of it", () =>
    inMemory(
      {},
      [
        { on: "CREATE", when: creates(/^f\./), is: { status: "STATUS_OBJECT_NAME_INVALID" } },
        { on: "CREATE", when: creates(/^f$/), is: "silence" }
      ],
      (smb, servers, lines) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(smb.writeFile(`${base}/f`, "new", { atomic: true }))
          while (!(yield* servers.requests).some(creates(/^f$/))) yield* settle
          const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
          yield* settle
          yield* TestClock.adjust("1 second")
          yield* Fiber.join(interruption)
          assert.lengthOf(lines, 1)
          assert.match(lines[0]!, /\\f: an unfinished file may be left there/)
        })
    ))

  it.effect("of no file: an interruption before anything was sent is at once, and says nothing", () =>
    inMemory({}, [{ on: "TREE_CONNECT", is: "silence" }], (smb, servers, lines) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(
          smb.writeFile(`${base}/f`, "new", { atomic: true, create: true }),
          { startImmediately: true }
        )
        while (!(yield* servers.commands).includes("TREE_CONNECT")) yield* settle
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(lines, [])
      })))
})

describe("an interrupted symbolic link", () => {
  const setsLink = ({ request }: Pick<TestTransport.Received, "request">) =>
    request._tag === "IOCTL" && request.body.ctlCode === Fsctl.FSCTL_SET_REPARSE_POINT
  const later = { delay: "500 millis", uncancellable: true } as const
  const refused = { on: "IOCTL", when: setsLink, is: { ...later, status: "STATUS_PRIVILEGE_NOT_HELD" } } as const
  const made: TestTransport.Fault["is"] = ({ request }) => ({
    ...later,
    ...(request._tag === "IOCTL"
      ? {
        response: {
          _tag: "IOCTL",
          body: { ...request.body, flags: 0, input: new Uint8Array(0), output: new Uint8Array(0) }
        }
      }
      : {})
  })

  /** Interrupts the making of a link when the server has received such a request, and tells the log of the client. */
  const interrupted = (
    faults: ReadonlyArray<TestTransport.Fault>,
    at: (request: TestTransport.Logged) => boolean,
    use: (smb: SmbClient.Client, lines: ReadonlyArray<string>) => Effect.Effect<void, unknown>
  ) =>
    inMemory({ f: "old" }, faults, (smb, servers, lines) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(smb.makeLink(`${base}/l`, "f"))
        while (!(yield* servers.requests).some(at)) {
          yield* TestClock.adjust("100 millis")
          yield* settle
        }
        const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
        for (let i = 0; i < 80; i++) {
          yield* TestClock.adjust("100 millis")
          yield* settle
        }
        yield* Fiber.join(interruption)
        yield* use(smb, lines)
      }))

  it.effect("leaves no empty file if the server refuses the link after the interruption", () =>
    interrupted([refused], setsLink, (smb, lines) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* names(smb), ["f"])
        assert.deepStrictEqual(lines, [])
      })))

  it.effect("leaves no empty file if the interruption comes while the file is removed", () =>
    interrupted(
      [refused, { on: "SET_INFO", when: isDeletion, is: later }],
      isDeletion,
      (smb, lines) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* names(smb), ["f"])
          assert.deepStrictEqual(lines, [])
        })
    ))

  it.effect("leaves the link if the server has made it", () =>
    interrupted([{ on: "IOCTL", when: setsLink, is: made }], setsLink, (smb, lines) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* names(smb), ["f", "l"])
        assert.deepStrictEqual(lines, [])
      })))

  it.effect("tells the user of a server that does not answer", () =>
    interrupted([{ on: "IOCTL", when: setsLink, is: "silence" }], setsLink, (_, lines) =>
      Effect.sync(() => {
        assert.lengthOf(lines, 1)
        assert.match(lines[0]!, /^\/\/nas\/data\/l: an empty file or the link may be left there/)
      })))

  it.effect("tells the user of an empty file whose removal the server does not answer", () =>
    interrupted(
      [refused, { on: "SET_INFO", when: isDeletion, is: "silence" }],
      isDeletion,
      (_, lines) =>
        Effect.sync(() => {
          assert.lengthOf(lines, 1)
          assert.match(
            lines[0]!,
            /^\/\/nas\/data\/l: an empty file is left .* \(no answer within 5 seconds\)\. Remove it\.$/
          )
        })
    ))
})

describe("an interrupted temporary file or directory", () => {
  const makes = (kind: number) => ({ request }: Pick<TestTransport.Received, "request">) =>
    request._tag === "CREATE" && request.body.createDisposition === CreateDisposition.FILE_CREATE &&
    (request.body.createOptions & kind) !== 0
  const directory = makes(CreateOptions.FILE_DIRECTORY_FILE)
  const file = makes(CreateOptions.FILE_NON_DIRECTORY_FILE)
  const cases: ReadonlyArray<
    readonly [string, (fs: FileSystem.FileSystem) => Effect.Effect<unknown, unknown>, typeof file]
  > = [
    ["makeTempDirectory, at the directory", (fs) => fs.makeTempDirectory({ directory: "/" }), directory],
    ["makeTempFile, at the directory", (fs) => fs.makeTempFile({ directory: "/" }), directory],
    ["makeTempFile, at the file", (fs) => fs.makeTempFile({ directory: "/" }), file]
  ]
  it.effect.each(cases)(
    "leaves nothing, because its caller does not know the name: %s",
    ([, make, at]) =>
      inMemory({ f: "old" }, [{ on: "CREATE", when: at, is: { delay: "500 millis", uncancellable: true } }], (
        smb,
        servers,
        lines
      ) =>
        Effect.gen(function*() {
          const fs = yield* SmbFileSystem.make(base).pipe(Effect.provideService(SmbClient.SmbClient, smb))
          const fiber = yield* Effect.forkChild(make(fs))
          while (!(yield* servers.requests).some(at)) {
            yield* TestClock.adjust("100 millis")
            yield* settle
          }
          const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
          for (let i = 0; i < 20; i++) {
            yield* TestClock.adjust("100 millis")
            yield* settle
          }
          yield* Fiber.join(interruption)
          assert.deepStrictEqual(yield* names(smb), ["f"])
          assert.deepStrictEqual(lines, [])
        }))
  )
})

describe("an SMB 1 server that creates the file after the interruption", () => {
  const file = "\\\\old\\data\\file"
  const { SMB_COM_CLOSE, SMB_COM_NT_CREATE_ANDX, SMB_COM_NT_TRANSACT, SMB_COM_TRANSACTION2 } = Smb1Command

  /** The open that its caller leaves, and what the client sends after its response. */
  const run = (mode: Share.OpenOptions, command: number, body: Uint8Array) => {
    const peer = Peer.make((request) => request.header.command === command ? "nothing" : Peer.agreeing(request))
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const fiber = yield* Effect.forkChild(Effect.scoped(smb.open(file, mode)))
      while (peer.of(command).length === 0) yield* settle
      const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(interruption)
      const before = peer.requests.length
      peer.answer(peer.of(command)[0]!, body)
      yield* settle
      return peer.requests.slice(before)
    }).pipe(provide(peer.layer, { dialects: ["NT1"], signing: "if-required" }), Effect.provide(logger().layer))
  }

  const closes = (request: Peer.Received | undefined) =>
    Result.getOrThrow(Codec.decode("CLOSE", Codec.at(Smb1Header.size, Close))(request!.packet)).fid

  const commands = (all: ReadonlyArray<Peer.Received>) => all.map(({ header }) => header.command)

  it.effect("deletes it by its open if the caller asked for that, and closes it", () =>
    Effect.gen(function*() {
      const created = Peer.created({ fid: 9, createDisposition: CreateAction.FILE_CREATED })
      const opened = Peer.created({ fid: 9, createDisposition: CreateAction.FILE_OPENED })
      const deleting = { ...OpenMode.create, deleteIfAbandoned: true }
      const sent = yield* run(deleting, SMB_COM_NT_CREATE_ANDX, created)
      assert.deepStrictEqual(commands(sent), [SMB_COM_TRANSACTION2, SMB_COM_CLOSE])
      // SMB_SET_FILE_DISPOSITION_INFO of this FID: 9, 0x0102 (MS-CIFS 2.2.6.9.1), and DeletePending (2.2.8.4.3).
      assert.include(Buffer.from(sent[0]!.packet).toString("hex"), "090002010000")
      assert.strictEqual(sent[0]!.packet.at(-1), 1)
      assert.strictEqual(closes(sent[1]), 9)
      for (const [mode, body] of [[deleting, opened], [OpenMode.create, created]] as const) {
        const sent = yield* run(mode, SMB_COM_NT_CREATE_ANDX, body)
        assert.deepStrictEqual(commands(sent), [SMB_COM_CLOSE])
        assert.strictEqual(closes(sent[0]), 9)
      }
    }))

  it.effect("closes it if it was created by a transaction, with a security descriptor", () =>
    Effect.gen(function*() {
      const parameters = new Uint8Array(69)
      new DataView(parameters.buffer).setUint16(2, 9, true)
      new DataView(parameters.buffer).setUint32(4, CreateAction.FILE_CREATED, true)
      const body = new Uint8Array(1 + 36 + 2 + 1 + 69)
      const view = new DataView(body.buffer)
      body[0] = 18
      // TotalParameterCount, and ParameterCount and its offset (MS-CIFS 2.2.4.62.2).
      view.setUint32(4, 69, true)
      view.setUint32(12, 69, true)
      view.setUint32(16, Smb1Header.size + 40, true)
      view.setUint16(37, 70, true)
      body.set(parameters, 40)
      const mode = { ...OpenMode.create, securityDescriptor: new Uint8Array(20) }
      const sent = yield* run(mode, SMB_COM_NT_TRANSACT, body)
      assert.deepStrictEqual(commands(sent), [SMB_COM_CLOSE])
      assert.strictEqual(closes(sent[0]), 9)
    }))
})

describe("a TREE_CONNECT that succeeds after the client has given it up", () => {
  /** A file on one share keeps the session; the operation on the other share is interrupted. */
  const leaves = (base: string) =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      yield* smb.open(`${base}\\data\\f`)
      const fiber = yield* Effect.forkChild(smb.exists(`${base}\\other\\f`))
      yield* settle
      yield* Fiber.interrupt(fiber)
      // The client keeps a share for the next operation, also one that it is just connecting to.
      yield* TestClock.adjust("2 seconds")
      yield* settle
    })

  it.effect("is followed by a TREE_DISCONNECT of its tree", () =>
    Effect.gen(function*() {
      const servers = yield* TestTransport.TestServers
      yield* leaves("\\\\nas")
      assert.notInclude(yield* servers.commands, "TREE_DISCONNECT")
      yield* TestClock.adjust("5 seconds")
      yield* settle
      const { command, header } = (yield* servers.requests).at(-1)!
      assert.deepStrictEqual([command, header.treeId], ["TREE_DISCONNECT", 77])
    }).pipe(
      Effect.scoped,
      Effect.provide(
        SmbClient.layer({ idle: "1 second" }).pipe(
          Layer.provideMerge(TestTransport.layerFiles({ data: { f: "old" }, other: {} }, {
            faults: [{
              on: "TREE_CONNECT",
              when: ({ request }) => request._tag === "TREE_CONNECT" && request.body.path.endsWith("other"),
              is: { delay: "5 seconds", uncancellable: true, header: { treeId: 77 } }
            }]
          })),
          Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
        )
      )
    ))

  it.effect("is followed by a TREE_DISCONNECT of its tree over SMB 1 too", () => {
    const { SMB_COM_TREE_CONNECT_ANDX, SMB_COM_TREE_DISCONNECT } = Smb1Command
    let connects = 0
    const peer = Peer.make(({ header }) =>
      header.command === SMB_COM_TREE_CONNECT_ANDX && ++connects === 2 ? "nothing" : undefined
    )
    return Effect.gen(function*() {
      yield* leaves("\\\\old")
      assert.lengthOf(peer.of(SMB_COM_TREE_DISCONNECT), 0)
      peer.answer(peer.of(SMB_COM_TREE_CONNECT_ANDX)[1]!)
      yield* settle
      assert.deepStrictEqual(peer.of(SMB_COM_TREE_DISCONNECT).map(({ header }) => header.tid), [1])
    }).pipe(
      Effect.scoped,
      provide(peer.layer, { dialects: ["NT1"], signing: "if-required", idle: "1 second" }),
      Effect.provide(logger().layer)
    )
  })
})
