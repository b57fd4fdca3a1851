/** The lists of open files and sessions, from a scripted pipe that gives them in parts, refuses them, or never ends. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ServerUse from "../../src/Client/ServerUse.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import * as DceRpc from "../../src/Codec/Rpc/DceRpc.ts"
import * as Srvsvc from "../../src/Codec/Rpc/Srvsvc.ts"
import * as Lists from "../../src/Codec/Rpc/SrvsvcLists.ts"
import type * as Share from "../../src/Protocol/Share.ts"

const whole = DceRpc.PacketFlags.PFC_FIRST_FRAG | DceRpc.PacketFlags.PFC_LAST_FRAG

const decoded = <A>(codec: Codec.Codec<A>, bytes: Uint8Array): A => {
  const result = Codec.decode("test", codec)(bytes)
  if (result._tag === "Failure") throw result.failure
  return result.success
}

type Files = typeof Lists.FileEnumResponse extends Codec.Codec<infer A> ? A : never

/** An IPC$ whose pipe answers each call of NetrFileEnum; `asked` are the resume handles of the calls. */
const answering = (answer: (call: number) => Files | "fault") => {
  const asked: Array<number | undefined> = []
  const respond = (pdu: DceRpc.Pdu): DceRpc.Pdu => {
    if (pdu._tag === "Bind") {
      return {
        _tag: "BindAck",
        flags: whole,
        callId: pdu.callId,
        maxTransmitFragment: 4280,
        maxReceiveFragment: 4280,
        associationGroupId: 1,
        secondaryAddress: "\\PIPE\\srvsvc",
        results: [{ result: 0, reason: 0, transferSyntax: DceRpc.ndr32 }]
      }
    }
    if (pdu._tag !== "Request") throw new Error(pdu._tag)
    assert.strictEqual(pdu.operation, Srvsvc.Operation.NetrFileEnum)
    const { info, resumeHandle } = decoded(Lists.FileEnumRequest, pdu.stub)
    assert.strictEqual(info.level, 3)
    asked.push(resumeHandle)
    const given = answer(asked.length)
    if (given === "fault") {
      return {
        _tag: "Fault",
        flags: whole,
        callId: pdu.callId,
        contextId: 0,
        allocationHint: 0,
        cancelCount: 0,
        status: 0x1c010002
      }
    }
    const stub = Codec.encode(Lists.FileEnumResponse)(given)
    return {
      _tag: "Response",
      flags: whole,
      callId: pdu.callId,
      contextId: 0,
      allocationHint: stub.length,
      cancelCount: 0,
      stub
    }
  }
  const pipe = {
    path: "srvsvc",
    close: Effect.void,
    run: ({ input }: { readonly input: Uint8Array }) =>
      Effect.sync(() => {
        const pdu = respond(decoded(DceRpc.Pdu, input))
        const pdus = pdu._tag === "Response" ? DceRpc.fragments(pdu, 65_528) : [pdu]
        return new Uint8Array(Buffer.concat(pdus.map((one) => Codec.encode(DceRpc.Pdu)(one))))
      })
  }
  const ipc = { server: "nas", port: 4455, open: () => Effect.succeed(pipe) } as unknown as Share.Share
  return { asked, files: Effect.scoped(ServerUse.openFiles(ipc)) }
}

const file = (id: number) => ({ id, permissions: 3, locks: id, pathName: `/srv/${id}`, userName: "ann" })

const part = (from: number, count: number, returnValue: number, resumeHandle: number | undefined): Files => ({
  info: { level: 3, value: Array.from({ length: count }, (_, i) => file(from + i)) },
  totalEntries: 100,
  resumeHandle,
  returnValue
})

describe("the open files of a server", () => {
  it.effect("come in parts, each from where the last one ended", () =>
    Effect.gen(function*() {
      const { asked, files } = answering((call) =>
        call < 3 ? part(call * 10, 10, Srvsvc.ERROR_MORE_DATA, call * 10) : part(30, 2, Srvsvc.NERR_Success, 0)
      )
      const all = yield* files
      assert.deepStrictEqual(asked, [0, 10, 20])
      assert.deepStrictEqual(all.map(({ id }) => id), Array.from({ length: 22 }, (_, i) => 10 + i))
      assert.deepStrictEqual(all[1], {
        id: 11,
        path: "/srv/11",
        user: "ann",
        locks: 11,
        canRead: true,
        canWrite: true
      })
    }))

  it.effect("are refused with the name and the port of the server, to a user that is no administrator", () =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(answering(() => part(0, 0, 5, 0)).files)
      assert.match(message, /^\\\\nas:4455: The server tells this only to its administrators/)
    }))

  it.effect("are a failure if the list does not end: without an entry, without progress, or without a limit", () =>
    Effect.gen(function*() {
      const endless: ReadonlyArray<(call: number) => Files> = [
        () => part(0, 0, Srvsvc.ERROR_MORE_DATA, 5),
        () => part(0, 1, Srvsvc.ERROR_MORE_DATA, undefined),
        (call) => part(0, 700, Srvsvc.ERROR_MORE_DATA, call)
      ]
      for (const answer of endless) {
        const { asked, files } = answering(answer)
        assert.match((yield* Effect.flip(files)).message, /the server's list has no end/)
        assert.isAtMost(asked.length, 150)
      }
    }))

  it.effect("are a failure if their names are longer than 16 MiB in all", () =>
    Effect.gen(function*() {
      const long = "x".repeat(1024 * 1024)
      const { asked, files } = answering((call) => ({
        info: { level: 3, value: [{ ...file(call), pathName: long }] },
        totalEntries: 100,
        resumeHandle: call,
        returnValue: call < 20 ? Srvsvc.ERROR_MORE_DATA : Srvsvc.NERR_Success
      }))
      const error = yield* Effect.flip(files)
      assert.strictEqual(error._tag, "ProtocolError")
      assert.match(error.message, /longer than 16 MiB \(NetrFileEnum\)/)
      assert.lengthOf(asked, 8)
    }))

  it.effect("are refused with what to do: for users that are no administrators, and by servers without the call", () =>
    Effect.gen(function*() {
      const denied = yield* Effect.flip(answering(() => part(0, 0, 5, 0)).files)
      assert.deepInclude(denied, { _tag: "SmbError", statusName: "STATUS_ACCESS_DENIED" })
      assert.match(denied.message, /administrators: log on as one of them/)
      assert.match((yield* Effect.flip(answering(() => part(0, 0, 124, 0)).files)).message, /error 124/)
      assert.match((yield* Effect.flip(answering(() => "fault").files)).message, /NetrFileEnum, fault 469827586/)
    }))
})
