/**
 * What an error says and means: the messages of statuses that alone would name the wrong cause, which failures mean that a
 * path does not exist, and which ones that the account is refused.
 */
import { assert, describe, it } from "@effect/vitest"
import * as NtStatuses from "../../src/Codec/NtStatus.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as ConnectionErrors from "../../src/Protocol/ConnectionErrors.ts"
import * as Errors from "../../src/Protocol/Errors.ts"
import { fromStatus, SmbError, TransportError, withDetail } from "../../src/Protocol/Errors.ts"

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

it("an ArgumentError has its path in front if it has one, and says what to give", () => {
  const wrong = { argument: "offset", value: "-1", expected: "a whole number from 0 on" }
  const text = "offset cannot be -1: give a whole number from 0 on"
  assert.strictEqual(new Errors.ArgumentError(wrong).message, text)
  assert.strictEqual(
    new Errors.ArgumentError({ ...wrong, path: "\\\\nas\\data\\f" }).message,
    `\\\\nas\\data\\f: ${text}`
  )
})

describe("an SmbError", () => {
  it("has the path, the meaning, the status, the command and the detail in its message, and no path if it has none", () => {
    const error = fromStatus(NtStatus.STATUS_SHARING_VIOLATION, "CREATE", "\\\\nas\\data\\f")
    assert.match(error.message, /^\\\\nas\\data\\f: [A-Z].*\. \(STATUS_SHARING_VIOLATION to CREATE\)$/)
    assert.deepInclude(error, { status: 0xc000_0043, statusName: "STATUS_SHARING_VIOLATION" })
    const bare = fromStatus(NtStatus.STATUS_SHARING_VIOLATION, "CREATE")
    assert.notProperty(bare, "path")
    assert.match(bare.message, /^[A-Z]/)
    const again = new SmbError({
      ...fromStatus(NtStatus.STATUS_LOGON_FAILURE, "SESSION_SETUP", "\\\\nas"),
      notTriedAgain: true
    })
    assert.match(again.message, /^\\\\nas: not tried again with the same password: [A-Z]/)
    assert.notMatch(new SmbError({ ...again, notTriedAgain: false }).message, /not tried again/)
  })

  it("names the target of a symbolic link that could not be followed, if the server has described the link", () => {
    const link = { path: "a\\b", unparsed: 2, target: "..\\c", relative: true }
    const error = fromStatus(NtStatus.STATUS_STOPPED_ON_SYMLINK, "CREATE", "p", link)
    assert.deepStrictEqual(error.reason, { _tag: "StoppedOnSymlink", status: 0x8000_002d, symbolicLink: link })
    assert.match(error.message, /^p: The path leads through a symbolic link to \.\.\\c, which could not be followed\./)
    const bare = fromStatus(NtStatus.STATUS_STOPPED_ON_SYMLINK, "CREATE", "p")
    assert.notProperty(bare.reason, "symbolicLink")
    assert.notMatch(bare.message, /leads through a symbolic link to/)
  })

  it("has a reason that is the name of its status, and cannot be made with another", () => {
    assert.deepStrictEqual(fromStatus(0xc000_0034, "CREATE").reason, {
      _tag: "ObjectNameNotFound",
      status: 0xc000_0034
    })
    assert.deepStrictEqual(fromStatus(0xdead_beef, "CREATE").reason, { _tag: "Unknown", status: 0xdead_beef })
    assert.throws(() => new SmbError({ reason: { _tag: "DiskFull", status: 0xc000_0034 }, command: "CREATE" }))
  })

  it("withDetail adds a detail and a reason, each alone too, and without both gives the same error", () => {
    const error = fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", "p")
    assert.strictEqual(withDetail(error, undefined), error)
    const detailed = withDetail(error, "more")
    assert.deepStrictEqual([detailed.detail, "because" in detailed], ["more", false])
    const because = withDetail(error, undefined, "It is read-only.")
    assert.deepStrictEqual(["detail" in because, because.because], [false, "It is read-only."])
  })
})

describe("a status means about a path", () => {
  const statuses = [
    "STATUS_OBJECT_NAME_NOT_FOUND",
    "STATUS_OBJECT_PATH_NOT_FOUND",
    "STATUS_NO_SUCH_FILE",
    "STATUS_DELETE_PENDING",
    "STATUS_ACCESS_DENIED",
    "STATUS_OBJECT_NAME_COLLISION"
  ] as const
  const commands = ["CREATE", "DELETE", "DELETE_DIRECTORY", "SET_INFO", "IOCTL", "READ", "TREE_CONNECT"] as const
  /** The commands whose request has the path itself (MS-SMB2 2.2.13, MS-CIFS 2.2.4.2 and 2.2.4.7). */
  const byPath: ReadonlyArray<string> = ["CREATE", "DELETE", "DELETE_DIRECTORY"]

  it.each(statuses.flatMap((status) => commands.map((command) => [status, command] as const)))(
    "%s to %s: that it does not exist, is about to go, or nothing",
    (status, command) => {
      const error = fromStatus(NtStatus[status], command)
      const isName = /NOT_FOUND|NO_SUCH/.test(status)
      const isPending = status === "STATUS_DELETE_PENDING"
      const isByPath = byPath.includes(command)
      assert.deepStrictEqual(
        [Errors.isMissing(error), Errors.isNotFound(error), Errors.isGone(error), Errors.perhapsGone(error)],
        [isName && isByPath, isName, (isName || isPending) && isByPath, (isName || isPending) && !isByPath]
      )
    }
  )
})

