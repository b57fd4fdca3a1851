/**
 * The client over servers in memory: which connections, sessions and trees it shares and closes, how it reconnects,
 * what scopes release, oplock and lease breaks, and responses of hostile servers.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Redacted, Stream } from "effect"
import { Credentials, OpenMode, SmbClient, SmbError, TestTransport, type Transport } from "effect-smb"
import { TestClock } from "effect/testing"
import {
  CreateAction,
  CreateOptions,
  FileAttributes,
  LeaseState,
  OplockLevel
} from "../../src/Smb2/Message/Constants.ts"

const user = Credentials.password("user", Redacted.make("password"))
const files = { data: { "f.txt": "text", "g.txt": "other", d: {} }, more: { "h.txt": "more" } }
const f = "\\\\nas\\data\\f.txt"

const provide = (
  servers: Layer.Layer<Transport.Transport | TestTransport.TestServers>,
  options: SmbClient.Options = {},
  credentials: Layer.Layer<Credentials.CredentialProvider> = Credentials.layer(user)
) => Effect.provide(SmbClient.layer(options).pipe(Layer.provideMerge(servers), Layer.provide(credentials)))

/** The provider is asked for each operation. */
const asked: SmbClient.Options = { credentialTimeToLive: 0 }

const count = (list: ReadonlyArray<unknown>, of: unknown) => list.filter((item) => item === of).length

/** Lets all running fibers continue, without time passing. */
const settle = Effect.gen(function*() {
  for (let i = 0; i < 50; i++) yield* Effect.yieldNow
})

