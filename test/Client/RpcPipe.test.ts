/**
 * Calls over a pipe of IPC$ (C706 12.6, MS-RPCE 2.1.1.2): how a call is cut into fragments, and what becomes of a server that
 * refuses, breaks off, or answers something else.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Result, Scope } from "effect"
import * as RpcPipe from "../../src/Client/internal/RpcPipe.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import * as DceRpc from "../../src/Codec/Rpc/DceRpc.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import type * as Share from "../../src/Protocol/Share.ts"
import * as Scripted from "./scripted.ts"

const whole = DceRpc.PacketFlags.PFC_FIRST_FRAG | DceRpc.PacketFlags.PFC_LAST_FRAG

const lsarpc: RpcPipe.Interface = {
  name: "lsarpc",
  id: { uuid: "12345778-1234-abcd-ef00-0123456789ab", version: 0 },
  endless: "the pipe does not answer"
}

/** A call whose stubs are bytes of any length. */
const bytes: Codec.Codec<Uint8Array> = Codec.make(0, (r) => r.rest(), (w, value) => w.put(value))
const call: RpcPipe.Call<Uint8Array, Uint8Array> = { name: "Any", operation: 7, request: bytes, response: bytes }

const bindAck = (result: number): DceRpc.Pdu => ({
  _tag: "BindAck",
  flags: whole,
  callId: 1,
  maxTransmitFragment: 4280,
  maxReceiveFragment: 4280,
  associationGroupId: 1,
  secondaryAddress: "\\PIPE\\lsarpc",
  results: [{ result, reason: result, transferSyntax: DceRpc.ndr32 }]
})
const response = (stub: Uint8Array, flags: number = whole): DceRpc.Pdu => ({
  _tag: "Response",
  flags,
  callId: 2,
  contextId: 0,
  cancelCount: 0,
  allocationHint: stub.length,
  stub
})
const fault = (status: number): DceRpc.Pdu => ({
  _tag: "Fault",
  flags: whole,
  callId: 2,
  contextId: 0,
  allocationHint: 0,
  cancelCount: 0,
  status
})
const encode = (...pdus: ReadonlyArray<DceRpc.Pdu>): Uint8Array => Buffer.concat(pdus.map(Codec.encode(DceRpc.Pdu)))

/** A pipe that gives these bytes, one for each transaction or read, and then nothing. `takes`: how many bytes it takes of a write. */
const server = (answers: ReadonlyArray<Uint8Array>, takes: (length: number) => number = (length) => length) => {
  const sent: Array<readonly [Operation.Any["_tag"], Uint8Array]> = []
  const left = [...answers]
  let closes = 0
  const run = (operation: Operation.Any) =>
    Effect.sync(() => {
      switch (operation._tag) {
        case "Write":
          sent.push(["Write", operation.data.slice()])
          return takes(operation.data.length)
        case "Ioctl":
          sent.push(["Ioctl", operation.input.slice()])
          return left.shift() ?? new Uint8Array(0)
        default:
          return left.shift() ?? new Uint8Array(0)
      }
    })
  const share = Scripted.share({
    name: "IPC$",
    type: "pipe",
    open: (path) => Effect.succeed({ path, run, close: Effect.sync(() => void closes++) } as unknown as Share.OpenFile)
  } as Partial<Share.Share>)
  return { share, sent, closes: () => closes }
}

/** The result of one call with a stub of this length. */
const called = (share: Share.Share, length = 1) =>
  Effect.scoped(Effect.flatMap(RpcPipe.bind(share, lsarpc), (run) => run(call, new Uint8Array(length).fill(5))))

