/**
 * The client over SMB 1 against a scripted server: what `TransportError.sent` says for each request, locks of
 * interrupted callers, and SMB 1 next to other dialects.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Logger, Redacted } from "effect"
import { Credentials, OpenMode, SmbClient, type SmbFile, TestTransport, Transport, TransportError } from "effect-smb"
import { Information } from "effect-smb/Client"
import * as Codec from "../../src/Codec/Codec.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as Header from "../../src/Smb1/Header.ts"
import { Capabilities, Command, SecurityMode } from "../../src/Smb1/Message/Constants.ts"
import * as Negotiate from "../../src/Smb1/Message/Negotiate.ts"
import { Locking } from "../../src/Smb1/Message/Simple.ts"
import { SecurityInformation } from "../../src/Smb2/Message/Constants.ts"
import * as Peer from "./peer.ts"

const credentials = Credentials.layer(Credentials.password("joe", Redacted.make("secret")))
const quiet = Layer.fresh(Logger.layer([]))

const provide = (
  transport: Layer.Layer<Transport.Transport | TestTransport.TestServers> | Layer.Layer<Transport.Transport>,
  options: SmbClient.Options = {}
) =>
  Effect.provide(
    SmbClient.layer({ dialects: ["NT1"], signing: "if-required", reconnect: "never", ...options }).pipe(
      Layer.provide([transport as Layer.Layer<Transport.Transport>, credentials]),
      Layer.provideMerge(quiet)
    )
  )

/** Lets all running work continue, without virtual time passing. */
const settle = Effect.promise(async () => {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
})

const share = "\\\\old\\data"
const file = `${share}\\file`

const everyAccess = { ...OpenMode.update, desiredAccess: OpenMode.update.desiredAccess | OpenMode.remove.desiredAccess }

describe("TransportError.sent, when an SMB 1 connection breaks at a request", () => {
  const { SMB_COM_NT_CREATE_ANDX: create, SMB_COM_READ_ANDX: read, SMB_COM_TRANSACTION2: trans2 } = Command
  const { SMB_COM_NT_TRANSACT: ntTransact, SMB_COM_RENAME: rename, SMB_COM_WRITE_ANDX: write } = Command

  const onFile = (use: (file: SmbFile) => Effect.Effect<unknown, unknown>) => (smb: SmbClient.Client) =>
    Effect.scoped(Effect.flatMap(smb.open(file, everyAccess), use))

  const cases: ReadonlyArray<
    readonly [string, number, (smb: SmbClient.Client) => Effect.Effect<unknown, unknown>, sent: boolean]
  > = [
    ["creating a directory", create, (smb) => smb.makeDirectory(file), true],
    ["creating a file", create, (smb) => smb.writeFile(file, "x"), true],
    ["writing after creating a file", write, (smb) => smb.writeFile(file, "x"), true],
    ["writing", write, onFile((file) => file.write(0, Buffer.from("x"))), true],
    ["truncating a file", trans2, (smb) => smb.truncate(file, 3), true],
    ["removing", trans2, (smb) => smb.remove(file), true],
    ["renaming within the directory", trans2, (smb) => smb.rename(file, `${share}\\other`), true],
    ["renaming into another directory", rename, (smb) => smb.rename(file, `${share}\\folder\\file`), true],
    [
      "setting a security descriptor",
      ntTransact,
      onFile((file) =>
        file.run({
          _tag: "SetInfo",
          information: { _tag: "Security", securityInformation: SecurityInformation.DACL_SECURITY_INFORMATION },
          data: new Uint8Array(20)
        })
      ),
      true
    ],
    [
      "an unknown control",
      ntTransact,
      onFile((file) => file.run({ _tag: "Ioctl", ctlCode: 0x0009_c0a4, input: new Uint8Array(0), maximum: 0 })),
      true
    ],
    ["stat", create, (smb) => smb.stat(file), false],
    ["opening to read", create, (smb) => smb.readFile(file), false],
    ["reading", read, (smb) => smb.readFile(file), false],
    [
      "querying information",
      trans2,
      onFile((file) => file.run(Information.queryFile("FileStandardInformation"))),
      false
    ],
    ["querying a security descriptor", ntTransact, (smb) => smb.security.get(file), false],
    ["querying previous versions", ntTransact, (smb) => smb.previousVersions(file), false]
  ]

  it.effect.each(cases.map(([name, command, run, sent]) => ({ name, command, run, sent })))(
    "is $sent: $name",
    ({ command, run, sent }) => {
      const peer = Peer.make(({ header }) => header.command === command ? "hang up" : undefined)
      return Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const error = yield* Effect.flip(run(smb))
        assert.instanceOf(error, TransportError)
        assert.strictEqual((error as TransportError).sent ?? false, sent)
      }).pipe(provide(peer.layer))
    }
  )

  it.effect("is undefined for a WRITE that was still waiting for the server's only place", () => {
    let negotiated = false
    const peer = Peer.make(({ header }) => {
      if (header.command === Command.SMB_COM_NEGOTIATE && !negotiated) {
        negotiated = true
        // One request at a time.
        return { body: one }
      }
      return header.command === write ? "hang up" : undefined
    })
    const one = Codec.encode(Negotiate.Response)({
      dialectIndex: 0,
      securityMode: SecurityMode.NEGOTIATE_USER_SECURITY | SecurityMode.NEGOTIATE_ENCRYPT_PASSWORDS,
      maxMpxCount: 1,
      maxNumberVcs: 1,
      maxBufferSize: 16_644,
      maxRawSize: 0,
      sessionKey: 0,
      capabilities: Capabilities.CAP_UNICODE | Capabilities.CAP_LARGE_FILES | Capabilities.CAP_NT_SMBS |
        Capabilities.CAP_STATUS32 | Capabilities.CAP_INFOLEVEL_PASSTHRU,
      systemTime: 0n,
      serverTimeZone: 0,
      security: { _tag: "Challenge", challenge: new Uint8Array(8), domainName: "", serverName: "" }
    })
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const ends = yield* Effect.scoped(Effect.gen(function*() {
        const opened = yield* smb.open(file, everyAccess)
        return yield* Effect.all(
          [0, 1].map((offset) => Effect.flip(opened.write(offset, Buffer.from("x")))),
          { concurrency: "unbounded" }
        )
      }))
      assert.deepStrictEqual(ends.map((error) => (error as TransportError).sent), [true, undefined])
    }).pipe(provide(peer.layer))
  })
})

