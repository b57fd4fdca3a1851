/** The messages of errors where the status alone would name the wrong cause. */
import { assert, it } from "@effect/vitest"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, TransportError, withDetail } from "../../src/Protocol/Errors.ts"

it.each(
  [
    ["STATUS_OBJECT_PATH_NOT_FOUND", "TREE_CONNECT", "no share of this name"],
    ["STATUS_OBJECT_NAME_NOT_FOUND", "TREE_CONNECT", "no share of this name"],
    ["STATUS_NO_SUCH_FILE", "TREE_CONNECT", "no share of this name"],
    ["STATUS_OBJECT_PATH_NOT_FOUND", "CREATE", "A directory on the way"],
    ["STATUS_INSUFFICIENT_RESOURCES", "NEGOTIATE", "none of the offered dialects"],
    ["STATUS_NOT_SUPPORTED", "NEGOTIATE", "none of the offered dialects"],
    ["STATUS_INSUFFICIENT_RESOURCES", "CREATE", "lacks resources"]
  ] as const
)("the message of %s to %s contains %j", (status, command, words) => {
  const { message } = fromStatus(
    NtStatus[status],
    command,
    command === "CREATE" ? "\\\\nas\\data\\a\\b" : "\\\\nas\\data"
  )
  assert.include(message, words)
  assert.include(message, `(${status} to ${command})`)
})

it("a TransportError has an IPv6 address in brackets, and names pendingTimeout when a request stayed pending", () => {
  assert.match(
    new TransportError({ reason: { _tag: "ConnectionRefused" }, server: "fe80::1%eth0", port: 445 }).message,
    /^\[fe80::1%eth0\]:445 /
  )
  const late = new TransportError({ reason: { _tag: "TimedOut", pending: true }, server: "nas", port: 445 })
  assert.match(late.message, /^nas:445 .*`pendingTimeout`/)
})

it("withDetail keeps the explanation of an error, and replaces its detail", () => {
  const error = withDetail(fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", "p"), undefined, "It is read-only.")
  assert.match(withDetail(error, "twice").message, /^p: It is read-only\. .*: twice$/)
})
