/**
 * What a failure is for the command (docs/command.md): whether it concerns one entry of a tree, so that the others are
 * still copied or removed, and the object that `--json` writes for it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, PlatformError } from "effect"
import { CliError } from "effect/cli"
import * as Failure from "../../src/Cli/Failure.ts"
import { RemovalError, RemovalIncomplete, RootOrLink } from "../../src/Client/RemovalError.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, TransportError } from "../../src/Protocol/Errors.ts"
import { concernsOne, Incomplete } from "../../src/Transfer/Incomplete.ts"
import { fromPlatform, LocalError } from "../../src/Transfer/LocalError.ts"

/** An error of the local file system with a code of the operating system. */
const local = (code: string | undefined, tag: PlatformError.SystemErrorTag = "Unknown") =>
  PlatformError.systemError({
    _tag: tag,
    module: "FileSystem",
    method: "write",
    pathOrDescriptor: "/f",
    ...(code === undefined ? {} : { cause: Object.assign(new Error(`${code}: no luck, write '/f'`), { code }) })
  })

/** An error of the local file system at a place, with the message of its cause. */
const at = (_tag: PlatformError.SystemErrorTag, pathOrDescriptor: string | number | undefined, cause?: string) =>
  PlatformError.systemError({
    _tag,
    module: "FileSystem",
    method: "open",
    ...(pathOrDescriptor === undefined ? {} : { pathOrDescriptor }),
    ...(cause === undefined ? {} : { cause: new Error(cause) })
  })

const removal = (ended: boolean) =>
  new RemovalError({ reason: new RemovalIncomplete({ path: "p", removed: 3, failed: 2, failures: [], ended }) })
const rootOrLink = new RemovalError({ reason: new RootOrLink({ path: "p", kind: "share" }) })
const closed = new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445 })
const tagged = (_tag: string) => ({ _tag })