describe("a lock over SMB 1", () => {
  it.effect("that is granted after the caller was interrupted is released", () => {
    const peer = Peer.make(({ header }) => header.command === Command.SMB_COM_LOCKING_ANDX ? "nothing" : undefined)
    const decode = ({ packet }: Peer.Received) => {
      const decoded = Codec.decode("LOCKING_ANDX", Codec.at(Header.size, Locking))(packet)
      assert(decoded._tag === "Success")
      return decoded.success
    }
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const opened = yield* smb.open(file, everyAccess)
      const waiting = yield* Effect.forkChild(Effect.scoped(opened.lock([{ offset: 5, length: 9 }])))
      yield* settle
      yield* Fiber.interrupt(waiting)
      yield* settle
      assert.strictEqual(peer.of(Command.SMB_COM_NT_CANCEL).length, 1)
      const [lock] = peer.of(Command.SMB_COM_LOCKING_ANDX)
      // Too late to cancel: the server has granted it.
      peer.answer(lock!)
      yield* settle
      const unlocks = peer.of(Command.SMB_COM_LOCKING_ANDX).slice(1).map(decode)
      assert.deepStrictEqual(unlocks.map((one) => [one.fid, one.locks, one.unlocks]), [
        [7, [], [{ pid: 0xfeff, offset: 5n, length: 9n }]]
      ])
    }).pipe(Effect.scoped, provide(peer.layer))
  })

  it.effect("that is refused after an interruption, or of a closed file, is not released", () => {
    const peer = Peer.make(({ header }) => header.command === Command.SMB_COM_LOCKING_ANDX ? "nothing" : undefined)
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      yield* Effect.scoped(Effect.gen(function*() {
        const opened = yield* smb.open(file, everyAccess)
        for (const offset of [0, 1]) {
          const waiting = yield* Effect.forkChild(Effect.scoped(opened.lock([{ offset, length: 1 }])))
          yield* settle
          yield* Fiber.interrupt(waiting)
        }
      }))
      yield* settle
      const [first, second] = peer.of(Command.SMB_COM_LOCKING_ANDX)
      assert.strictEqual(peer.of(Command.SMB_COM_CLOSE).length, 1)
      peer.answer(first!, Uint8Array.of(0, 0, 0), NtStatus.STATUS_FILE_LOCK_CONFLICT)
      peer.answer(second!)
      yield* settle
      assert.strictEqual(peer.of(Command.SMB_COM_LOCKING_ANDX).length, 2)
    }).pipe(provide(peer.layer))
  })
})

