/** Which failure in a tree concerns one entry, so that the others are still copied or removed. */
import { assert, describe, it } from "@effect/vitest"
import { concernsOne, LocalError } from "../../src/Cli/Failure.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, TransportError } from "../../src/Protocol/Errors.ts"

describe("a failure", () => {
  it.each(
    [
      ["of a server about one file", fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", "f"), true],
      ["of one local file", new LocalError({ path: "f", detail: "is a directory" }), true],
      ["of a full local disk", new LocalError({ path: "f", detail: "no space is left", full: true }), false],
      ["of a full disk on the server", fromStatus(NtStatus.STATUS_DISK_FULL, "WRITE", "f"), false],
      ["of a quota on the server", fromStatus(NtStatus.STATUS_QUOTA_EXCEEDED, "WRITE", "f"), false],
      [
        "of the connection",
        new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445 }),
        false
      ],
      ["that is unknown", { _tag: "Unknown" }, false]
    ] as const
  )("%s concerns one entry: %#", (_, error, expected) => {
    assert.strictEqual(concernsOne(error), expected)
  })
})
