/**
 * DCE/RPC PDUs (C706 12) and calls of srvsvc (MS-SRVS) against recorded bytes of rpcclient and smbd, hostile bytes,
 * and the fragments of a call.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readFileSync } from "node:fs"
import * as Codec from "../../src/Codec/Codec.ts"
import * as DceRpc from "../../src/Codec/Rpc/DceRpc.ts"
import * as Srvsvc from "../../src/Codec/Rpc/Srvsvc.ts"
import { hostile } from "./hostile.ts"

interface Sample {
  readonly from: "client" | "server"
  readonly connection: number
  readonly bytes: string
}

const hex = (text: string) => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"))
const { samples }: { readonly samples: ReadonlyArray<Sample> } = JSON.parse(
  readFileSync(new URL("./fixtures/rpc.json", import.meta.url), "utf8")
)

const pdu = (bytes: Uint8Array) => {
  const result = Codec.decode("PDU", DceRpc.Pdu)(bytes)
  assert(Result.isSuccess(result), String(Result.isFailure(result) && result.failure.message))
  return result.success
}

describe("recorded PDUs of rpcclient and smbd", () => {
  it("are decoded, and encoded to the same bytes", () => {
    const kinds = new Set<string>()
    for (const { bytes } of samples) {
      const value = pdu(hex(bytes))
      kinds.add(value._tag)
      assert.strictEqual(DceRpc.frameLength(hex(bytes)), bytes.length / 2)
      assert.strictEqual(Buffer.from(Codec.encode(DceRpc.Pdu)(value)).toString("hex"), bytes)
    }
    assert.includeMembers([...kinds], ["Bind", "BindAck", "Request", "Response", "Fault"])
  })

  it("bind srvsvc with the transfer syntax NDR", () => {
    const bind = samples.map(({ bytes }) => pdu(hex(bytes))).find((value) =>
      value._tag === "Bind" && value.contexts[0]!.abstractSyntax.uuid === Srvsvc.interfaceId.uuid
    )
    assert(bind?._tag === "Bind")
    assert.deepStrictEqual(bind.contexts[0]!.abstractSyntax, Srvsvc.interfaceId)
    assert.deepStrictEqual(bind.contexts[0]!.transferSyntaxes, [DceRpc.ndr32])
    const ack = samples.map(({ bytes }) => pdu(hex(bytes))).find((value) => value._tag === "BindAck")
    assert(ack?._tag === "BindAck")
    assert.match(ack.secondaryAddress, /^\\PIPE\\\w+$/i)
    assert.strictEqual(ack.results[0]!.result, 0)
  })

  it("have a fault with the status that rpcclient printed: DCERPC_NCA_S_OP_RNG_ERROR", () => {
    const fault = samples.map(({ bytes }) => pdu(hex(bytes))).find((value) => value._tag === "Fault")
    assert(fault?._tag === "Fault")
    assert.strictEqual(fault.status, DceRpc.FaultStatus.nca_op_rng_error)
  })
})

describe("recorded calls of srvsvc", () => {
  const bound = new Set(
    samples.filter(({ bytes }) => {
      const value = pdu(hex(bytes))
      return value._tag === "Bind" && value.contexts[0]!.abstractSyntax.uuid === Srvsvc.interfaceId.uuid
    }).map(({ connection }) => connection)
  )
  const calls = samples.filter(({ connection }) => bound.has(connection)).map(({ bytes }) => pdu(hex(bytes)))
  const requests = calls.filter((value) => value._tag === "Request")
  /** The responses to the calls of one operation at one level, decoded and encoded again. */
  const exchange = <Q, A>(
    operation: number,
    Request: Codec.Codec<Q>,
    Response: Codec.Codec<A>,
    asks: (question: Q) => boolean
  ) =>
    requests.filter((value) => value.operation === operation).flatMap((request) => {
      const question = Codec.decode("request", Request)(request.stub)
      assert(Result.isSuccess(question))
      if (!asks(question.success)) return []
      const response = calls.find((value) => value._tag === "Response" && value.callId === request.callId)
      assert(response?._tag === "Response")
      const answer = Codec.decode("response", Response)(response.stub)
      assert(Result.isSuccess(answer))
      assert.strictEqual(words(Codec.encode(Request)(question.success)), words(request.stub))
      return [{
        question: question.success,
        answer: answer.success,
        stub: response.stub,
        bytes: words(response.stub),
        again: words(Codec.encode(Response)(answer.success))
      }]
    })
  // The numbers of pointers have no meaning if they are not 0 (C706 14.3.10): each side counts in its own way.
  const words = (bytes: Uint8Array) =>
    Buffer.from(bytes).toString("hex").match(/.{1,8}/g)!.map((word) => (word.endsWith("000200") ? "pointer" : word))
      .join(" ")

  // As `rpcclient -c netshareenumall` printed them.
  const shares = [
    { netName: "share", type: 0, remark: "A share – for tests" },
    { netName: "hidden$", type: 0, remark: "" },
    { netName: "IPC$", type: 0x80000003, remark: "IPC Service (Samba 4.17.12-Debian)" }
  ]

  it("have the shares that rpcclient printed: NetrShareEnum at level 1", () => {
    const [all] = exchange(15, Srvsvc.ShareEnumRequest, Srvsvc.ShareEnumResponse, ({ info }) => info.level === 1)
    assert.deepStrictEqual(all!.question, {
      serverName: "127.0.0.13",
      info: { level: 1, value: [] },
      preferredMaximumLength: 0xffffffff,
      resumeHandle: undefined
    })
    assert.deepStrictEqual(all!.answer, {
      info: { level: 1, value: shares },
      totalEntries: 3,
      resumeHandle: undefined,
      returnValue: 0
    })
    assert.strictEqual(all!.again, all!.bytes)
  })

  it("have the share that rpcclient printed, or its error: NetrShareGetInfo at level 1", () => {
    const [found, missing] = exchange(
      16,
      Srvsvc.ShareGetInfoRequest,
      Srvsvc.ShareGetInfoResponse,
      ({ level }) => level === 1
    )
    assert.deepStrictEqual(found!.answer, { info: { level: 1, value: shares[0]! }, returnValue: 0 })
    assert.strictEqual(found!.again, found!.bytes)
    assert.strictEqual(missing!.question.netName, "nosuch")
    // WERR_INVALID_NAME, as rpcclient printed.
    assert.deepStrictEqual(missing!.answer, { info: { level: 1, value: undefined }, returnValue: 123 })
    assert.strictEqual(missing!.again, missing!.bytes)
  })

  it("have the share with its path: NetrShareGetInfo at level 2", () => {
    const [found] = exchange(
      16,
      Srvsvc.ShareGetInfoRequest,
      Srvsvc.ShareGetInfoResponse,
      ({ level }) => level === 2
    )
    const { info } = found!.answer
    assert(info.level === 2 && info.value !== undefined)
    const { path, ...share } = info.value
    assert.deepStrictEqual(share, {
      ...shares[0]!,
      permissions: 0,
      maxUses: 0xffffffff,
      currentUses: 0,
      password: ""
    })
    assert.match(path!, /^C:\\.*\\share$/)
    assert.strictEqual(found!.again, found!.bytes)
    // The recorded permissions and uses are both 0. shi2_permissions, shi2_max_uses and shi2_current_uses (MS-SRVS
    // 2.2.4.24) are after the level, a pointer and three fields of 4 bytes each.
    const numbered = Buffer.from(found!.stub)
    for (const [i, at] of [20, 24, 28].entries()) numbered.writeUInt32LE(i + 5, at)
    const decoded = Codec.decode("response", Srvsvc.ShareGetInfoResponse)(numbered)
    assert(Result.isSuccess(decoded) && decoded.success.info.level === 2)
    const { currentUses, maxUses, permissions } = decoded.success.info.value!
    assert.deepStrictEqual([permissions, maxUses, currentUses], [5, 6, 7])
  })

  it("give a value or Malformed when they are truncated, changed or random", () => {
    const stubs = calls.filter((value) => value._tag === "Response").map((value) => value.stub)
    hostile(Srvsvc.ShareEnumResponse, stubs)
    hostile(Srvsvc.ShareGetInfoResponse, stubs)
    hostile(Srvsvc.ShareEnumRequest, requests.map((value) => value.stub))
    hostile(Srvsvc.ShareGetInfoRequest, requests.map((value) => value.stub))
    hostile(DceRpc.Pdu, samples.slice(0, 10).map(({ bytes }) => hex(bytes)))
  })
})