describe("SMB 1 with other dialects", () => {
  const servers = TestTransport.layerFiles({ data: { file: "by SMB 2" } }, { user: "joe", password: "secret" })

  /** Servers of SMB 2 that hang up on each connection that begins with SMB 1, with any dialects in it. */
  const touchy = (firsts: Array<string>) =>
    Layer.effect(
      Transport.Transport,
      Effect.map(Transport.Transport, (inner) => ({
        connect: (endpoint: Transport.Endpoint, handlers: Transport.Handlers) =>
          Effect.map(inner.connect(endpoint, handlers), (duplex) => {
            let begun = false
            return {
              close: duplex.close,
              send: (chunks: ReadonlyArray<Uint8Array>, onSent?: () => void) => {
                if (!begun) firsts.push(Buffer.concat(chunks).subarray(4, 8).toString("latin1"))
                const isOld = !begun && firsts.at(-1) === "\xffSMB"
                begun = true
                if (!isOld) return duplex.send(chunks, onSent)
                queueMicrotask(() => {
                  duplex.close()
                  handlers.onClose(
                    new TransportError({
                      reason: { _tag: "ConnectionClosed" },
                      server: endpoint.host,
                      port: endpoint.port
                    })
                  )
                })
              }
            }
          })
      }))
    ).pipe(Layer.provide(servers))

  it.effect("is omitted on a second connection when the server hangs up on an SMB 1 NEGOTIATE", () => {
    const firsts: Array<string> = []
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual(yield* smb.readFileString(file), "by SMB 2")
      const { dialect } = yield* Effect.scoped(smb.withShare(file, Effect.succeed))
      assert.strictEqual(dialect, "3.1.1")
      // The second connection begins with SMB 2.
      assert.deepStrictEqual(firsts, ["\xffSMB", "\xfeSMB"])
    }).pipe(provide(touchy(firsts), { dialects: ["NT1", "3.0", "3.1.1"], signing: "required" }))
  })

  it.effect("fails with Closed and advice when it is the only dialect and the server hangs up", () => {
    const firsts: Array<string> = []
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.readFile(file))
      assert.strictEqual(error._tag === "TransportError" ? error.reason._tag : error, "ConnectionClosed")
      assert.match(error.message, /probably does not support SMB 1, so offer SMB 2 or 3 too/)
      assert.notMatch(error.message, /try again/)
      assert.deepStrictEqual(firsts, ["\xffSMB"])
    }).pipe(provide(touchy(firsts)))
  })

  it.effect("is never used when it is not in `dialects`, and logs a warning when it is used", () => {
    const said: Array<string> = []
    const logger = Logger.make<unknown, void>(({ logLevel, message }) => void said.push(`${logLevel}: ${message}`))
    const run = (dialects: NonNullable<SmbClient.Options["dialects"]>, multiProtocol: boolean) => {
      const peer = Peer.make()
      return Effect.gen(function*() {
        const exit = yield* Effect.exit(Effect.flatMap(SmbClient.SmbClient, (smb) => smb.stat(file)))
        return { exit, peer }
      }).pipe(Effect.provide(
        SmbClient.layer({ dialects, multiProtocol, signing: "if-required" }).pipe(
          Layer.provide([peer.layer, credentials]),
          Layer.provideMerge(Layer.fresh(Logger.layer([logger])))
        )
      ))
    }
    return Effect.gen(function*() {
      for (const multiProtocol of [false, true]) {
        for (const dialects of [["2.0.2"], ["3.1.1"], ["2.1", "3.0"]] as const) {
          const { exit, peer } = yield* run(dialects, multiProtocol)
          assert(Exit.isFailure(exit))
          const error = Cause.squash(exit.cause) as {
            readonly _tag: string
            readonly reason?: { readonly _tag: string }
          }
          assert.strictEqual(`${error._tag} ${error.reason?._tag}`, "ProtocolError Smb1Only", `${dialects}`)
          // The client has not logged on.
          assert.strictEqual(peer.of(Command.SMB_COM_SESSION_SETUP_ANDX).length, 0)
        }
      }
      assert.deepStrictEqual(said, [])
      for (const dialects of [["NT1"], ["NT1", "3.1.1"]] as const) {
        const { exit } = yield* run(dialects, false)
        assert.isTrue(Exit.isSuccess(exit))
      }
      const warning =
        "Warn: old is spoken to by SMB 1, which is insecure: nothing is encrypted, and signatures are weak"
      assert.deepStrictEqual(said, [warning, warning])
    })
  })
})
