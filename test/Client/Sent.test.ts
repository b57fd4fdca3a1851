/**
 * A connection that breaks at each request of an operation in turn, over scripted servers of SMB 2 and SMB 1, and in a
 * DFS namespace. `sent` of `TransportError` and `DfsError` must be true when the operation had or could have changed something by then, also if the
 * broken request changes nothing.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted } from "effect"
import {
  Credentials,
  DfsAdapter,
  DfsError,
  OpenMode,
  SmbClient,
  TestTransport,
  type Transport,
  TransportError
} from "effect-smb"
import { Command } from "../../src/Smb1/Message/Constants.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import * as Peer from "../Smb1/peer.ts"
import { files, mutations, reasonOf } from "./mutations.ts"

const base = "\\\\nas\\data"

const provide = <R>(transport: Layer.Layer<Transport.Transport | R>, options: SmbClient.Options = {}) =>
  Effect.provide(
    SmbClient.layer({ reconnect: "never", ...options }).pipe(
      Layer.provideMerge(transport),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password")))),
      Layer.provideMerge(Logger.layer([]))
    )
  )

/** How an operation ended: with success, or with the `sent` of its TransportError. */
const outcome = (run: (smb: SmbClient.Client) => Effect.Effect<unknown, unknown>) =>
  Effect.flatMap(SmbClient.SmbClient, run).pipe(
    Effect.as("success" as const),
    Effect.catch((error) => {
      const reason = reasonOf(error)
      return reason instanceof TransportError || reason instanceof DfsError
        ? Effect.succeed(reason.sent === true ? "sent" : "not sent")
        : Effect.fail(error)
    })
  )

const isHarmless = (ctlCode: number) => ctlCode === Fsctl.FSCTL_SRV_REQUEST_RESUME_KEY

/** Whether a request changes something by MS-SMB2, independent of the client's own table. */
const changes = ({ request }: TestTransport.Logged): boolean =>
  request._tag === "WRITE" || request._tag === "SET_INFO" ||
  request._tag === "IOCTL" && !isHarmless(request.body.ctlCode) ||
  request._tag === "CREATE" && request.body.createDisposition !== 1

const setUp = new Set(["NEGOTIATE", "SESSION_SETUP", "TREE_CONNECT"])

for (const [way, options] of [["compound", {}], ["one by one", { credits: 1 }]] as const) {
  describe(`TransportError.sent, when the connection breaks at any request, ${way}`, () => {
    it.effect.each(mutations)(
      "is true exactly when something could have changed: $name",
      ({ faults = [], run }) =>
        Effect.gen(function*() {
          const log = yield* Effect.gen(function*() {
            yield* run(yield* SmbClient.SmbClient, base)
            return yield* (yield* TestTransport.TestServers).requests
          }).pipe(provide(TestTransport.layerFiles({ data: files() }, { ...options, faults })))
          for (const [i, { command }] of log.entries()) {
            // The whole packet with the request had been sent.
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
              // The request closed a file that was only read, or the client repeated a dropped NEGOTIATE.
              const own = log.slice(0, end).findLast(({ header }) => (header.flags & 4) === 0)
              assert.isTrue(command === "NEGOTIATE" || command === "CLOSE" && own?.command === "CLOSE", where)
            } else {
              assert.strictEqual(ended, changed ? "sent" : "not sent", where)
            }
            if (setUp.has(command)) assert.notStrictEqual(ended, "sent", where)
          }
        })
    )
  })
}

describe("sent of TransportError and DfsError, when the only target of a DFS link that is left goes away", () => {
  const link = "\\\\ns\\dfs\\l"
  /** Operations of several requests, which the connection can leave between two of them. */
  const several = new Set([
    "writeFile, atomic, over another",
    "writeFile, append",
    "sink, into a file",
    "makeDirectory, recursive",
    "remove, a tree",
    "copy, through the client"
  ])
  it.effect.each(mutations.filter(({ name }) => several.has(name)))(
    "is true exactly when something could have changed: $name",
    ({ faults = [], run }) =>
      Effect.gen(function*() {
        const hosts = (faults: ReadonlyArray<TestTransport.Fault>): TestTransport.Hosts => ({
          ns: {
            shares: { dfs: { l: {} } },
            referrals: {
              "\\\\ns\\dfs": { targets: ["\\\\ns\\dfs"] },
              "\\\\ns\\dfs\\l": { targets: ["\\\\nas\\data", "\\\\other\\data"] }
            }
          },
          nas: { shares: { data: files() }, faults },
          other: "down"
        })
        const provideDfs = (faults: ReadonlyArray<TestTransport.Fault>) =>
          Effect.provide(
            DfsAdapter.layerWithoutDiscovery().pipe(
              Layer.provide(SmbClient.layer({ reconnect: "never" })),
              Layer.provideMerge(TestTransport.layer(hosts(faults))),
              Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password")))),
              Layer.provideMerge(Logger.layer([]))
            )
          )
        const log = yield* Effect.gen(function*() {
          yield* run(yield* SmbClient.SmbClient, link)
          return (yield* (yield* TestTransport.TestServers).requests).filter(({ server }) => server === "nas")
        }).pipe(provideDfs(faults))
        assert.isAbove(log.length, 4)
        for (const [i, { command }] of log.entries()) {
          // A change that is not answered is tested above. This is about the next request.
          if (command === "CLOSE" || setUp.has(command) || changes(log[i]!)) continue
          let end = i + 1
          while (end < log.length && (log[end]!.header.flags & 4) !== 0) end++
          const changed = log.slice(0, end).some(changes)
          let count = 0
          const gone: TestTransport.Fault = { when: () => count++ >= i, is: "drop" }
          const ended = yield* outcome((smb) => run(smb, link)).pipe(provideDfs([gone, ...faults]))
          assert.strictEqual(ended, changed ? "sent" : "not sent", `${command}, request ${i} of ${log.length}`)
        }
      })
  )
})

describe("TransportError.sent, when an SMB 1 connection breaks at any request", () => {
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
  /** CreateDisposition of an NT_CREATE_ANDX. */
  const disposition = ({ packet }: Peer.Received) =>
    new DataView(packet.buffer, packet.byteOffset).getUint32(32 + 36, true)
  const changes = (received: Peer.Received): boolean =>
    changing.has(received.header.command) ||
    received.header.command === Command.SMB_COM_NT_CREATE_ANDX && disposition(received) !== 1

  it.effect.each(cases)(
    "is true exactly when something could have changed: $name",
    ({ run }) =>
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
            // The file was only read: what follows has another connection.
            const opened = log.slice(0, i).findLastIndex(({ header }) =>
              header.command === Command.SMB_COM_NT_CREATE_ANDX
            )
            assert.isTrue(
              header.command === Command.SMB_COM_NEGOTIATE || !log.slice(i).some(changes) ||
                !log.slice(opened, i + 1).some(changes),
              where
            )
          } else {
            assert.strictEqual(ended, changed ? "sent" : "not sent", where)
          }
        }
      })
  )
})

describe("TransportError.sent, when a connection breaks between operations of an open file", () => {
  it.effect("is true for changes, flush and close of a written file, and not for reads or unwritten files", () =>
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
