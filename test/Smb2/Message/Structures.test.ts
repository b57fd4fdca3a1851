/**
 * Structures inside SMB 2 messages and around them, against bytes of smbd 4.17.12 and the documents' tables, and with
 * random bytes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Codec from "../../../src/Codec/Codec.ts"
import { Reader } from "../../../src/Codec/Cursor.ts"
import * as ChangeNotify from "../../../src/Smb2/Message/ChangeNotify.ts"
import * as Create from "../../../src/Smb2/Message/Create.ts"
import * as CreateContext from "../../../src/Smb2/Message/CreateContext.ts"
import * as ErrorResponse from "../../../src/Smb2/Message/ErrorResponse.ts"
import * as Fsctl from "../../../src/Smb2/Message/Fsctl.ts"
import { HeaderDefinition } from "../../../src/Smb2/Message/HeaderDefinition.ts"
import * as Message from "../../../src/Smb2/Message/Message.ts"
import * as Negotiate from "../../../src/Smb2/Message/Negotiate.ts"
import * as QueryInfo from "../../../src/Smb2/Message/QueryInfo.ts"
import * as Read from "../../../src/Smb2/Message/Read.ts"
import { CompressionTransform, TransformHeader } from "../../../src/Smb2/Message/TransformHeader.ts"
import * as TreeConnect from "../../../src/Smb2/Message/TreeConnect.ts"
import * as Write from "../../../src/Smb2/Message/Write.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"))

const utf16 = (text: string) => Buffer.from(text, "utf16le").toString("hex")

const u16 = (value: number) => Buffer.from([value & 0xff, value >>> 8]).toString("hex")

// A body is read behind the header of 64 bytes.
const packet = (body: Uint8Array) => Buffer.concat([new Uint8Array(64), body])

const both = <A>(codec: Codec.Codec<A>, bytes: Uint8Array, value: A) => {
  assert.deepStrictEqual(Codec.decode("value", codec)(bytes), Result.succeed(value))
  assert.deepStrictEqual(Codec.encode(codec)(value), bytes)
}

describe("the codecs of Fsctl", () => {
  it("read and write smbd's lists of snapshots, and the size that they need", () => {
    both(Fsctl.SrvSnapshotArray, hex("01000000 00000000 34000000 00000000"), {
      numberOfSnapShots: 1,
      numberOfSnapShotsReturned: 0,
      snapShotArraySize: 52,
      snapShots: []
    })
    both(
      Fsctl.SrvSnapshotArray,
      hex(`01000000 01000000 34000000
        4000 4700 4d00 5400 2d00 3200 3000 3200 3400 2e00 3000 3100 2e00 3000 3200 2d00
        3000 3300 2e00 3000 3400 2e00 3000 3500 0000 0000`),
      {
        numberOfSnapShots: 1,
        numberOfSnapShotsReturned: 1,
        snapShotArraySize: 52,
        snapShots: ["@GMT-2024.01.02-03.04.05"]
      }
    )
  })

  it("refuse a count of snapshots that is larger than the bytes", () => {
    assert(Result.isFailure(Codec.decode("s", Fsctl.SrvSnapshotArray)(hex("ffffffff ffffffff ffffffff 61000000"))))
  })

  it("read and write smbd's network interface", () => {
    const address = `0200 0000 7f00000c ${"00".repeat(120)}`
    both(
      Fsctl.NetworkInterfaceInfos,
      hex(`00000000 ffffffff 00000000 00000000 00ca9a3b00000000 ${address}`),
      [{
        ifIndex: 0xffff_ffff,
        capability: 0,
        linkSpeed: 1_000_000_000n,
        sockAddrStorage: { _tag: "SockAddrIn", ipv4Address: hex("7f00000c") }
      }]
    )
  })

  it("take a missing FILE_SET_SPARSE_BUFFER for sparse", () => {
    assert.deepStrictEqual(Codec.decode("b", Fsctl.FileSetSparseBuffer)(hex("")), Result.succeed(true))
    assert.deepStrictEqual(Codec.decode("b", Fsctl.FileSetSparseBuffer)(hex("00")), Result.succeed(false))
  })
})

describe("the codecs of ErrorResponse", () => {
  // MS-SMB2 2.2.2.2.1, field by field.
  const target = "\\??\\C:\\dir"
  const print = "C:\\dir"
  const link = hex(`
    ${u16(24 + 2 * (target.length + print.length))} 0000 53594d4c 0c0000a0
    ${u16(12 + 2 * (target.length + print.length))} 0800
    0000 ${u16(2 * target.length)} ${u16(2 * target.length)} ${u16(2 * print.length)} 00000000
    ${utf16(target)} ${utf16(print)}`)
  const symbolicLink = { unparsedPathLength: 8, flags: 0, substituteName: target, printName: print }

  it("read and write a Symbolic Link Error Response", () => {
    both(ErrorResponse.SymbolicLinkErrorResponse, link, symbolicLink)
  })

  it("read the names of a link in any order", () => {
    const swapped = link.slice()
    swapped.set(hex(`${u16(2 * target.length)} ${u16(2 * print.length)} 0000 ${u16(2 * target.length)}`), 16)
    assert.deepStrictEqual(
      Codec.decode("link", ErrorResponse.SymbolicLinkErrorResponse)(swapped),
      Result.succeed({ ...symbolicLink, substituteName: print, printName: target })
    )
  })

  it.each([0, 4, 8, 12, 16, 18, 20, 22])("refuse a link with 0xffff at byte %i", (at) => {
    const lie = link.slice()
    lie.fill(0xff, at, at + 2)
    assert(Result.isFailure(Codec.decode("link", ErrorResponse.SymbolicLinkErrorResponse)(lie)))
  })

  it("read and write error contexts, each aligned to eight bytes", () => {
    const bytes = hex("01000000 00000000 2a 00000000000000  04000000 53526472 01020304")
    both(ErrorResponse.errorContexts(2), bytes, [
      { errorId: ErrorResponse.ErrorId.SMB2_ERROR_ID_DEFAULT, errorContextData: hex("2a") },
      { errorId: ErrorResponse.ErrorId.SMB2_ERROR_ID_SHARE_REDIRECT, errorContextData: hex("01020304") }
    ])
    assert(Result.isFailure(Codec.decode("contexts", ErrorResponse.errorContexts(3))(bytes)))
    assert(Result.isFailure(Codec.decode("contexts", ErrorResponse.errorContexts(255))(bytes)))
  })

  it("read and write a Share Redirect Error Context", () => {
    both(
      ErrorResponse.ShareRedirectErrorContextResponse,
      hex(`30000000 03000000 30000000 04000000 0000 0000 01000000
        01000000 00000000 0a000001 000000000000000000000000 ${utf16("sh")}`),
      { ipAddrMoveList: [{ type: 1, ipAddress: hex("0a000001 000000000000000000000000") }], resourceName: "sh" }
    )
  })

  it("read the size that smbd gives for a security descriptor", () => {
    const body = hex("0900 00 00 04000000 14000000")
    const response = Result.getOrThrow(Message.decodeResponse(0x10, 0xc000_0023, packet(body), 64))
    assert(response._tag === "ERROR")
    assert.deepStrictEqual(
      Codec.decode("length", ErrorResponse.requiredBufferLength)(response.body.errorData),
      Result.succeed(20)
    )
  })
})

describe("the codecs of headers", () => {
  it("read and write smbd's transform header", () => {
    both(
      TransformHeader,
      hex(`fd534d42 7fde44e1d7bc9cdaddf82fa77e1861ed 0100000000000000087d54da00000000
        6c000000 0000 0100 8a69771300000000`),
      {
        signature: hex("7fde44e1d7bc9cdaddf82fa77e1861ed"),
        nonce: hex("0100000000000000087d54da00000000"),
        originalMessageSize: 108,
        flags: 1,
        sessionId: 0x1377698an
      }
    )
  })

  it("read and write a sync or async header by its flag", () => {
    const start = "fe534d42 4000 0100 03010000 0f00 0100"
    const rest = "00000000 0700000000000000 0100000000000000 8a69771300000000 00000000000000000000000000000000"
    const common = {
      creditCharge: 1,
      status: 0x103,
      command: 0x0f,
      credits: 1,
      nextCommand: 0,
      messageId: 7n,
      sessionId: 0x1377698an,
      signature: new Uint8Array(16)
    }
    both(HeaderDefinition, hex(`${start} 03000000 ${rest}`), {
      _tag: "AsyncHeader",
      ...common,
      flags: 3,
      asyncId: 1n
    })
    both(HeaderDefinition, hex(`${start} 01000000 ${rest}`), {
      _tag: "SyncHeader",
      ...common,
      flags: 1,
      reserved: 1,
      treeId: 0
    })
  })

  // MS-SMB2 2.2.42, field by field.
  it("read and write unchained and chained compression headers, and refuse wrong sizes", () => {
    both(CompressionTransform, hex("fc534d42 00100000 0200 0000 04000000 aabbccdd 0102"), {
      _tag: "Unchained",
      originalCompressedSegmentSize: 4096,
      compressionAlgorithm: 2,
      uncompressed: hex("aabbccdd"),
      compressed: hex("0102")
    })
    both(
      CompressionTransform,
      hex(`fc534d42 00100000
        0000 0100 02000000 aabb
        0300 0000 06000000 00020000 0102
        0400 0000 08000000 2a 00 0000 00010000`),
      {
        _tag: "Chained",
        originalCompressedSegmentSize: 4096,
        payloads: [
          { _tag: "None", data: hex("aabb") },
          { _tag: "Compressed", compressionAlgorithm: 3, originalPayloadSize: 512, data: hex("0102") },
          { _tag: "PatternV1", pattern: 0x2a, repetitions: 256 }
        ]
      }
    )
    for (const lie of ["fc534d42 00100000 0200 0000 ffffffff aa", "fc534d42 00100000 0200 0100 ffffffff aa"]) {
      assert(Result.isFailure(Codec.decode("c", CompressionTransform)(hex(lie))))
    }
  })
})

describe("the codecs of messages", () => {
  it("give the payload of READ and WRITE without a copy", () => {
    const read = packet(hex("1100 50 00 03000000 00000000 00000000 aabbcc"))
    const response = Read.Response.read(new Reader(read, 64))
    assert.strictEqual(response.buffer.buffer, read.buffer)
    assert.strictEqual(response.buffer.byteOffset, read.byteOffset + 80)
    assert.deepStrictEqual(response.buffer.slice(), hex("aabbcc"))

    const fileId = { persistent: 1n, volatile: 2n }
    const request = {
      offset: 0n,
      fileId,
      channel: 0,
      remainingBytes: 0,
      flags: 0,
      writeChannelInfo: new Uint8Array(),
      buffer: hex("aabbcc")
    }
    const write = packet(Codec.encode(Write.Request)(request))
    assert.strictEqual(Write.Request.read(new Reader(write, 64)).buffer.buffer, write.buffer)
    // An empty WRITE still has its offset, and the byte that StructureSize counts.
    const empty = Codec.encode(Write.Request)({ ...request, buffer: new Uint8Array() })
    assert.deepStrictEqual([empty[2], empty.length], [0x70, 49])
  })

  // MS-SMB2 2.2.9.1: the offset of the path counts from the header, the offset of the contexts from the request.
  it("read and write the TREE_CONNECT request extension", () => {
    const path = "\\\\a\\b"
    const body = hex(`0900 0400 ${u16(64 + 24)} ${u16(2 * path.length)}
      28000000 0100 00000000000000000000 ${utf16(path)} 000000000000
      0700 0200 00000000 abcd`)
    const value = {
      flags: 4,
      path,
      treeConnectContexts: [{ _tag: "Unknown" as const, contextType: 7, data: hex("abcd") }]
    }
    assert.deepStrictEqual(Codec.encode(TreeConnect.Request)(value), body)
    const read = TreeConnect.Request.read(new Reader(packet(body), 64))
    assert.deepStrictEqual([read.path, read.treeConnectContexts.length], [path, 1])
    assert.strictEqual(read.treeConnectContexts[0]!._tag, "Unknown")
  })

  it("keep unknown create contexts", () => {
    const request: Create.Request = {
      requestedOplockLevel: 0,
      impersonationLevel: 2,
      desiredAccess: 0x80,
      fileAttributes: 0,
      shareAccess: 7,
      createDisposition: 1,
      createOptions: 0,
      name: "",
      createContexts: [
        { _tag: "Unknown", name: hex("4141504c"), data: hex("0102") },
        { _tag: "QueryMaximalAccessRequest", timestamp: undefined },
        { _tag: "AppInstanceVersion", appInstanceVersionHigh: 1n, appInstanceVersionLow: 2n }
      ]
    }
    const body = Codec.encode(Create.Request)(request)
    // An empty name has an offset, and the contexts begin there.
    assert.deepStrictEqual(body.slice(44, 56), hex("7800 0000 78000000 70000000"))
    assert.deepStrictEqual(
      body.slice(56),
      hex(`20000000 1000 0400 0000 1800 02000000 4141504c 00000000 0102 000000000000
        18000000 1000 0400 0000 0000 00000000 4d784163 00000000
        00000000 1000 1000 0000 2000 18000000 b982d0b73b56074fa07b524a8116a010
        1800 0000 00000000 0100000000000000 0200000000000000`)
    )
    const read = Create.Request.read(new Reader(body, 0))
    assert.deepStrictEqual(
      read.createContexts.map((context) => context._tag),
      request.createContexts.map((c) => c._tag)
    )
  })

  it.each([
    [0x01, 0xc000_0016, "SESSION_SETUP"],
    [0x01, 0xc000_006d, "ERROR"],
    [0x10, 0x8000_0005, "QUERY_INFO"],
    [0x10, 0xc000_0022, "ERROR"],
    [0x0e, 0x8000_0006, "ERROR"],
    [0x0f, 0x0000_0103, "ERROR"],
    [0x0f, 0x0000_010c, "CHANGE_NOTIFY"]
  ])("take nine bytes of command %i with status %i for %s", (command, status, tag) => {
    const body = hex("0900 0000 00000000 00")
    assert.strictEqual(Result.getOrThrow(Message.decodeResponse(command, status, packet(body), 64))._tag, tag)
  })

  it("do not read outside their part of a compound", () => {
    const body = hex("1100 50 00 08000000 00000000 00000000 0102030405060708")
    assert(Result.isSuccess(Message.decodeResponse(8, 0, packet(body), 64)))
    assert(Result.isFailure(Message.decodeResponse(8, 0, packet(body), 64, 64 + 20)))
    assert(Result.isFailure(Message.decodeResponse(8, 0, packet(body), 64, 500)))
    assert(Result.isFailure(Message.decodeResponse(8, 0, packet(body), 64, 10)))
    assert(Result.isFailure(Message.decodeRequest(19, packet(body), 64)))
  })
})

describe("random bytes of a structure", () => {
  const structures: Record<string, Codec.Codec<any>> = {
    ValidateNegotiateInfoRequest: Fsctl.ValidateNegotiateInfoRequest,
    SrvRequestResumeKey: Fsctl.SrvRequestResumeKey,
    SrvCopychunkCopy: Fsctl.SrvCopychunkCopy,
    SrvSnapshotArray: Fsctl.SrvSnapshotArray,
    SrvHashRetrieveHashBased: Fsctl.SrvHashRetrieveHashBased,
    PipeWaitRequest: Fsctl.PipeWaitRequest,
    NetworkInterfaceInfos: Fsctl.NetworkInterfaceInfos,
    FileAllocatedRangeBuffers: Fsctl.FileAllocatedRangeBuffers,
    FileNotifyInformations: ChangeNotify.FileNotifyInformations,
    QueryQuotaInfo: QueryInfo.QueryQuotaInfo,
    RequestContexts: CreateContext.Requests,
    ResponseContexts: CreateContext.Responses,
    NegotiateContext: Negotiate.NegotiateContext,
    SymbolicLinkErrorResponse: ErrorResponse.SymbolicLinkErrorResponse,
    ShareRedirectErrorContextResponse: ErrorResponse.ShareRedirectErrorContextResponse,
    ErrorContexts: ErrorResponse.errorContexts(3),
    CompressionTransform,
    TransformHeader,
    HeaderDefinition
  }

  it.each(Object.keys(structures))("are a value or Malformed: %s", (name) => {
    let seed = 0x9e3779b9
    const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8
    for (let round = 0; round < 500; round++) {
      // Mostly small numbers, so that lengths, offsets and counts are often right.
      const bytes = Uint8Array.from({ length: random() % 200 }, () => [0, 0, random() % 40, random()][random() % 4]!)
      const result = Codec.decode(name, structures[name]!)(bytes)
      if (Result.isFailure(result)) assert.strictEqual(result.failure._tag, "Malformed")
    }
  })
})
