/**
 * A connection that breaks at each of the requests of an operation in turn. `TransportError.sent` is true where the
 * operation had changed something by then, or may have: also where the request that met the end changes nothing.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted } from "effect"
import { Credentials, OpenMode, SmbClient, TestTransport, type Transport, TransportError } from "effect-smb"
import { Command } from "../../src/Smb1/Message/Constants.ts"
import * as Peer from "../Smb1/peer.ts"
import { files, mutations, reasonOf } from "./mutations.ts"

const base = "\\\\nas\\data"

const provide = <R>(transport: Layer.Layer<Transport.Transport | R>, options: SmbClient.Options = {}) =>
  Effect.provide(
    SmbClient.layer(options).pipe(
      Layer.provideMerge(transport),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password")))),
      Layer.provideMerge(Logger.layer([]))
    )
  )

/** How an operation ended: as it should, or how the connection's end was told. */
const outcome = (run: (smb: SmbClient.Client) => Effect.Effect<unknown, unknown>) =>
  Effect.flatMap(SmbClient.SmbClient, run).pipe(
    Effect.as("success" as const),
    Effect.catch((error) => {
      const reason = reasonOf(error)
      return reason instanceof TransportError
        ? Effect.succeed(reason.sent === true ? "sent" : "not sent")
        : Effect.fail(error)
    })
  )

const isHarmless = (ctlCode: number) => ctlCode === 0x0014_0078

/** What MS-SMB2 says of a request, and not the client. */
const changes = ({ request }: TestTransport.Logged): boolean =>
  request._tag === "WRITE" || request._tag === "SET_INFO" ||
  request._tag === "IOCTL" && !isHarmless(request.body.ctlCode) ||
  request._tag === "CREATE" && request.body.createDisposition !== 1

const setUp = new Set(["NEGOTIATE", "SESSION_SETUP", "TREE_CONNECT"])

for (const [way, options] of [["compound", {}], ["one by one", { credits: 1 }]] as const) {
  describe(`a connection that breaks at any request, ${way}`, () => {
    it.effect.each(mutations)("$name", ({ faults = [], run }) =>
      Effect.gen(function*() {
        const log = yield* Effect.gen(function*() {
          yield* run(yield* SmbClient.SmbClient, base)
          return yield* (yield* TestTransport.TestServers).requests
        }).pipe(provide(TestTransport.layerFiles({ data: files() }, { ...options, faults })))
        for (const [i, { command }] of log.entries()) {
          // All of the packet that the request came in had been sent.
          let end = i + 1
          while (end < log.length && (log[end]!.header.flags & 4) !== 0) end++
          const changed = log.slice(0, end).some(changes)
          let count = 0
          const drop: TestTransport.Fault = { when: () => count++ === i, is: "drop" }
          const ended = yield* outcome((smb) => run(smb, base)).pipe(
            provide(TestTransport.layerFiles({ data: files() }, { ...options, faults: [drop, ...faults] }))
          )
          const where = `${command}, request ${i} of ${log.length}`
          if (ended === "success") {
            // Something that had only been read was closed, or a server that hangs up at once was asked once more.
            const own = log.slice(0, end).findLast(({ header }) => (header.flags & 4) === 0)
            assert.isTrue(command === "NEGOTIATE" || command === "CLOSE" && own?.command === "CLOSE", where)
          } else {
            assert.strictEqual(ended, changed ? "sent" : "not sent", where)
          }
          if (setUp.has(command)) assert.notStrictEqual(ended, "sent", where)
        }
      }))
  })
}

describe("a connection of SMB 1 that breaks at any request", () => {
  const nt1: SmbClient.Options = { dialects: ["NT1"], signing: "if-required" }
  const skipped = new Set(["remove, a folder", "remove, a tree", "copy, by the server"])
  const cases = [
    ...mutations.filter(({ name }) => !skipped.has(name)),
    {
      name: "rename, into another folder",
      run: (smb: SmbClient.Client) => smb.rename(`${base}\\f.txt`, `${base}\\d\\f.txt`, { replace: true })
    }
  ]
  const changing = new Set<number>([
    Command.SMB_COM_WRITE_ANDX,
    Command.SMB_COM_TRANSACTION2,
    Command.SMB_COM_NT_TRANSACT,
    Command.SMB_COM_RENAME,
    Command.SMB_COM_DELETE
  ])
  /** Where CreateDisposition lies in an NT_CREATE_ANDX. */
  const disposition = ({ packet }: Peer.Received) =>
    new DataView(packet.buffer, packet.byteOffset).getUint32(32 + 36, true)
  const changes = (received: Peer.Received): boolean =>
    changing.has(received.header.command) ||
    received.header.command === Command.SMB_COM_NT_CREATE_ANDX && disposition(received) !== 1

  it.effect.each(cases)("$name", ({ run }) =>
    Effect.gen(function*() {
      const calm = Peer.make(Peer.agreeing)
      const log = yield* Effect.gen(function*() {
        yield* run(yield* SmbClient.SmbClient, base)
        return [...calm.requests]
      }).pipe(provide(calm.layer, nt1))
      for (const [i, { header }] of log.entries()) {
        const changed = log.slice(0, i + 1).some(changes)
        let count = 0
        const peer = Peer.make((received) => count++ === i ? "hang up" : Peer.agreeing(received))
        const ended = yield* outcome((smb) => run(smb, base)).pipe(provide(peer.layer, nt1))
        const where = `command ${header.command}, request ${i} of ${log.length}`
        if (ended === "success") {
          assert.include([Command.SMB_COM_NEGOTIATE, Command.SMB_COM_CLOSE], header.command, where)
          assert.isTrue(header.command === Command.SMB_COM_NEGOTIATE || !log.slice(i).some(changes), where)
        } else {
          assert.strictEqual(ended, changed ? "sent" : "not sent", where)
        }
      }
    }))
})

describe("a file from open", () => {
  it.effect("tells of what it has changed before, when the connection ends between two of its operations", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      const file = yield* smb.open(`${base}\\f.txt`, OpenMode.update)
      const other = yield* smb.open(`${base}\\g.txt`, OpenMode.update)
      yield* file.write(0, Buffer.from("x"))
      yield* servers.drop("nas")
      const ends = yield* Effect.forEach(
        [file.write(1, Buffer.from("y")), file.flush, file.close, file.read(0, 1), other.write(0, Buffer.from("z"))],
        Effect.flip
      )
      assert.deepStrictEqual(ends.map((error) => (error as TransportError).sent), [
        true,
        true,
        true,
        undefined,
        undefined
      ])
    }).pipe(Effect.scoped, provide(TestTransport.layer({ nas: { shares: { data: files() } } }))))
})
