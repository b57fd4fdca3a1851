/**
 * Which responses a client trusts (MS-SMB2 3.2.5.1.1, 3.2.5.1.3), as a table: how the request was sent, how the response
 * came, and what it says.
 */
import { assert, describe, it } from "@effect/vitest"
import { ProtocolError } from "../../src/Protocol/Errors.ts"
import * as Header from "../../src/Smb2/Header.ts"
import { Command, HeaderFlags, SigningAlgorithm } from "../../src/Smb2/Message/Constants.ts"
import type { Pending } from "../../src/Smb2/RequestInFlight.ts"
import * as ResponseVerification from "../../src/Smb2/ResponseVerification.ts"
import * as Signing from "../../src/Smb2/Signing.ts"

const { SMB2_FLAGS_ASYNC_COMMAND, SMB2_FLAGS_SERVER_TO_REDIR, SMB2_FLAGS_SIGNED } = HeaderFlags
const [PENDING, END_OF_FILE, ACCESS_DENIED] = [0x103, 0xc000_0011, 0xc000_0022] as const

const sign = Signing.make(SigningAlgorithm.HMAC_SHA256, new Uint8Array(16).fill(1))

const responseOf = (
  status: number,
  flags: number,
  signature: "right" | "wrong" | "none",
  command: number = Command.READ
) => {
  const packet = new Uint8Array(Header.size + 9)
  const fields = {
    creditCharge: 1,
    status,
    command,
    credits: 1,
    flags: flags | SMB2_FLAGS_SERVER_TO_REDIR,
    nextCommand: 0,
    messageId: 7,
    asyncId: 0n,
    treeId: 1,
    sessionId: 5n
  }
  Header.write(Header.view(packet), 0, fields)
  if (signature !== "none") Signing.apply(sign, [packet], "server", 7, false)
  if (signature === "wrong") packet[70]! ^= 1
  return { packet, header: Header.read(Header.view(packet)) }
}

describe("a response", () => {
  it("is an interim one with STATUS_PENDING and the flag of an asynchronous command, and not with one of them", () => {
    const interim = (status: number, flags: number) => Header.isInterim(responseOf(status, flags, "none").header)
    assert.isTrue(interim(PENDING, SMB2_FLAGS_ASYNC_COMMAND))
    assert.isFalse(interim(PENDING, 0))
    assert.isFalse(interim(0, SMB2_FLAGS_ASYNC_COMMAND))
    assert.isFalse(interim(0, 0))
  })

  const security = { sessionId: 5n, sign, signsAll: true, encrypt: undefined, decrypt: undefined }
  const asynchronous = SMB2_FLAGS_ASYNC_COMMAND
  type Row = readonly [
    sent: "before the logon" | "in the clear" | "signed" | "encrypted",
    came: "in the clear" | "encrypted",
    signature: "right" | "wrong" | "none",
    status: number,
    flags: number,
    reason: "NotEncrypted" | "NotSigned" | "BadSignature" | undefined
  ]
  const rows: ReadonlyArray<Row> = [
    ["before the logon", "in the clear", "none", 0, 0, undefined],
    ["in the clear", "in the clear", "none", 0, 0, undefined],
    ["in the clear", "in the clear", "wrong", 0, 0, undefined],
    ["signed", "in the clear", "right", 0, 0, undefined],
    ["signed", "in the clear", "right", ACCESS_DENIED, 0, undefined],
    ["signed", "in the clear", "none", 0, 0, "NotSigned"],
    ["signed", "in the clear", "none", ACCESS_DENIED, 0, "NotSigned"],
    ["signed", "in the clear", "none", PENDING, 0, "NotSigned"],
    ["signed", "in the clear", "none", 0, asynchronous, "NotSigned"],
    ["signed", "in the clear", "none", PENDING, asynchronous, undefined],
    ["signed", "in the clear", "wrong", 0, 0, "BadSignature"],
    ["signed", "in the clear", "wrong", PENDING, asynchronous, "BadSignature"],
    ["signed", "encrypted", "none", 0, 0, undefined],
    ["encrypted", "encrypted", "none", 0, 0, undefined],
    ["encrypted", "in the clear", "none", 0, 0, "NotEncrypted"],
    ["encrypted", "in the clear", "right", 0, 0, "NotEncrypted"],
    ["encrypted", "in the clear", "none", PENDING, asynchronous, undefined],
    ["encrypted", "in the clear", "none", PENDING, 0, "NotEncrypted"]
  ]
  it.each(rows)("to a request that was sent %s, which came %s with the signature %s, status %i and flags %i: %s", (
    sent,
    came,
    signature,
    status,
    flags,
    reason
  ) => {
    const { header, packet } = responseOf(status, flags, signature)
    assert.strictEqual((header.flags & SMB2_FLAGS_SIGNED) !== 0, signature !== "none")
    const pending = {
      outgoing: { security: sent === "before the logon" ? undefined : security },
      encrypted: sent === "encrypted",
      signed: sent === "signed"
    } as Pending
    assert.strictEqual(ResponseVerification.failure(pending, header, [packet], came === "encrypted")?.reason, reason)
  })

  it("ends its READ alone if it is STATUS_END_OF_FILE with a wrong signature, and else the connection", () => {
    const alone = (reason: ProtocolError["reason"]["_tag"], status: number, command: number) =>
      ResponseVerification.endsReadAlone(
        responseOf(status, 0, "wrong", command).header,
        new ProtocolError({ reason: { _tag: reason } as ProtocolError["reason"], server: "nas", detail: "" } as never)
      )
    assert.isTrue(alone("BadSignature", END_OF_FILE, Command.READ))
    assert.isFalse(alone("NotSigned", END_OF_FILE, Command.READ))
    assert.isFalse(alone("NotEncrypted", END_OF_FILE, Command.READ))
    assert.isFalse(alone("BadSignature", 0, Command.READ))
    assert.isFalse(alone("BadSignature", ACCESS_DENIED, Command.READ))
    assert.isFalse(alone("BadSignature", END_OF_FILE, Command.QUERY_INFO))
  })
})