describe("a client's connections", () => {
  it.effect("are one for each server, with one logon and one tree for each share, and are closed when idle", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      yield* Effect.all(
        [f, "//NAS/DATA/g.txt", "smb://nas/data/f.txt", f, "//nas/more/h.txt"].map((path) => smb.readFile(path)),
        {
          concurrency: "unbounded"
        }
      )
      assert.strictEqual(yield* servers.connected, 1)
      const commands = yield* servers.commands
      assert.strictEqual(count(commands, "SESSION_SETUP"), 2)
      assert.strictEqual(count(commands, "TREE_CONNECT"), 2)
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* servers.connections(), 1)
      yield* TestClock.adjust("1 minute")
      yield* settle
      assert.strictEqual(yield* servers.connections(), 0)
      const ended = (yield* servers.commands).slice(commands.length).filter((command) => command !== "ECHO")
      assert.deepStrictEqual(ended, ["TREE_DISCONNECT", "TREE_DISCONNECT", "LOGOFF"])
      assert.strictEqual(yield* smb.readFileString(f), "text")
      assert.strictEqual(yield* servers.connected, 2)
    }).pipe(provide(TestTransport.layerFiles(files))))

  it.effect("are closed with the layer: an operation after that fails with ConnectionClosed, and is no interruption", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient.pipe(provide(TestTransport.layerFiles(files)))
      for (
        const operation of [smb.readFile(f), smb.stat(f), smb.shares("//nas"), Stream.runDrain(smb.list("//nas/data"))]
      ) {
        const error = yield* Effect.flip(operation)
        assert.deepInclude(error, { _tag: "TransportError", reason: { _tag: "ConnectionClosed" } })
        assert.include(error.message, "the layer of this client has ended")
      }
    }))

  it.effect("have files and errors whose paths contain a port other than 445, and can be used again", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const file = yield* smb.open("//nas:4450/data/f.txt")
      assert.strictEqual(file.path, "\\\\nas:4450\\data\\f.txt")
      assert.strictEqual(yield* smb.readFileString(file.path), "text")
      const none = yield* Effect.flip(smb.open("//nas:4450/data/none"))
      assert.strictEqual(none._tag === "SmbError" ? none.path : none, "\\\\nas:4450\\data\\none")
      const share = yield* Effect.flip(smb.readFile("//nas:4450/nowhere/f"))
      assert.strictEqual(share._tag === "SmbError" ? share.path : share, "\\\\nas:4450\\nowhere")
    }).pipe(Effect.scoped, provide(TestTransport.layerFiles(files))))

  it.effect("try a refused credential once, until the provider gives another one or the app calls retryLogons", () => {
    let now = Credentials.password("user", Redacted.make("wrong"))
    const credentials = Credentials.layerFrom(() =>
      // A provider can make a new value each time.
      Effect.sync(() => Credentials.password(now.user, Redacted.make(Redacted.value(now.password))))
    )
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      const attempts = Effect.map(servers.commands, (commands) => count(commands, "SESSION_SETUP") / 2)
      const failure = Effect.flip(smb.readFile(f))
      const all = yield* Effect.all(Array.from({ length: 8 }, () => failure), { concurrency: "unbounded" })
      for (const error of all) assert(error._tag === "SmbError" && error.reason._tag === "LogonFailure")
      assert.strictEqual(yield* attempts, 1)
      const connected = yield* servers.connected
      for (const path of [f, "//NAS/more/h.txt", "//nas/data"]) {
        const error = yield* Effect.flip(smb.stat(path))
        assert(error._tag === "SmbError" && error.reason._tag === "LogonFailure")
        assert.match(error.message, /not tried again/)
        assert.notInclude(JSON.stringify(error), "wrong\"")
      }
      assert.deepStrictEqual([yield* attempts, yield* servers.connected], [1, connected])
      // Another wrong password is another attempt. Another user is independent of it.
      now = Credentials.password("user", Redacted.make("also wrong"))
      assert.notMatch((yield* failure).message, /not tried again/)
      assert.strictEqual(yield* attempts, 2)
      now = Credentials.password("joe", Redacted.make("secret"))
      assert.strictEqual(yield* smb.readFileString(f), "text")
      now = Credentials.password("user", Redacted.make("also wrong"))
      assert.match((yield* failure).message, /not tried again/)
      assert.strictEqual(yield* attempts, 3)
      yield* smb.retryLogons
      assert.notMatch((yield* failure).message, /not tried again/)
      assert.strictEqual(yield* attempts, 4)
      now = user
      assert.strictEqual(yield* smb.readFileString(f), "text")
    }).pipe(
      provide(TestTransport.layerFiles(files, { users: { joe: "secret", user: "password" } }), asked, credentials)
    )
  })

  it.effect("try each of up to eight refused passwords of a user once, in any order", () => {
    let now = Credentials.password("user", Redacted.make("0"))
    const credentials = Credentials.layerFrom(() => Effect.sync(() => now))
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      const refused = Effect.map(
        servers.requests,
        (all) => all.filter(({ command }) => command === "SESSION_SETUP").length / 2
      )
      const attempt = (password: string) => {
        now = Credentials.password("user", Redacted.make(password))
        return Effect.flip(smb.readFileString(f))
      }
      for (let round = 0; round < 4; round++) {
        for (const password of ["a", "b", "c"]) yield* attempt(password)
      }
      assert.strictEqual(yield* refused, 3)
      // Eight are remembered, and the oldest is forgotten.
      for (const password of ["d", "e", "f", "g", "h", "i"]) yield* attempt(password)
      assert.strictEqual(yield* refused, 9)
      yield* attempt("b")
      assert.strictEqual(yield* refused, 9)
      yield* attempt("a")
      assert.strictEqual(yield* refused, 10)
      now = user
      assert.strictEqual(yield* smb.readFileString(f), "text")
    }).pipe(provide(TestTransport.layerFiles(files, { users: { user: "password" } }), asked, credentials))
  })

  it.effect("report a refused rename with both paths", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.rename(f, "\\\\nas\\data\\other"))
      assert.match(error.message, /ACCESS_DENIED to SET_INFO\): the new name was \\\\nas\\data\\other$/)
      assert.include(error.message, f)
    }).pipe(provide(TestTransport.layerFiles(files, {
      faults: [TestTransport.fault("SET_INFO", { status: "STATUS_ACCESS_DENIED" })]
    }))))

  it.effect("have one session for each credential", () => {
    let now = user
    const credentials = Credentials.layerFrom(() => Effect.sync(() => now))
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      yield* smb.readFile(f)
      now = Credentials.password("joe", Redacted.make("secret"))
      yield* smb.readFile(f)
      assert.strictEqual(yield* servers.connected, 1)
      const logged = yield* servers.requests
      assert.strictEqual(logged.filter(({ command }) => command === "SESSION_SETUP").length, 4)
      assert.strictEqual(
        new Set(logged.filter(({ command }) => command === "CREATE").map(({ header }) => header.sessionId)).size,
        2
      )
    }).pipe(
      provide(TestTransport.layerFiles(files, { users: { user: "password", joe: "secret" } }), asked, credentials)
    )
  })

  it.effect("send requests one by one, and no compound, to a server that grants one credit", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual(yield* smb.readFileString(f), "text")
      yield* smb.writeFile(f, "changed")
      yield* smb.rename(f, "\\\\nas\\data\\d\\f.txt")
      assert.strictEqual(yield* smb.readFileString("\\\\nas\\data\\d\\f.txt"), "changed")
      const missing = yield* Effect.flip(smb.stat(f))
      assert(missing._tag === "SmbError")
      assert.strictEqual(missing.reason._tag, "ObjectNameNotFound")
      const requests = yield* (yield* TestTransport.TestServers).requests
      assert.isTrue(requests.every(({ header }) => header.nextCommand === 0))
    }).pipe(provide(TestTransport.layerFiles(files, { credits: 1 }))))

  it.effect("are opened again after a drop, and after the server was down", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      yield* smb.readFile(f)
      yield* servers.drop("nas")
      assert.strictEqual(yield* smb.readFileString(f), "text")
      yield* servers.down("nas")
      const error = yield* Effect.flip(smb.readFile(f))
      assert.deepInclude(error, { _tag: "TransportError", reason: { _tag: "ConnectionRefused" } })
      yield* servers.up("nas")
      assert.strictEqual(yield* smb.readFileString(f), "text")
      assert.strictEqual(yield* servers.connected, 3)
    }).pipe(provide(TestTransport.layerFiles(files), { reconnect: "never" })))

  it.effect("fail with TimedOut within 120 seconds when a server is silent at any step", () =>
    Effect.gen(function*() {
      for (const command of ["NEGOTIATE", "SESSION_SETUP", "TREE_CONNECT", "CREATE"] as const) {
        const fiber = yield* Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          return yield* Effect.flip(smb.readFile(f))
        }).pipe(
          provide(TestTransport.layerFiles(files, { faults: [TestTransport.fault(command, "silence")] })),
          Effect.forkChild
        )
        for (let second = 0; second < 120; second++) {
          yield* settle
          yield* TestClock.adjust("1 second")
        }
        assert.deepInclude(yield* Fiber.join(fiber), { _tag: "TransportError", reason: { _tag: "TimedOut" } }, command)
      }
    }))

  it.effect("wait for a CREATE response that comes after 20 seconds", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const fiber = yield* Effect.forkChild(smb.readFileString(f))
      yield* settle
      yield* TestClock.adjust("19 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "text")
    }).pipe(
      provide(TestTransport.layerFiles(files, { faults: [TestTransport.fault("CREATE", { delay: "20 seconds" })] }))
    ))

  it.effect("fail with NameNotFound for an unknown host, and with Refused for a host that is down", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const gone = yield* Effect.flip(smb.readFile("//nowhere/data/f"))
      assert.deepInclude(gone, { _tag: "TransportError", reason: { _tag: "HostNotFound" } })
      const refused = yield* Effect.flip(smb.readFile("//away/data/f"))
      assert.deepInclude(refused, { _tag: "TransportError", reason: { _tag: "ConnectionRefused" } })
    }).pipe(provide(TestTransport.layer({ nas: { shares: files }, away: "down" }))))
})

