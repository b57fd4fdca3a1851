/** What `isNotFound`, `isTransient` and `isPermission` say about every error of the client with each of its reasons. */
import { assert, describe, it } from "@effect/vitest"
import { isNotFound, isPermission, isTransient } from "effect-smb"
import { AuthenticationError, AuthenticationReason } from "../../src/Auth/AuthenticationError.ts"
import type { ClientError } from "../../src/Client/ClientError.ts"
import { FileShortened } from "../../src/Client/FileShortened.ts"
import { FileTooLarge } from "../../src/Client/FileTooLarge.ts"
import { RemovalError, RemovalIncomplete, RootOrLink } from "../../src/Client/RemovalError.ts"
import * as UncPath from "../../src/Client/UncPath.ts"
import { Malformed } from "../../src/Codec/Malformed.ts"
import * as NtStatus from "../../src/Codec/NtStatus.ts"
import * as Dfs from "../../src/Protocol/DfsError.ts"
import {
  fromStatus,
  ProtocolError,
  ProtocolReason,
  refusesAccount,
  TransportError,
  TransportReason
} from "../../src/Protocol/Errors.ts"

const path = "\\\\nas\\data\\f"
const place = { server: "nas", path }
const state = { size: 1n, lastWriteTime: 1n }
const targets = [{ target: "\\\\a\\data", reason: "down" }]

const status = (name: NtStatus.Name, command = "CREATE") => fromStatus(NtStatus.NtStatus[name], command, path)
const transport = (reason: TransportReason) => new TransportError({ reason, server: "nas", port: 445 })
const dfs = (reason: Dfs.DfsReason) => new Dfs.DfsError({ reason })
const removal = (...errors: ReadonlyArray<ClientError>) =>
  new RemovalError({
    reason: new RemovalIncomplete({
      path,
      removed: 1,
      failed: errors.length,
      failures: errors.map((error) => ({ path, error })),
      ended: false
    })
  })

/** The predicates that are true, as one word each. */
const say = (error: unknown): string =>
  [isNotFound(error) && "not found", isTransient(error) && "transient", isPermission(error) && "permission"]
    .filter((word) => word !== false).join(", ")

/** The names for which `word` is said. All others of the table have to be silent, or say another word. */
const saying = (word: string, errors: Readonly<Record<string, unknown>>): ReadonlyArray<string> =>
  Object.entries(errors).filter(([, error]) => say(error) === word).map(([name]) => name).toSorted()

const statuses = Object.fromEntries(
  (Object.keys(NtStatus.NtStatus) as ReadonlyArray<NtStatus.Name>).map((name) => [name, status(name)])
)