describe("a failure", () => {
  it.each(
    [
      ["of a server about one file", fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", "f"), true],
      ["of one local file", new LocalError({ path: "f", detail: "is a directory" }), true],
      ["of one local file, said in so many words", new LocalError({ path: "f", detail: "no", full: false }), true],
      ["of a full local disk", new LocalError({ path: "f", detail: "no space is left", full: true }), false],
      ["of the file system about one file", local("EACCES", "PermissionDenied"), true],
      ["of the file system without a reason", local(undefined), true],
      ["of a full local file system", local("ENOSPC"), false],
      ["of a local quota", local("EDQUOT"), false],
      ["of a full disk on the server", fromStatus(NtStatus.STATUS_DISK_FULL, "WRITE", "f"), false],
      ["of a quota on the server", fromStatus(NtStatus.STATUS_QUOTA_EXCEEDED, "WRITE", "f"), false],
      ["of a removal that left entries", removal(false), true],
      ["of a removal that had to stop", removal(true), false],
      ["of a removal of a whole share", rootOrLink, true],
      ["of a file that became shorter", tagged("FileShortened"), true],
      ["of a file that is too large", tagged("FileTooLarge"), true],
      ["of a path", tagged("PathError"), true],
      ["of a logon at the target of a link", tagged("AuthenticationError"), true],
      ["of a target of a link", tagged("DfsError"), true],
      ["of a server of a link without DFS", tagged("NotDfsCapable"), true],
      ["of a malformed referral of a link", tagged("Malformed"), true],
      ["of a referral that is too large", tagged("Overflow"), true],
      ["of a referral of an unknown version", tagged("Unsupported"), true],
      ["of the arguments", new Failure.UsageError({ detail: "no" }), false],
      ["of a server about one file that is in use", fromStatus(NtStatus.STATUS_SHARING_VIOLATION, "CREATE", "f"), true],
      ["of the connection", closed, false],
      ["of the protocol", tagged("ProtocolError"), false],
      ["of the output", new Failure.OutputClosed(), false],
      ["that is unknown", tagged("Unknown"), false]
    ] as const
  )("%s concerns one entry: %#", (_, error, expected) => {
    assert.strictEqual(concernsOne(error), expected)
  })
})

describe("the report on a failure", () => {
  it.each(
    [
      [
        fromStatus(NtStatus.STATUS_DISK_FULL, "WRITE", "f"),
        1,
        { error: "SmbError", reason: "DiskFull", status: "STATUS_DISK_FULL" }
      ],
      [closed, 1, { error: "TransportError", reason: "ConnectionClosed" }],
      [new Failure.UsageError({ detail: "no" }), 2, { error: "UsageError" }],
      [rootOrLink, 2, { error: "RemovalError", reason: "RootOrLink" }],
      [removal(false), 1, { error: "RemovalError", reason: "RemovalIncomplete", removed: 3, failed: 2 }],
      [new LocalError({ path: "f", detail: "no" }), 1, { error: "LocalError" }],
      [new Incomplete({ failures: 2, what: "copied" }), 1, { error: "Incomplete" }],
      [local("ENOSPC"), 1, { error: "PlatformError", reason: "Unknown" }],
      [new Error("x"), 1, { error: "Defect" }]
    ] as const
  )("has the exit code and the object of the documentation: %#", (error, code, object) => {
    const { message, ...report } = Failure.report(error)
    assert.isDefined(message)
    assert.deepStrictEqual(report, { code, json: { ...object, message } })
  })

  it.each([
    [new LocalError({ path: "/f", detail: "is a directory" }), "/f: is a directory"],
    [new Incomplete({ failures: 1, what: "copied" }), "1 entry could not be copied"],
    [new Incomplete({ failures: 0, what: "listed" }), "0 entries could not be listed"],
    [new Incomplete({ failures: 2, what: "removed" }), "2 entries could not be removed"],
    [local("EROFS"), "/f: no luck"],
    [local("EEXIST", "AlreadyExists"), "/f: already exists"],
    [local("EACCES", "PermissionDenied"), "/f: permission denied"],
    [local("ENOENT", "NotFound"), "/f: there is no such file or directory"],
    ["a text", "this should not happen: a text"],
    [undefined, "this should not happen: undefined"],
    [new Error("broken"), "this should not happen: Error: broken"],
    [tagged("Odd"), "[object Object]"],
    [{ _tag: "Odd", message: 7, toString: (): string => "seven" }, "seven"],
    [
      at("NotFound", "/no\ufffdname"),
      "/no\ufffdname: the name is not in UTF-8, and cannot be opened by it: rename it " +
      "(convmv can, from ISO 8859-1 for example)"
    ],
    // An open file has a number and no name.
    [at("PermissionDenied", 3), "permission denied"],
    [at("NotFound", undefined), "there is no such file or directory"],
    // The words of the operating system end before the function that it was in.
    [at("Unknown", "/f", "EIO: i/o error, read"), "/f: i/o error"],
    [at("Unknown", "/f", "ENOTEMPTY: directory not empty"), "/f: directory not empty"],
    [at("Busy", "/f", "something else"), `/f: ${at("Busy", "/f", "something else").reason.message}`]
  ])("is a line that a user understands: %#", (error, line) => {
    assert.strictEqual(Failure.report(error).message, line)
  })

  it("says that a DFS link lies on the way, if the server does not cover the path", () => {
    const { message } = Failure.report(fromStatus(NtStatus.STATUS_PATH_NOT_COVERED, "CREATE", "p"))
    assert.match(message!, /: a DFS link lies on the way, which "--dfs off" does not follow$/)
    assert.notMatch(Failure.report(fromStatus(NtStatus.STATUS_DISK_FULL, "CREATE", "p")).message!, /DFS link/)
  })

  it("names the flag for each option of the client", () => {
    const named = (detail: string) => Failure.report(new Failure.UsageError({ detail })).message
    assert.strictEqual(named("`mode: \"off\"`, `mode: \"on\"`"), "--dfs off, --dfs on")
    assert.strictEqual(named("`dialects: [\"NT1\"]` or `dialects`"), "--dialect nt1 or --dialect")
    assert.strictEqual(named("`connectTimeout`, `requestTimeout`"), "--timeout, --timeout")
    assert.strictEqual(named("`pendingTimeout`"), "--pending-timeout")
    assert.strictEqual(
      named("`signing: \"if-offered\"` or `encryption: \"off\"`"),
      "--signing if-offered or --encryption off"
    )
    assert.strictEqual(named("`Credentials.guest` and `other`"), "--guest and `other`")
  })

  it("on arguments that cannot be read names all of them and the help; a request for help has no message", () => {
    const help = (errors: ReadonlyArray<CliError.UserError>) =>
      new CliError.ShowHelp({ commandPath: ["effect-smb", "get"], errors: [...errors] })
    assert.deepStrictEqual(Failure.report(help([])), { code: 2 })
    const two = help([
      new CliError.UserError({ cause: new Error("no\nPATH") }),
      new CliError.UserError({ cause: new Error("no") })
    ])
    const { code, json, message } = Failure.report(two)
    assert.strictEqual(code, 2)
    assert.match(message!, /^[^;\n]*; [^;\n]* \(see effect-smb get --help\)$/)
    assert.strictEqual(json!.error, "UsageError")
    assert.strictEqual(message!.startsWith(`${json!.message} (`), true)
  })

  it("of a run is that of its failure; an interruption alone has none", () => {
    assert.isUndefined(Failure.reportCause(Cause.interrupt(1)))
    assert.strictEqual(Failure.reportCause(Cause.fail(closed))!.message, closed.message)
    assert.strictEqual(Failure.reportCause(Cause.combine(Cause.interrupt(1), Cause.fail(closed)))!.code, 1)
  })
})

describe("an error of the file system as a local error", () => {
  it("has the user's path, the system's words, and whether the disk is full", () => {
    assert.deepInclude(fromPlatform("/mine", local("ENOSPC")), { path: "/mine", detail: "no luck", full: true })
    assert.deepInclude(fromPlatform("/mine", local("EDQUOT")), { full: true })
    assert.notProperty(fromPlatform("/mine", local("EIO")), "full")
    assert.notProperty(fromPlatform("/mine", local(undefined)), "full")
  })
})

describe("text for a terminal", () => {
  it.each([
    ["plain, ümlaut, 漢字, 🙂", "plain, ümlaut, 漢字, 🙂"],
    ["\u001b[31m\u0007\u007f\u0080\u009f", "?[31m????"],
    ["a\u202eb\u2066c\u2069d\u2028e\u2029f\u202ag", "a?b?c?d?e?f?g"],
    ["~\u00a0\u2027\u202f\u2065\u206a", "~\u00a0\u2027\u202f\u2065\u206a"],
    ["tab\tnull\0", "tab?null?"]
  ])("has no character that moves the cursor or turns the direction: %j", (given, safe) => {
    assert.strictEqual(Failure.printable(given), safe)
  })

  it("is one line, with a blank for each line end", () => {
    assert.strictEqual(Failure.oneLine("  one  \n\n   two\nthree \n"), "one two three")
    assert.strictEqual(Failure.oneLine("\u001b one"), "? one")
  })

  it("shows no password of a URL", () => {
    for (const text of ["--x=smb://joe:pw@nas/x", "smb://joe:pw/pw@pw@nas/x", "smb:///joe:pw@nas/x"]) {
      const { json, message } = Failure.report(new Failure.UsageError({ detail: `Unknown: ${text}` }))
      assert.include(message, "://...@nas/x")
      assert.notInclude(JSON.stringify([json, message]), "pw")
    }
    const plain = "smb://joe@nas:445/x"
    assert.strictEqual(Failure.report(new Failure.UsageError({ detail: plain })).message, plain)
  })
})