describe("a client's scopes", () => {
  it.effect("release in reverse order what withShare acquired, on success, failure and interruption", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      for (const end of ["success", "failure", "interruption"] as const) {
        const before = (yield* servers.commands).length
        const order: Array<string> = []
        const inside = yield* Deferred.make<void>()
        const use = Effect.scoped(smb.withShare(f, (share, path) =>
          Effect.gen(function*() {
            yield* Effect.addFinalizer(() => Effect.sync(() => void order.push("first")))
            yield* share.open(path, OpenMode.read)
            yield* Effect.addFinalizer(() => Effect.sync(() => void order.push("second")))
            yield* Deferred.succeed(inside, undefined)
            if (end === "failure") return yield* Effect.fail("no" as const)
            if (end === "interruption") return yield* Effect.never
          })))
        const fiber = yield* Effect.forkChild(use)
        yield* Deferred.await(inside)
        if (end === "interruption") yield* Fiber.interrupt(fiber)
        const exit = yield* Fiber.await(fiber)
        yield* settle
        assert.strictEqual(Exit.isSuccess(exit), end === "success")
        assert.deepStrictEqual(order, ["second", "first"], end)
        const commands = (yield* servers.commands).slice(before)
        assert.strictEqual(count(commands, "CREATE"), 1, end)
        assert.strictEqual(count(commands, "CLOSE"), 1, end)
      }
    }).pipe(provide(TestTransport.layerFiles(files))))

  it.effect("close a file that the server opens after the caller was interrupted", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      const fiber = yield* Effect.forkChild(Effect.scoped(smb.open(f)))
      yield* settle
      yield* Fiber.interrupt(fiber)
      yield* settle
      const commands = yield* servers.commands
      assert.strictEqual(count(commands, "CANCEL"), 1)
      yield* TestClock.adjust("5 seconds")
      yield* settle
      assert.strictEqual(count(yield* servers.commands, "CLOSE"), 1)
    }).pipe(provide(
      TestTransport.layerFiles(files, {
        // A server that can no longer cancel the CREATE: its response is success.
        faults: [TestTransport.fault("CREATE", {
          delay: "5 seconds",
          uncancellable: true
        })]
      }),
      { idle: "1 hour" }
    )))

  it.effect("release a lock that the server grants after the caller was interrupted", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      const opened = yield* smb.open(f)
      const fiber = yield* Effect.forkChild(Effect.scoped(opened.lock([{ offset: 3, length: 4 }])))
      yield* settle
      yield* Fiber.interrupt(fiber)
      yield* settle
      const locks = Effect.map(servers.requests, (requests) =>
        requests.flatMap(({ request }) => request._tag === "LOCK" ? [request.body.locks] : []))
      assert.strictEqual((yield* locks).length, 1)
      yield* TestClock.adjust("5 seconds")
      yield* settle
      const unlock = 4
      assert.deepStrictEqual((yield* locks)[1], [{ offset: 3n, length: 4n, flags: unlock }])
    }).pipe(
      Effect.scoped,
      provide(
        TestTransport.layerFiles(files, {
          faults: [TestTransport.fault("LOCK", {
            delay: "5 seconds",
            uncancellable: true,
            status: 0,
            body: Uint8Array.of(4, 0, 0, 0)
          })]
        }),
        { idle: "1 hour" }
      )
    ))

  it.effect("cancel an interrupted watch by its AsyncId, and close its directory", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      const started = yield* Deferred.make<void>()
      const watch = smb.watch("//nas/data/d", { onStart: Effect.asVoid(Deferred.succeed(started, undefined)) })
      const fiber = yield* Effect.forkChild(Stream.runDrain(watch))
      yield* Deferred.await(started)
      yield* settle
      yield* Fiber.interrupt(fiber)
      yield* settle
      const requests = yield* servers.requests
      const notify = requests.find(({ command }) => command === "CHANGE_NOTIFY")!
      const cancel = requests.find(({ command }) => command === "CANCEL")!
      assert.strictEqual(cancel.header.messageId, notify.header.messageId)
      assert.strictEqual(cancel.header.asyncId, BigInt(notify.header.messageId) + 0x100n)
      assert.strictEqual(count(yield* servers.commands, "CLOSE"), 1)
      assert.strictEqual(yield* smb.readFileString(f), "text")
    }).pipe(provide(TestTransport.layerFiles(files))))
})

