/**
 * What the failure of an operation says about the target on which it was tried (DfsAdapter.judge): whether another
 * target may do the same work, and whether the work may have had an effect. Such work is never repeated.
 */
import { assert, describe, it } from "@effect/vitest"
import { AuthenticationError, AuthenticationReason } from "../../src/Auth/AuthenticationError.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import { fromStatus, ProtocolError, TransportError, TransportReason } from "../../src/Protocol/Errors.ts"

const { judge } = DfsAdapter

it.each(["STATUS_OBJECT_NAME_NOT_FOUND", "STATUS_OBJECT_PATH_NOT_FOUND", "STATUS_NO_SUCH_FILE"] as const)(
  "judge takes %s to CREATE and SET_INFO for NotFound, to TREE_CONNECT for TargetFailed, to CLOSE for Failed",
  (status) => {
    assert.strictEqual(judge(fromStatus(NtStatus[status], "CREATE")), "NotFound")
    assert.strictEqual(judge(fromStatus(NtStatus[status], "SET_INFO")), "NotFound")
    assert.strictEqual(judge(fromStatus(NtStatus[status], "TREE_CONNECT")), "TargetFailed")
    assert.strictEqual(judge(fromStatus(NtStatus[status], "CLOSE")), "Failed")
  }
)

describe("judge takes", () => {
  it("a broken connection for the server's failure, and for Lost if the request was sent", () => {
    for (const one of Object.values(TransportReason.cases)) {
      const error = (sent?: boolean) =>
        new TransportError({ reason: one.make({}), server: "a", port: 445, ...(sent === undefined ? {} : { sent }) })
      assert.deepStrictEqual([judge(error()), judge(error(false)), judge(error(true))], [
        "ServerFailed",
        "ServerFailed",
        "Lost"
      ])
    }
  })

  it("PATH_NOT_COVERED for a link, and the end of a session or share for the target's failure", () => {
    const table = [
      ["STATUS_PATH_NOT_COVERED", "PathNotCovered"],
      ["STATUS_NETWORK_NAME_DELETED", "TargetFailed"],
      ["STATUS_USER_SESSION_DELETED", "TargetFailed"],
      ["STATUS_NETWORK_SESSION_EXPIRED", "TargetFailed"],
      ["STATUS_ACCESS_DENIED", "Failed"],
      ["STATUS_SHARING_VIOLATION", "Failed"],
      ["STATUS_DISK_FULL", "Failed"]
    ] as const
    for (const [status, verdict] of table) {
      for (const command of ["CREATE", "READ", "SET_INFO"]) {
        assert.strictEqual(judge(fromStatus(NtStatus[status], command)), verdict, `${status} to ${command}`)
      }
      // A CLOSE that counts follows a change.
      assert.strictEqual(judge(fromStatus(NtStatus[status], "CLOSE")), "Failed", status)
    }
  })

  it("a logon that is impossible at this target for the target's failure, and every other one for the operation's", () => {
    const elsewhere = new Set(["NoCredential", "NoCommonMechanism", "ServerUnknown", "ClockSkew"])
    for (const one of Object.values(AuthenticationReason.cases)) {
      const reason = one.make({})
      const error = new AuthenticationError({ reason, detail: "no" })
      assert.strictEqual(judge(error), elsewhere.has(reason._tag) ? "TargetFailed" : "Failed", reason._tag)
    }
  })

  it("any other error for the operation's own", () => {
    const attack = new ProtocolError({ reason: { _tag: "BadSignature" }, server: "a", detail: "no" })
    for (const error of [attack, { _tag: "PathError" }, new Error("mine"), "text", {}]) {
      assert.strictEqual(judge(error), "Failed")
    }
  })
})