describe("a status", () => {
  it("says at most one thing", () => {
    for (const [name, error] of Object.entries(statuses)) assert.notInclude(say(error), ",", name)
  })

  it("is not found for a path and a share", () => {
    assert.deepStrictEqual(saying("not found", statuses), [
      "STATUS_BAD_NETWORK_NAME",
      "STATUS_BAD_NETWORK_PATH",
      "STATUS_FILE_DELETED",
      "STATUS_NOT_FOUND",
      "STATUS_NO_SUCH_FILE",
      "STATUS_OBJECT_NAME_NOT_FOUND",
      "STATUS_OBJECT_PATH_NOT_FOUND"
    ])
    assert.isTrue(isNotFound(status("STATUS_OBJECT_NAME_NOT_FOUND", "TREE_CONNECT")))
    // The server does not find what the logon needs.
    assert.isFalse(isNotFound(status("STATUS_OBJECT_NAME_NOT_FOUND", "SESSION_SETUP")))
    assert.isFalse(isNotFound(status("STATUS_NO_SUCH_FILE", "NEGOTIATE")))
  })

  it("is permission for rights, read-only files and accounts", () => {
    assert.deepStrictEqual(saying("permission", statuses), [
      "STATUS_ACCESS_DENIED",
      "STATUS_ACCOUNT_DISABLED",
      "STATUS_ACCOUNT_EXPIRED",
      "STATUS_ACCOUNT_LOCKED_OUT",
      "STATUS_ACCOUNT_RESTRICTION",
      "STATUS_AUTHENTICATION_FIREWALL_FAILED",
      "STATUS_CANNOT_DELETE",
      "STATUS_ELEVATION_REQUIRED",
      "STATUS_FILE_ENCRYPTED",
      "STATUS_INVALID_LOGON_HOURS",
      "STATUS_INVALID_OWNER",
      "STATUS_INVALID_WORKSTATION",
      "STATUS_LOGON_FAILURE",
      "STATUS_LOGON_NOT_GRANTED",
      "STATUS_LOGON_TYPE_NOT_GRANTED",
      "STATUS_MEDIA_WRITE_PROTECTED",
      "STATUS_NETWORK_ACCESS_DENIED",
      "STATUS_NO_SUCH_USER",
      "STATUS_PASSWORD_EXPIRED",
      "STATUS_PASSWORD_MUST_CHANGE",
      "STATUS_PRIVILEGE_NOT_HELD",
      "STATUS_WRONG_PASSWORD"
    ])
  })

  it("of every account that a server refuses is permission, and never transient", () => {
    const refused = (Object.keys(NtStatus.NtStatus) as ReadonlyArray<NtStatus.Name>)
      .map((name) => status(name, "SESSION_SETUP")).filter(refusesAccount)
    assert.isAbove(refused.length, 8)
    for (const error of refused) assert.strictEqual(say(error), "permission", error.statusName)
  })

  it("is transient for what passes by itself", () => {
    assert.deepStrictEqual(saying("transient", statuses), [
      "STATUS_CONNECTION_ABORTED",
      "STATUS_CONNECTION_COUNT_LIMIT",
      "STATUS_CONNECTION_DISCONNECTED",
      "STATUS_CONNECTION_RESET",
      "STATUS_DELETE_PENDING",
      "STATUS_DEVICE_BUSY",
      "STATUS_DOMAIN_CONTROLLER_NOT_FOUND",
      "STATUS_FILE_LOCK_CONFLICT",
      "STATUS_FILE_NOT_AVAILABLE",
      "STATUS_INSTANCE_NOT_AVAILABLE",
      "STATUS_INSUFFICIENT_RESOURCES",
      "STATUS_INSUFF_SERVER_RESOURCES",
      "STATUS_IO_TIMEOUT",
      "STATUS_LOCK_NOT_GRANTED",
      "STATUS_NETLOGON_NOT_STARTED",
      "STATUS_NETWORK_BUSY",
      "STATUS_NETWORK_NAME_DELETED",
      "STATUS_NETWORK_SESSION_EXPIRED",
      "STATUS_NO_LOGON_SERVERS",
      "STATUS_NO_MEMORY",
      "STATUS_PIPE_BUSY",
      "STATUS_PIPE_NOT_AVAILABLE",
      "STATUS_REDIRECTOR_PAUSED",
      "STATUS_REMOTE_DISCONNECT",
      "STATUS_REMOTE_SESSION_LIMIT",
      "STATUS_REQUEST_NOT_ACCEPTED",
      "STATUS_RETRY",
      "STATUS_SERVER_UNAVAILABLE",
      "STATUS_SHARE_UNAVAILABLE",
      "STATUS_SHARING_PAUSED",
      "STATUS_SHARING_VIOLATION",
      "STATUS_TIMEOUT",
      "STATUS_TOO_MANY_OPENED_FILES",
      "STATUS_TOO_MANY_SESSIONS",
      "STATUS_UNEXPECTED_NETWORK_ERROR",
      "STATUS_USER_SESSION_DELETED",
      "STATUS_VIRTUAL_CIRCUIT_CLOSED"
    ])
    // A server that has none of the offered dialects answers so.
    assert.isFalse(isTransient(status("STATUS_INSUFFICIENT_RESOURCES", "NEGOTIATE")))
  })

  it("whose explanation says to try again later is transient", () => {
    const later = (Object.keys(NtStatus.NtStatus) as ReadonlyArray<NtStatus.Name>)
      .filter((name) => /[Tt]ry again (?:later|once)/.test(NtStatus.explanation(NtStatus.NtStatus[name])))
    assert.isAbove(later.length, 10)
    assert.deepStrictEqual(later.filter((name) => !isTransient(statuses[name])), [])
  })
})