describe("a client that gets a break", () => {
  const created = {
    createAction: CreateAction.FILE_OPENED,
    flags: 0,
    creationTime: 0n,
    lastAccessTime: 0n,
    lastWriteTime: 0n,
    changeTime: 0n
  }
  const opened = { allocationSize: 0n, endOfFile: 4n, fileAttributes: FileAttributes.FILE_ATTRIBUTE_NORMAL }

  it.effect("acknowledges an oplock break once, updates the open, and ignores breaks of unknown opens", () => {
    const fileId = { persistent: 5n, volatile: 6n }
    const body = {
      ...created,
      ...opened,
      oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH,
      fileId,
      createContexts: []
    }
    const fault = TestTransport.fault("CREATE", { response: { _tag: "CREATE", body } })
    return Effect.scoped(Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      const file = yield* smb.open(f, { ...OpenMode.read, oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH })
      assert.strictEqual(file.caching().oplockLevel, OplockLevel.SMB2_OPLOCK_LEVEL_BATCH)
      const level = OplockLevel.SMB2_OPLOCK_LEVEL_II
      yield* servers.notify("nas", { _tag: "OPLOCK_BREAK", body: { _tag: "OplockBreak", oplockLevel: level, fileId } })
      yield* settle
      assert.strictEqual(file.caching().oplockLevel, level)
      const sent = (yield* servers.requests).filter(({ command }) => command === "OPLOCK_BREAK")
      assert.strictEqual(sent.length, 1)
      assert.deepInclude(sent[0]!.request.body, { _tag: "OplockBreakAcknowledgment", oplockLevel: level, fileId })
      // A break of an open that the client does not have.
      yield* servers.notify("nas", {
        _tag: "OPLOCK_BREAK",
        body: { _tag: "OplockBreak", oplockLevel: 0, fileId: { persistent: 9n, volatile: 9n } }
      })
      yield* settle
      assert.strictEqual(count(yield* servers.commands, "OPLOCK_BREAK"), 1)
    })).pipe(provide(TestTransport.layerFiles(files, { faults: [fault] })))
  })

  it.effect("acknowledges a lease break only when the server requires it", () => {
    const leaseKey = new Uint8Array(16).fill(4)
    const leaseState = LeaseState.SMB2_LEASE_READ_CACHING | LeaseState.SMB2_LEASE_HANDLE_CACHING
    const body = {
      ...created,
      ...opened,
      oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_LEASE,
      fileId: { persistent: 5n, volatile: 6n },
      createContexts: [
        { _tag: "ResponseLeaseV2", leaseKey, leaseState, leaseFlags: 0, parentLeaseKey: new Uint8Array(16), epoch: 1 }
      ] as const
    }
    const fault = TestTransport.fault("CREATE", { response: { _tag: "CREATE", body } })
    const notification = (newLeaseState: number, flags: number): TestTransport.Answer["response"] & {} => ({
      _tag: "OPLOCK_BREAK",
      body: {
        _tag: "LeaseBreakNotification",
        newEpoch: 2,
        flags,
        leaseKey,
        currentLeaseState: leaseState,
        newLeaseState
      }
    })
    return Effect.scoped(Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      const file = yield* smb.open(f, { ...OpenMode.read, lease: { leaseKey, leaseState } })
      yield* servers.notify("nas", notification(LeaseState.SMB2_LEASE_READ_CACHING, 1))
      yield* settle
      assert.strictEqual(file.caching().leaseState, LeaseState.SMB2_LEASE_READ_CACHING)
      yield* servers.notify("nas", notification(0, 0))
      yield* settle
      assert.strictEqual(file.caching().leaseState, 0)
      const sent = (yield* servers.requests).filter(({ command }) => command === "OPLOCK_BREAK")
      assert.strictEqual(sent.length, 1)
      assert.deepInclude(sent[0]!.request.body, {
        _tag: "LeaseBreakAcknowledgment",
        leaseState: LeaseState.SMB2_LEASE_READ_CACHING
      })
    })).pipe(provide(TestTransport.layerFiles(files, { faults: [fault] })))
  })
})

