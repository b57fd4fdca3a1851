/**
 * What the command prints: entries, progress, errors and help. The tests check JSON, widths of terminals, and that no
 * name or message of a server can control the terminal.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Layer, Logger, PlatformError, Schema } from "effect"
import { Credentials, NotDfsCapable, SmbClient } from "effect-smb"
import * as Failure from "../../src/Cli/Failure.ts"
import * as Output from "../../src/Cli/Output.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, TransportError } from "../../src/Protocol/Errors.ts"
import { FileAttributes } from "../../src/Smb2/Message/Constants.ts"
import * as LocalError from "../../src/Transfer/LocalError.ts"
import * as Peer from "../Smb1/peer.ts"

/** 1 January 2020 00:00 UTC in units of 100 ns since 1601, as `w32tm /ntte` computes it. */
const newYear2020 = 132_223_104_000_000_000n

const entry = {
  name: "a.txt",
  path: "\\\\h\\s\\d\\a.txt",
  type: "file",
  size: 5_000_000_000n,
  allocationSize: 8192n,
  creationTime: newYear2020,
  lastAccessTime: newYear2020 + 15_000_000n,
  lastWriteTime: newYear2020,
  changeTime: 0n,
  relativePath: "a.txt",
  created: undefined,
  lastAccessed: undefined,
  lastWritten: undefined,
  changed: undefined,
  fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY | FileAttributes.FILE_ATTRIBUTE_ARCHIVE,
  reparseTag: 0
} as const

describe("the output of the command", () => {
  it("has an entry's sizes as numbers and times in ISO form in JSON", () => {
    assert.deepStrictEqual(JSON.parse(Output.jsonLine(Output.entryObject(entry))), {
      name: "a.txt",
      path: "\\\\h\\s\\d\\a.txt",
      type: "file",
      size: 5_000_000_000,
      creationTime: "2020-01-01T00:00:00.000Z",
      lastAccessTime: "2020-01-01T00:00:01.500Z",
      lastWriteTime: "2020-01-01T00:00:00.000Z",
      changeTime: null,
      fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY | FileAttributes.FILE_ATTRIBUTE_ARCHIVE
    })
  })

  it("marks directories with / and links with @, and shows attributes as letters", () => {
    assert.strictEqual(Output.entryLine({ ...entry, type: "directory" }, "d", false), "d/\n")
    assert.strictEqual(Output.entryLine({ ...entry, type: "symlink" }, "l", false), "l@\n")
    assert.match(
      Output.entryLine(entry, "a.txt", true),
      /^-r--a---- +5000000000 20(19|20)-\d\d-\d\d \d\d:\d\d:\d\d a\.txt\n$/
    )
  })

  it.prop(
    "is one line without control characters for any file name of a server",
    { name: Schema.String },
    ({ name }) => {
      for (const hostile of [name, `${name}\n\u001b[2J\u202e${name}`]) {
        const line = Output.entryLine({ ...entry, name: hostile }, hostile, false)
        // oxlint-disable-next-line no-control-regex
        assert.notMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e]/)
        assert.strictEqual(JSON.parse(Output.jsonLine({ name: hostile })).name, hostile)
        assert.strictEqual(
          Output.jsonLine({ name: hostile }).indexOf("\n"),
          Output.jsonLine({ name: hostile }).length - 1
        )
      }
    }
  )

  it("has counts of bytes in B, KiB, MiB and TiB", () => {
    assert.deepStrictEqual([0, 1023, 1024, 1_500_000, 2 ** 41].map(Output.bytes), [
      "0 B",
      "1023 B",
      "1.0 KiB",
      "1.4 MiB",
      "2.0 TiB"
    ])
  })
})

