/**
 * Requests that a server calls STATUS_PENDING and never finishes, on virtual time: locks and watches wait without a
 * limit, all other requests end in bounded time.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Layer, Redacted, Stream } from "effect"
import { Credentials, OpenMode, SmbClient, TestTransport, TransportError, VirtualTime } from "effect-smb"
import * as Information from "../../src/Client/Information.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"

const base = "\\\\nas\\data"
const path = `${base}\\file.bin`
const content = new Uint8Array(200_000).fill(7)

const layer = (faults: ReadonlyArray<TestTransport.Fault>, options: SmbClient.Options = {}) =>
  SmbClient.layer({ idle: "1 hour", ...options }).pipe(
    Layer.provideMerge(
      TestTransport.layerFiles({ data: { "file.bin": content, folder: { a: "a" } } }, {
        faults,
        maximumTransfer: 65536
      })
    ),
    Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
  )

const provide = (...given: Parameters<typeof layer>) => Effect.provide(layer(...given))

const hangs = (on: NonNullable<TestTransport.Fault["on"]>, some: TestTransport.Answer = {}): TestTransport.Fault => ({
  on,
  is: { pending: true, delay: "30 days", ...some }
})

const file = <A, E>(use: (file: Effect.Success<ReturnType<SmbClient.Client["open"]>>) => Effect.Effect<A, E>) =>
(
  smb: SmbClient.Client
) => Effect.scoped(Effect.flatMap(smb.open(path, OpenMode.update), use))

type Run = (smb: SmbClient.Client) => Effect.Effect<unknown, unknown>

const bounded: ReadonlyArray<readonly [NonNullable<TestTransport.Fault["on"]>, Run]> = [
  ["TREE_CONNECT", (smb) => smb.stat(path)],
  ["SESSION_SETUP", (smb) => smb.stat(path)],
  ["CREATE", file(() => Effect.void)],
  ["READ", (smb) => smb.readTo(path, () => Effect.void)],
  ["WRITE", file((file) => file.write(0, content))],
  ["FLUSH", file((file) => file.flush)],
  ["SET_INFO", file((file) => file.truncate(3))],
  ["QUERY_INFO", file((file) => file.read(200_000, 3))],
  [
    "QUERY_DIRECTORY",
    (smb) =>
      smb.withShare(
        `${base}\\folder`,
        (share, path) =>
          Effect.flatMap(share.open(path, OpenMode.directory), (directory) =>
            directory.run(
              Information.queryDirectory("FileIdBothDirectoryInformation", {
                pattern: "*",
                restart: true,
                maximum: 65536
              })
            ))
      ).pipe(Effect.scoped)
  ],
  ["CLOSE", file((file) => Effect.andThen(file.write(0, new Uint8Array(1)), file.close))],
  [
    "IOCTL",
    (smb) =>
      smb.withShare(
        base,
        (share) =>
          share.control({
            _tag: "Ioctl",
            ctlCode: Fsctl.FSCTL_DFS_GET_REFERRALS,
            input: new Uint8Array(0),
            maximum: 1000
          })
      ).pipe(Effect.scoped)
  ],
  ["LOCK", file((file) => Effect.scoped(file.lock([{ offset: 0, length: 1 }], { wait: false })))]
]

describe("a request that stays pending", () => {
  it.effect.each(bounded.map(([command, run]) => ({ command, run })))(
    "fails with TimedOut after ten times requestTimeout, and is cancelled: $command",
    ({ command, run }) =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const { exit, took } = yield* VirtualTime.run(run(smb), { limit: "2 hours" })
        const error = Exit.isFailure(exit)
          ? exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error
          : undefined
        assert.instanceOf(error, TransportError)
        assert.deepInclude({ ...(error as TransportError) }, { reason: { _tag: "TimedOut", pending: true } })
        assert.include((error as TransportError).message, `called ${command} pending`)
        assert.approximately(took, 300_000, 3000)
        const commands = yield* (yield* TestTransport.TestServers).commands
        // A connection without a logged-on user ends with its logon.
        if (command !== "SESSION_SETUP") assert.include(commands.slice(commands.indexOf(command)), "CANCEL")
      }).pipe(provide([hangs(command)]))
  )

  it.effect("is waited for during `pendingTimeout`, by default ten times `requestTimeout`", () =>
    Effect.gen(function*() {
      const settings: ReadonlyArray<readonly [SmbClient.Options, number]> = [
        [{ pendingTimeout: Duration.seconds(40) }, 40_000],
        [{ requestTimeout: Duration.seconds(2) }, 20_000],
        [{ requestTimeout: Duration.seconds(2), pendingTimeout: Duration.seconds(4) }, 4000]
      ]
      for (const [options, due] of settings) {
        yield* Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          const { took } = yield* VirtualTime.run(Effect.exit(smb.readTo(path, () => Effect.void)))
          assert.approximately(took, due, 3000)
        }).pipe(provide([hangs("READ")], options))
      }
    }))

  it.effect("leaves the connection and its credits to others, also when 20 requests stay pending", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      yield* VirtualTime.run(Effect.scoped(Effect.gen(function*() {
        const open = yield* smb.open(path)
        for (let i = 0; i < 20; i++) {
          assert.isTrue(Exit.isFailure(yield* Effect.exit(open.read(0, 65536))))
          assert.strictEqual((yield* smb.stat(path)).size, 200_000n)
        }
      })))
      assert.strictEqual(yield* servers.connected, 1)
    }).pipe(provide([hangs("READ")], { credits: 4 })))

  it.effect("is closed when it is a CREATE that succeeds after the client gave up", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const { exit } = yield* VirtualTime.run(
        Effect.andThen(Effect.exit(Effect.scoped(smb.open(path))), Effect.sleep("3 minutes"))
      )
      assert.isTrue(Exit.isSuccess(exit))
      const commands = yield* (yield* TestTransport.TestServers).commands
      assert.strictEqual(commands.filter((command) => command === "CLOSE").length, 1)
    }).pipe(provide([hangs("CREATE", { delay: "400 seconds", uncancellable: true })])))
})

describe("a request that waits", () => {
  it.effect("35 seconds in a pending CREATE, as for an oplock break without acknowledgment, succeeds", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const { exit, took } = yield* VirtualTime.run(Effect.scoped(smb.open(path)))
      assert.isTrue(Exit.isSuccess(exit))
      assert.approximately(took, 35_000, 2000)
    }).pipe(provide([hangs("CREATE", { delay: "35 seconds" })])))

  it.effect("35 seconds in a rename that the server does not call pending, as Windows does, succeeds", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const { exit, took } = yield* VirtualTime.run(smb.rename(path, `${base}\\other.bin`))
      assert.isTrue(Exit.isSuccess(exit))
      assert.approximately(took, 35_000, 2000)
    }).pipe(provide([{ on: "SET_INFO", is: { delay: "35 seconds" } }])))

  it.effect("for a rename fails after `pendingTimeout`, and earlier if the server does not respond to an ECHO", () =>
    Effect.gen(function*() {
      const rename = Effect.gen(function*() {
        const { exit, took } = yield* VirtualTime.run(
          (yield* SmbClient.SmbClient).rename(path, `${base}\\other.bin`),
          { limit: "1 hour" }
        )
        assert.isTrue(Exit.isFailure(exit))
        return took
      })
      const unanswered: TestTransport.Fault = { on: "SET_INFO", is: "silence" }
      assert.approximately(yield* Effect.provide(rename, layer([unanswered])), 300_000, 3000)
      const dead: TestTransport.Fault = { on: "ECHO", is: "silence" }
      assert.approximately(yield* Effect.provide(rename, layer([unanswered, dead])), 45_000, 3000)
    }))

  it.effect("for a lock or a change can take hours", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const lock = file((file) => Effect.scoped(file.lock([{ offset: 0, length: 1 }])))
      assert.approximately((yield* VirtualTime.run(lock(smb))).took, 5 * 3_600_000, 5000)
      const watch = Stream.runHead(smb.watch(`${base}\\folder`))
      const { exit, took } = yield* VirtualTime.run(watch, { limit: "3 hours" })
      assert.isTrue(Exit.hasInterrupts(exit))
      assert.strictEqual(took, 3 * 3_600_000)
    }).pipe(provide([
      {
        on: "LOCK",
        times: 1,
        is: { pending: true, delay: "5 hours", response: { _tag: "LOCK", body: {} } }
      },
      hangs("CHANGE_NOTIFY")
    ])))
})