describe("a hostile server", () => {
  it.effect("cannot put names with separators or NUL into lists and walks", () => {
    const names = { "../../etc/passwd": "x", "a\\b": "x", "good.txt": "x", "sub/x": "x", "nul\0": "x" }
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const found = yield* smb.list("//nas/data").pipe(Stream.map(({ name }) => name), Stream.runCollect)
      assert.deepStrictEqual([...found], ["good.txt"])
      const walked = yield* smb.walk("//nas/data").pipe(Stream.map(({ path }) => path), Stream.runCollect)
      assert.deepStrictEqual([...walked], ["\\\\nas\\data\\good.txt"])
    }).pipe(provide(TestTransport.layerFiles({ data: names })))
  })

  it.effect("causes Malformed by bad QUERY_DIRECTORY, READ and CREATE responses, and the connection survives", () =>
    Effect.gen(function*() {
      const bytes = new Uint8Array(60).fill(0xff)
      for (
        const [command, use] of [
          ["QUERY_DIRECTORY", (smb: SmbClient.Client) => Stream.runDrain(smb.list("//nas/data"))],
          ["READ", (smb: SmbClient.Client) => smb.readFile(f)],
          ["CREATE", (smb: SmbClient.Client) => smb.readFile(f)]
        ] as const
      ) {
        yield* Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          const servers = yield* TestTransport.TestServers
          assert.strictEqual((yield* Effect.flip(use(smb)))._tag, "Malformed", command)
          yield* use(smb)
          assert.strictEqual(yield* servers.connected, 1)
        }).pipe(
          provide(
            TestTransport.layerFiles(files, { faults: [TestTransport.fault(command, { body: bytes }, { times: 1 })] })
          )
        )
      }
    }))

  it.effect("causes an SmbError with reason, command and path when it refuses", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.readFile(f))
      assert(error instanceof SmbError)
      assert.deepInclude(error, { statusName: "STATUS_SHARING_VIOLATION", command: "CREATE", path: f })
      assert.deepInclude(yield* Effect.flip(smb.readFile("//nas/none/x")), { statusName: "STATUS_BAD_NETWORK_NAME" })
    }).pipe(provide(TestTransport.layerFiles(files, {
      faults: [TestTransport.fault("CREATE", { status: "STATUS_SHARING_VIOLATION" })]
    }))))
})