describe("the reason of", () => {
  it.each(Object.values(TransportReason.cases))("a TransportError is transient: %#", (reason) => {
    assert.strictEqual(say(transport(reason.make({}))), "transient")
  })

  it.each(Object.values(ProtocolReason.cases))("a ProtocolError says nothing: %#", (reason) => {
    assert.strictEqual(say(new ProtocolError({ reason: reason.make({}), server: "nas", detail: "why" })), "")
  })

  it("an AuthenticationError is permission if the account is at fault", () => {
    const errors = Object.fromEntries(
      Object.entries(AuthenticationReason.cases).map(([tag, reason]) => [
        tag,
        new AuthenticationError({ reason: reason.make({}), detail: "why" })
      ])
    )
    assert.deepStrictEqual(saying("permission", errors), ["InvalidCredential", "LogonRejected", "NoCredential"])
    assert.lengthOf(saying("", errors), Object.keys(errors).length - 3)
  })

  it("a DfsError is the failure behind it", () => {
    const down = transport({ _tag: "ConnectionRefused" })
    const denied = status("STATUS_ACCESS_DENIED")
    for (
      const [error, words] of [
        [new Dfs.NamespaceNotFound({ ...place, status: 1 }), "not found"],
        [new Dfs.ReferralRefused({ ...place, status: 1 }), ""],
        [new Dfs.ReferralUnavailable({ ...place, detail: "d" }), ""],
        [new Dfs.ReferralUnavailable({ ...place, detail: "d", cause: denied }), "permission"],
        [new Dfs.NoTargetLeft({ path, targets }), ""],
        [new Dfs.NoTargetLeft({ path, targets, cause: down }), "transient"],
        [new Dfs.NoTargetLeft({ path, targets, cause: status("STATUS_BAD_NETWORK_NAME") }), "not found"],
        [new Dfs.NoDomainController({ path, domain: "corp", targets: [] }), ""],
        [new Dfs.NoDomainController({ path, domain: "corp", targets, cause: down }), "transient"],
        [new Dfs.DfsLoop({ ...place, visited: [] }), ""],
        [new Dfs.TargetDiffers({ ...place, from: "a", to: "b", offset: 1n, expected: state, found: state }), ""],
        [
          new Dfs.TargetDiffers({
            ...place,
            from: "a",
            to: "b",
            offset: 1n,
            expected: state,
            found: state,
            cause: down
          }),
          ""
        ]
      ] as const
    ) {
      assert.strictEqual(say(dfs(error)), words, error._tag)
    }
  })

  it("a RemovalError is that of all its failures", () => {
    const busy = status("STATUS_SHARING_VIOLATION")
    const denied = status("STATUS_ACCESS_DENIED")
    assert.strictEqual(say(new RemovalError({ reason: new RootOrLink({ path, kind: "share" }) })), "")
    assert.strictEqual(say(removal()), "")
    assert.strictEqual(say(removal(busy, transport({ _tag: "ConnectionClosed" }))), "transient")
    assert.strictEqual(say(removal(denied, denied)), "permission")
    assert.strictEqual(say(removal(busy, denied)), "")
    assert.strictEqual(say(removal(removal(busy))), "transient")
  })
})

describe("anything else", () => {
  it.each([
    UncPath.invalid("x", "no"),
    UncPath.acrossShares("x", "no"),
    new FileShortened({ path, expected: 2n, found: 1n }),
    new FileTooLarge({ path, size: 2n, maximum: 1 }),
    new Malformed({ structure: "S", offset: 1, expected: "x" }),
    new Dfs.Overflow({ ...place, size: 1 }),
    new Dfs.Unsupported({ what: "x" }),
    new Dfs.NotDfsCapable(place),
    fromStatus(0xc0ff_ee00, "READ"),
    new Error("x"),
    { _tag: "SmbError" },
    { _tag: "SmbError", reason: null },
    { _tag: "toString", reason: { _tag: "x" } },
    { _tag: 1 },
    "SmbError",
    null,
    undefined
  ])("says nothing: %#", (error) => {
    assert.strictEqual(say(error), "")
  })
})
