/** The table of what is repeated after a lost connection: by the operation, its failure, and what became of the open. */
import { assert, describe, it } from "@effect/vitest"
import * as Information from "../../src/Client/Information.ts"
import * as Appending from "../../src/Client/internal/Appending.ts"
import * as Repeat from "../../src/Client/internal/Repeat.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, type RequestError, TransportError } from "../../src/Protocol/Errors.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import { share } from "./scripted.ts"

const broken = new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445 })
const sent = new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445, sent: true })
const deleted = fromStatus(NtStatus.STATUS_USER_SESSION_DELETED, "WRITE")

const data = new Uint8Array(4)
const ranges = [{ offset: 0n, length: 1n }]
const operations = {
  read: { _tag: "Read", offset: 0n, length: 4 },
  query: Information.queryFile("FileStandardInformation"),
  flush: { _tag: "Flush" },
  write: { _tag: "Write", offset: 4n, data },
  append: { _tag: "Write", offset: Appending.endOfFile, data },
  truncate: Information.setFile("FileEndOfFileInformation", { endOfFile: 1n }),
  times: Information.setFile("FileBasicInformation", Information.unchanged),
  remove: Information.setFile("FileDispositionInformation", { deletePending: true }),
  lock: { _tag: "Lock", ranges, exclusive: true, wait: true },
  unlock: { _tag: "Unlock", ranges },
  control: { _tag: "Ioctl", ctlCode: 0x0009_80c8, input: data, maximum: 0 }
} as const satisfies Record<string, Operation.Any>

type Name = keyof typeof operations
const names = Object.keys(operations) as ReadonlyArray<Name>

/** Which operations are repeated. */
const repeated = (error: RequestError, recovery: Repeat.Recovery, recognized = false): ReadonlyArray<Name> =>
  names.filter((name) => Repeat.mayRepeat(operations[name], error, recovery, recognized))

const harmless = ["read", "query", "flush"] as const

describe("after a lost connection", () => {
  it("a request that was sent is repeated on the reclaimed open if it has the same effect twice", () => {
    assert.deepStrictEqual(repeated(sent, "reclaimed"), [...harmless, "write", "truncate", "times"])
  })

  it("a lock is repeated on the reclaimed open only if the server recognizes it", () => {
    assert.deepStrictEqual(repeated(sent, "reclaimed", true), [
      ...harmless,
      "write",
      "truncate",
      "times",
      "lock",
      "unlock"
    ])
  })

  it("a request that was sent is repeated on a reopened file only if it reads, or writes at an offset", () => {
    assert.deepStrictEqual(repeated(sent, "reopened", true), [...harmless, "write"])
  })

  it("a request that was not sent is repeated, except for a lock, whose failure does not say so", () => {
    for (const recovery of ["reclaimed", "reopened"] as const) {
      assert.deepStrictEqual(
        repeated(broken, recovery),
        names.filter((name) => name !== "lock" && name !== "unlock")
      )
    }
  })

  it("each request is repeated that a server refused because the session was gone", () => {
    assert.deepStrictEqual(repeated(deleted, "reopened"), names)
  })
})

describe("a failure is a lost connection", () => {
  const timedOut = new TransportError({ reason: { _tag: "TimedOut" }, server: "nas", port: 445 })
  it("if the connection has ended, and not if one request got no response", () => {
    assert.isTrue(Repeat.isLoss(timedOut, share({ ended: () => "there" })))
    assert.isFalse(Repeat.isLoss(timedOut, share({ ended: () => undefined })))
    assert.isTrue(Repeat.isLoss(broken, share({ ended: () => "there" })))
  })

  it("if the server says that session or share is gone, and by no other status", () => {
    const ended = share({ ended: () => undefined })
    for (const status of ["STATUS_USER_SESSION_DELETED", "STATUS_NETWORK_NAME_DELETED"] as const) {
      assert.isTrue(Repeat.isLoss(fromStatus(NtStatus[status], "READ"), ended))
    }
    assert.isFalse(Repeat.isLoss(fromStatus(NtStatus.STATUS_FILE_CLOSED, "READ"), ended))
    assert.isFalse(Repeat.isLoss(fromStatus(NtStatus.STATUS_ACCESS_DENIED, "READ"), ended))
  })
})