describe("a call over a pipe", () => {
  it.effect("gives the response, no matter how many fragments and reads it comes in", () =>
    Effect.gen(function*() {
      const answer = encode(
        response(Buffer.from("first "), DceRpc.PacketFlags.PFC_FIRST_FRAG),
        response(Buffer.from("and "), 0),
        response(Buffer.from("last"), DceRpc.PacketFlags.PFC_LAST_FRAG)
      )
      for (const size of [1, 7, 30, answer.length]) {
        const parts: Array<Uint8Array> = []
        for (let at = 0; at < answer.length; at += size) parts.push(answer.subarray(at, at + size))
        const { closes, share } = server([encode(bindAck(0)), ...parts])
        assert.strictEqual(Buffer.from(yield* called(share)).toString(), "first and last")
        assert.strictEqual(closes(), 1)
      }
    }))

  it.effect("is sent in fragments of at most the 4280 bytes of Windows, all but the last by WRITE", () =>
    Effect.gen(function*() {
      // A header of a request has 24 bytes, and the stub data of a fragment is a multiple of 8 (MS-RPCE 2.2.2.6).
      for (const [length, count] of [[4256, 1], [4257, 2], [10_000, 3]] as const) {
        const { sent, share } = server([encode(bindAck(0)), encode(response(Buffer.from("x")))])
        yield* called(share, length)
        const [bind, ...fragments] = sent
        const pdus = fragments.map(([, data]) => Result.getOrThrow(Codec.decode("PDU", DceRpc.Pdu)(data)))
        assert.deepStrictEqual(fragments.map(([tag]) => tag), [
          ...Array.from({ length: count - 1 }, () => "Write" as const),
          "Ioctl"
        ])
        assert.isTrue(fragments.every(([, data]) => data.length <= 4280))
        const stubs = pdus.map((pdu) => pdu._tag === "Request" ? pdu.stub.length : 0)
        assert.strictEqual(stubs.reduce((sum, one) => sum + one, 0), length)
        assert.deepInclude(Result.getOrThrow(Codec.decode("PDU", DceRpc.Pdu)(bind![1])), {
          _tag: "Bind",
          maxTransmitFragment: 4280,
          maxReceiveFragment: 4280
        })
      }
    }))

  it.effect("fails if the pipe takes a part of a message", () =>
    Effect.gen(function*() {
      const { share } = server([encode(bindAck(0))], (length) => length - 1)
      const error = yield* Effect.flip(called(share, 10_000))
      assert.deepInclude(error, { _tag: "ProtocolError", reason: { _tag: "UnexpectedResponse" } })
      assert.match((error as Error).message, /took 4279 of the 4280 bytes/)
    }))

  it.effect("is refused with the status of a fault", () =>
    Effect.gen(function*() {
      const { share } = server([encode(bindAck(0)), encode(fault(DceRpc.FaultStatus.nca_s_fault_access_denied))])
      const error = yield* Effect.flip(called(share))
      assert.deepInclude(error, { _tag: "RpcRefused", fault: 5 })
    }))

  it.effect("fails if the server answers with something else", () =>
    Effect.gen(function*() {
      const { share } = server([encode(bindAck(0)), encode(bindAck(0))])
      const error = yield* Effect.flip(called(share))
      assert.deepInclude(error, { _tag: "ProtocolError", reason: { _tag: "UnexpectedResponse" } })
      assert.match((error as Error).message, /BindAck/)
    }))

  it.effect("fails if the pipe ends within a PDU: the client does not read again and again", () =>
    Effect.gen(function*() {
      const bound = encode(bindAck(0))
      for (const answers of [[bound.subarray(0, 20)], [bound, encode(response(Buffer.from("x"))).subarray(0, 20)]]) {
        const error = yield* Effect.flip(called(server(answers).share))
        assert.deepInclude(error, { _tag: "Malformed", structure: "DCE/RPC PDU", offset: 20 })
      }
    }))
})

describe("a bind", () => {
  // C706 12.6.3.1: 0 is acceptance, 1 user_rejection, 2 provider_rejection.
  it.effect.each([1, 2])("with the result %d is refused, and no call is sent", (result) =>
    Effect.gen(function*() {
      const { sent, share } = server([encode(bindAck(result)), encode(response(Buffer.from("x")))])
      const error = yield* Effect.flip(called(share))
      assert.deepInclude(error, { _tag: "RpcRefused" })
      assert.notProperty(error, "fault")
      assert.lengthOf(sent, 1)
    }))

  it.effect("that is answered with another PDU is refused, and no call is sent", () =>
    Effect.gen(function*() {
      const { sent, share } = server([encode(fault(5)), encode(response(Buffer.from("x")))])
      assert.deepInclude(yield* Effect.flip(called(share)), { _tag: "RpcRefused" })
      assert.lengthOf(sent, 1)
    }))

  it.effect("does not wait for the CLOSE of its pipe after a failure", () =>
    Effect.gen(function*() {
      const { closes, share } = server([encode(bindAck(0)), encode(fault(5))])
      const scope = yield* Scope.make()
      const exit = yield* Effect.exit(Scope.provide(
        Effect.flatMap(RpcPipe.bind(share, lsarpc), (run) => run(call, new Uint8Array(1))),
        scope
      ))
      yield* Scope.close(scope, exit)
      assert.strictEqual(closes(), 0)
      assert.isTrue(Exit.isFailure(exit))
    }))
})