describe("fragments of a call", () => {
  const call = {
    _tag: "Response",
    callId: 7,
    contextId: 0,
    cancelCount: 0,
    stub: new Uint8Array(1000).map((_, i) => i)
  } as const

  it("are no longer than the limit, and are collected to the same call", () => {
    const parts = DceRpc.fragments(call, 300)
    let state: DceRpc.Collected | undefined
    let complete: DceRpc.RequestPdu | DceRpc.ResponsePdu | undefined
    for (const part of parts) {
      const bytes = Codec.encode(DceRpc.Pdu)(part)
      assert.isAtMost(bytes.length, 300)
      const result = DceRpc.collect(state, pdu(bytes) as DceRpc.ResponsePdu, 1000)
      assert(Result.isSuccess(result))
      ;({ complete, state } = result.success)
    }
    assert.deepStrictEqual(parts.map(({ flags }) => flags), [1, 0, 0, 2])
    assert.deepStrictEqual(complete!.stub, call.stub)
    assert.strictEqual(state, undefined)
  })

  it("are refused out of order, from another call, empty, or beyond the limit", () => {
    const [first, second] = DceRpc.fragments(call, 300) as ReadonlyArray<DceRpc.ResponsePdu>
    const started = DceRpc.collect(undefined, first!, 1000)
    assert(Result.isSuccess(started))
    const { state } = started.success
    assert(Result.isFailure(DceRpc.collect(undefined, second!, 1000)))
    assert(Result.isFailure(DceRpc.collect(state, first!, 1000)))
    assert(Result.isFailure(DceRpc.collect(state, { ...second!, callId: 8 }, 1000)))
    assert(Result.isFailure(DceRpc.collect(state, { ...second!, stub: new Uint8Array(0) }, 1000)))
    assert(Result.isFailure(DceRpc.collect(state, second!, 500)))
  })
})
