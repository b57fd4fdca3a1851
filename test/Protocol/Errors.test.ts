/** What an error says to a person where the status alone would accuse the wrong thing. */
import { assert, it } from "@effect/vitest"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, TransportError, withDetail } from "../../src/Protocol/Errors.ts"

it.each(
  [
    ["STATUS_OBJECT_PATH_NOT_FOUND", "TREE_CONNECT", "no share of this name"],
    ["STATUS_OBJECT_NAME_NOT_FOUND", "TREE_CONNECT", "no share of this name"],
    ["STATUS_NO_SUCH_FILE", "TREE_CONNECT", "no share of this name"],
    ["STATUS_OBJECT_PATH_NOT_FOUND", "CREATE", "A directory on the way"],
    ["STATUS_INSUFFICIENT_RESOURCES", "NEGOTIATE", "none of the dialects"],
    ["STATUS_NOT_SUPPORTED", "NEGOTIATE", "none of the dialects"],
    ["STATUS_INSUFFICIENT_RESOURCES", "CREATE", "lacks resources"]
  ] as const
)("%s to %s is told as: %s", (status, command, words) => {
  const { message } = fromStatus(
    NtStatus[status],
    command,
    command === "CREATE" ? "\\\\nas\\data\\a\\b" : "\\\\nas\\data"
  )
  assert.include(message, words)
  assert.include(message, `(${status} to ${command})`)
})

it("an IPv6 address stands in brackets before its port, and a wait that was too short names its option", () => {
  assert.match(
    new TransportError({ reason: { _tag: "ConnectionRefused" }, server: "fe80::1%eth0", port: 445 }).message,
    /^\[fe80::1%eth0\]:445 /
  )
  const late = new TransportError({ reason: { _tag: "TimedOut", pending: true }, server: "nas", port: 445 })
  assert.match(late.message, /^nas:445 .*`pendingTimeout`/)
})

it("a detail leaves the reason that was found as it is", () => {
  const error = withDetail(fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", "p"), undefined, "It is read-only.")
  assert.match(withDetail(error, "twice").message, /^p: It is read-only\. .*: twice$/)
})