describe("an error of the command", () => {
  it("from a server has the path, the reason and the NTSTATUS", () => {
    const { code, json, message } = Failure.report(
      fromStatus(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND, "CREATE", "\\\\h\\s\\x")
    )
    assert.strictEqual(code, 1)
    assert.match(message!, /^\\\\h\\s\\x: .*STATUS_OBJECT_NAME_NOT_FOUND/)
    assert.strictEqual(json!.error, "SmbError")
    assert.strictEqual(json!.reason, "ObjectNameNotFound")
    assert.strictEqual(json!.status, "STATUS_OBJECT_NAME_NOT_FOUND")
  })

  it.effect.each(
    [
      { options: { signing: "required" }, option: /`signing: "if-required"`/, flag: /--signing if-required/ },
      {
        options: { signing: "if-required", encryption: "required" },
        option: /`encryption: "if-offered"`/,
        flag: /--encryption if-offered/
      }
    ] as const
  )(
    "that an option would avoid names the option to apps and the flag to users: $option",
    ({ flag, option, options }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Effect.flatMap(SmbClient.SmbClient, (smb) => smb.stat("\\\\old\\data\\file")))
        assert.match(error.message, option)
        const { message } = Failure.report(error)
        assert.match(message!, flag)
        assert.notMatch(message!, /`/)
      }).pipe(
        Effect.provide(
          SmbClient.layer({ dialects: ["NT1"], ...options }).pipe(
            Layer.provide([Peer.make().layer, Credentials.layer(Credentials.guest)]),
            Layer.provideMerge(Layer.fresh(Logger.layer([])))
          )
        )
      )
  )

  it("inside another error names the flag too", () => {
    const inner =
      "old: encryption is required (`encryption: \"if-offered\"`), or `dialects: [\"NT1\"]`, `Credentials.guest`"
    const { message } = Failure.report(new NotDfsCapable({ server: inner, path: "p", step: 5 }))
    assert.include(message!, "(--encryption if-offered), or --dialect nt1, --guest")
    assert.include(message!, "--dfs fallback")
    assert.notMatch(message!, /`/)
  })

  it("of the local file system names path and reason in plain words", () => {
    const error = PlatformError.systemError({
      _tag: "PermissionDenied",
      module: "FileSystem",
      method: "open",
      pathOrDescriptor: "/etc/shadow"
    })
    assert.strictEqual(Failure.report(error).message, "/etc/shadow: permission denied")
    const latin1 = PlatformError.systemError({
      module: "FileSystem",
      method: "open",
      _tag: "NotFound",
      pathOrDescriptor: "/tmp/caf\ufffd"
    })
    for (const message of [Failure.report(latin1).message, LocalError.fromPlatform("caf\ufffd", latin1).message]) {
      assert.match(message!, /caf\ufffd: the name is not in UTF-8/)
    }
    const full = PlatformError.systemError({
      _tag: "Unknown",
      module: "FileSystem",
      method: "write",
      pathOrDescriptor: "/x",
      cause: Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" })
    })
    assert.strictEqual(Failure.report(full).message, "/x: no space left on device")
  })

  it("is one line without control characters", () => {
    const { message } = Failure.report(
      fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", "\\\\h\\s\\a\nb\u001b]0;x\u0007")
    )
    // oxlint-disable-next-line no-control-regex
    assert.notMatch(message!, /[\u0000-\u001f]/)
  })

  it("decides the exit code: 1, 2 for wrong usage, 141 for closed output", () => {
    const refused = new TransportError({ reason: { _tag: "ConnectionRefused" }, server: "h", port: 445 })
    assert.strictEqual(Failure.report(refused).code, 1)
    assert.strictEqual(Failure.report(new Failure.UsageError({ detail: "no" })).code, 2)
    assert.strictEqual(Failure.report(new Error("x")).code, 1)
    assert.deepStrictEqual(Failure.report(new Failure.OutputClosed()), { code: 141 })
    assert.isUndefined(Failure.reportCause(Cause.interrupt(1)))
  })
})

describe("the help text", () => {
  const line = "  --dialect LIST    Offer only these dialects, e.g. 3.1.1 or 2.1,3.0"

  it("is folded at blanks to the width of a terminal, and keeps its indentation", () => {
    assert.strictEqual(
      Output.fold(`FLAGS\n${line}\n\nshort`, 48),
      "FLAGS\n" +
        "  --dialect LIST    Offer only these dialects,\n" +
        "                    e.g. 3.1.1 or 2.1,3.0\n" +
        "\nshort"
    )
    assert.strictEqual(
      Output.fold("  As text that has no columns, and no more to it than that", 40),
      "  As text that has no columns, and no\n  more to it than that"
    )
  })

  it("is folded without counting colours, and keeps words that are longer than a line", () => {
    const coloured = line.replace("--dialect", "\u001b[1m--dialect\u001b[0m")
    assert.strictEqual(Output.fold(coloured, line.length), coloured)
    assert.strictEqual(Output.fold(coloured, 48).split("\n")[1], `${" ".repeat(20)}e.g. 3.1.1 or 2.1,3.0`)
    assert.strictEqual(Output.fold("x".repeat(100), 48), "x".repeat(100))
    assert.strictEqual(Output.columnsOf({ columns: 132 }), 132)
  })
})