it("a logon is refused because of the account by these statuses alone, and only in SESSION_SETUP", () => {
  const ofAccount = [
    "STATUS_LOGON_FAILURE",
    "STATUS_WRONG_PASSWORD",
    "STATUS_NO_SUCH_USER",
    "STATUS_ACCOUNT_RESTRICTION",
    "STATUS_INVALID_LOGON_HOURS",
    "STATUS_INVALID_WORKSTATION",
    "STATUS_PASSWORD_EXPIRED",
    "STATUS_PASSWORD_MUST_CHANGE",
    "STATUS_ACCOUNT_DISABLED",
    "STATUS_ACCOUNT_EXPIRED",
    "STATUS_ACCOUNT_LOCKED_OUT"
  ]
  for (const name of Object.keys(NtStatuses.NtStatus) as ReadonlyArray<NtStatuses.Name>) {
    for (const command of ["SESSION_SETUP", "TREE_CONNECT"]) {
      assert.strictEqual(
        Errors.refusesAccount(fromStatus(NtStatus[name], command)),
        command === "SESSION_SETUP" && ofAccount.includes(name),
        name
      )
    }
  }
})

describe("a TransportError", () => {
  const make = (tag: Errors.TransportReason["_tag"], more: { sent?: boolean; detail?: string } = {}) =>
    new TransportError({ reason: { _tag: tag }, server: "nas", port: 4455, ...more })

  it.each(
    [
      ["ConnectionRefused", /^nas:4455 refused the connection: .*\? \(why\)$/],
      ["HostUnreachable", /^nas:4455 cannot be reached: .* \(why\)$/],
      ["HostNotFound", /^no address is known for nas: .* \(why\)$/],
      ["TimedOut", /^nas:4455 did not answer in time \(why\): check the address/],
      ["ConnectionClosed", /^nas:4455 closed the connection \(why\)$/],
      ["ConnectionFailed", /^the connection to nas:4455 failed \(why\)$/]
    ] as const
  )("%s says what happened to which server, and the detail", (tag, words) => {
    assert.match(make(tag, { detail: "why" }).message, words)
    assert.notInclude(make(tag).message, "undefined")
  })

  it("advises to try again after a closed connection without a reason, or with an unknown effect", () => {
    assert.match(make("ConnectionClosed").message, /closed the connection: try again/)
    assert.match(make("ConnectionClosed", { detail: "why", sent: true }).message, /may have had its effect: try again/)
    assert.notMatch(make("ConnectionClosed", { sent: false }).message, /may have had its effect/)
  })

  it("after sending says so once, and keeps all else; other errors stay unchanged", () => {
    const error = make("TimedOut", { detail: "why" })
    const after = Errors.afterSending(error) as TransportError
    assert.deepInclude(after, { reason: error.reason, server: "nas", port: 4455, detail: "why", sent: true })
    assert.strictEqual(Errors.afterSending(after), after)
    assert.notProperty(Errors.afterSending(make("TimedOut")), "detail")
    const refused = fromStatus(NtStatus.STATUS_ACCESS_DENIED, "WRITE")
    assert.strictEqual(Errors.afterSending(refused), refused)
  })
})

describe("the error of a connection", () => {
  const peer = { server: "nas", port: 4455, maximumFrame: 100 }

  it.each(
    [
      ["PacketTooLarge", ConnectionErrors.frameError(peer, "length", 101), /101 bytes is beyond the limit of 100/],
      [
        "NotSmb",
        ConnectionErrors.frameError(peer, "type", 72),
        /port 4455 does not speak SMB \(the first byte is 72\)\. /
      ],
      ["NotSmb", ConnectionErrors.notSmb(peer, "SMB 1"), /port 4455 does not speak SMB 1\. Check the host/],
      ["UnexpectedResponse", ConnectionErrors.notAResponse(peer), /a request instead of a response/],
      ["UnexpectedResponse", ConnectionErrors.otherCommand(peer, "READ", "WRITE"), /to WRITE for a request of READ/]
    ] as const
  )("%s has its server and its reason: %#", (tag, error, words) => {
    assert.deepStrictEqual([error.reason._tag, error.server], [tag, "nas"])
    assert.match(error.message, words)
  })

  it("names the time of a silent server", () => {
    const error = ConnectionErrors.silent(peer, 30_000)
    assert.deepInclude(error, { server: "nas", port: 4455, detail: "no response for 30000 ms" })
    assert.deepStrictEqual(error.reason, { _tag: "TimedOut" })
  })
})