describe("a previous version", () => {
  it.effect("is never changed: each operation that changes something fails with InvalidPath", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      const token = "@GMT-2026.11.21-08.30.00"
      const then = `\\\\nas\\data\\${token}\\f.txt`
      const other = "\\\\nas\\data\\g.txt"
      const changes = [
        smb.remove(then),
        smb.remove(then, { force: true }),
        smb.remove(`//nas/data/d/${token}`),
        smb.writeFile(then, "x"),
        smb.writeFile(then, "x", { create: true }),
        smb.truncate(then, 0),
        smb.makeDirectory(`${then}\\new`),
        smb.setAttributes(then, { fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY }),
        smb.rename(then, "\\\\nas\\data\\new"),
        smb.rename(other, then),
        smb.copy(other, then),
        Effect.scoped(smb.open(then, OpenMode.update)),
        Effect.scoped(smb.open(then, { ...OpenMode.read, createOptions: CreateOptions.FILE_DELETE_ON_CLOSE }))
      ]
      for (const [index, change] of changes.entries()) {
        const error = yield* Effect.flip(change)
        assert(error._tag === "PathError" && error.reason._tag === "InvalidPath", String(index))
        assert.include(error.message, token)
      }
      // The copy opens its source first.
      const commands = yield* servers.commands
      assert.strictEqual(count(commands, "CREATE"), 1)
      assert.strictEqual(count(commands, "SET_INFO") + count(commands, "WRITE"), 0)
      assert.strictEqual(yield* smb.readFileString(f), "text")
      yield* smb.copy(then, other)
      assert.strictEqual(yield* smb.readFileString(other), "text")
    }).pipe(provide(TestTransport.layerFiles(files))))
})
