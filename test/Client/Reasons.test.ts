/** The reasons of errors: each is caught by its name, a wrong name does not compile, and each error crosses JSON. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { AuthenticationError, AuthenticationReason } from "../../src/Auth/AuthenticationError.ts"
import type { ClientError } from "../../src/Client/ClientError.ts"
import { FileShortened } from "../../src/Client/FileShortened.ts"
import { FileTooLarge } from "../../src/Client/FileTooLarge.ts"
import { RemovalError, RemovalIncomplete, RootOrLink } from "../../src/Client/RemovalError.ts"
import * as UncPath from "../../src/Client/UncPath.ts"
import { Malformed } from "../../src/Codec/Malformed.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as Dfs from "../../src/Protocol/DfsError.ts"
import {
  ArgumentError,
  fromStatus,
  ProtocolError,
  ProtocolReason,
  SmbError,
  TransportError,
  TransportReason
} from "../../src/Protocol/Errors.ts"
import { ReconnectError, ReconnectReason } from "../../src/Protocol/ReconnectError.ts"

const place = { server: "nas", path: "\\nas\\data", step: 3 }
const refused = fromStatus(NtStatus.STATUS_DISK_FULL, "CLOSE", "\\\\nas\\data\\f")
const link = { path: "a\\b", unparsed: 1, target: "c", relative: true }
const targets = [{ target: "\\\\a\\data", reason: "down" }]
const state = { size: 1n, lastWriteTime: 133_000_000_000_000_000n }

const reasonsOfDfs: ReadonlyArray<Dfs.DfsReason> = [
  new Dfs.NamespaceNotFound({ ...place, status: 1 }),
  new Dfs.ReferralRefused({ ...place, status: 2 }),
  new Dfs.ReferralUnavailable({ ...place, detail: "it refuses", cause: refused }),
  new Dfs.NoTargetLeft({ path: "p", targets, cause: refused }),
  new Dfs.NoDomainController({ path: "p", domain: "corp", targets: [] }),
  new Dfs.DfsLoop({ ...place, visited: ["a", "b"] }),
  new Dfs.TargetDiffers({ ...place, from: "a", to: "b", offset: 9n, expected: state, found: { ...state, size: 2n } })
]

const reasonsOfRemoval = [
  new RootOrLink({ path: "p", kind: "server-link", target: "q" }),
  new RootOrLink({ path: "p", kind: "share" }),
  new RemovalIncomplete({
    path: "p",
    removed: 1,
    failed: 1,
    failures: [{ path: "p\\f", error: refused }],
    ended: true
  })
]

const transport = (reason: TransportReason) => new TransportError({ reason, server: "::1", port: 445, detail: "why" })

/** One of every error that the client has, with each of its reasons. */
const all: ReadonlyArray<ClientError> = [
  ...Object.values(NtStatus).map((status) => fromStatus(status, "CREATE", "\\\\nas\\data\\f")),
  fromStatus(0xc0ff_ee00, "READ"),
  fromStatus(NtStatus.STATUS_STOPPED_ON_SYMLINK, "CREATE", "p", link),
  ...Object.values(TransportReason.cases).map((one) => transport(one.make({}))),
  transport({ _tag: "TimedOut", pending: true }),
  ...Object.values(ProtocolReason.cases).map((one) =>
    new ProtocolError({ reason: one.make({}), server: "nas", detail: "why" })
  ),
  ...Object.values(AuthenticationReason.cases).map((one) =>
    new AuthenticationError({ reason: one.make({}), detail: "why", mechanism: "NTLM" })
  ),
  ...[
    ReconnectReason.cases.FileDiffers.make({ what: "size", expected: "1 bytes", found: "2 bytes" }),
    ReconnectReason.cases.IdentityUnknown.make({}),
    ReconnectReason.cases.LocksLost.make({ ranges: 2 }),
    ReconnectReason.cases.LogonRefused.make({ cause: new Error("no") })
  ].map((reason) => new ReconnectError({ reason, path: "p" })),
  ...reasonsOfDfs.map((reason) => new Dfs.DfsError({ reason })),
  ...reasonsOfRemoval.map((reason) => new RemovalError({ reason })),
  UncPath.invalid("x", "no"),
  UncPath.acrossShares("x", "no"),
  new FileShortened({ path: "p", expected: 2n, found: 1n }),
  new FileTooLarge({ path: "p", size: 2n, maximum: 1 }),
  new ArgumentError({ argument: "offset", value: "1.5", expected: "a whole number", path: "p" }),
  new Malformed({ structure: "S", offset: 1, expected: "x" }),
  new Dfs.Overflow({ ...place, size: 8192 }),
  new Dfs.Unsupported({ what: "Version 5", ...place }),
  new Dfs.NotDfsCapable(place)
]

const schema = Schema.Union([
  SmbError,
  TransportError,
  ProtocolError,
  AuthenticationError,
  ReconnectError,
  Dfs.DfsError,
  RemovalError,
  UncPath.PathError,
  FileShortened,
  FileTooLarge,
  ArgumentError,
  Malformed,
  Dfs.Overflow,
  Dfs.Unsupported,
  Dfs.NotDfsCapable
]) satisfies Schema.Codec<ClientError, unknown>

describe("the message of a RootOrLink", () => {
  it.each([
    [
      new RootOrLink({ path: "p", kind: "share" }),
      "p is a whole share, and a share cannot be removed or renamed: name a file or folder in the share"
    ],
    [
      new RootOrLink({ path: "p", kind: "link", target: "q" }),
      "p is a DFS link to q. The link and its target are unchanged: name a file or folder below the link, or remove the " +
      "link from the namespace"
    ],
    [
      new RootOrLink({ path: "p", kind: "server-link", target: "q" }),
      "p and q are two names of one folder: one of the names is a link on the server, and the client cannot see which. " +
      "Nothing was removed: remove the link on the server, then try again"
    ],
    [
      new RootOrLink({ path: "p", kind: "server-link" }),
      "p is a link that the server follows to another folder. Nothing in that folder was removed: remove the link on " +
      "the server, or name the folder by its own path"
    ]
  ])("says what happened, to which path, and what to do: %#", (error, message) => {
    assert.strictEqual(error.message, message)
  })
})

describe("an error", () => {
  it("says the same after JSON", () => {
    const json = Schema.toCodecJson(schema)
    const encode = Schema.encodeSync(json)
    const decode = Schema.decodeUnknownSync(json)
    for (const error of all) {
      const back = decode(JSON.parse(JSON.stringify(encode(error))))
      assert.strictEqual(back.message, error.message)
      assert.strictEqual(back.constructor, error.constructor, error.message)
      if ("reason" in error) {
        assert("reason" in back)
        assert.strictEqual(back.reason._tag, error.reason._tag)
      }
    }
  })

  it("of a status is refused with the name of another", () => {
    const decode = Schema.decodeUnknownSync(Schema.toCodecJson(SmbError))
    const json = {
      _tag: "SmbError",
      reason: { _tag: "AccessDenied", status: NtStatus.STATUS_ACCESS_DENIED },
      command: "READ"
    }
    assert.strictEqual(decode(json).statusName, "STATUS_ACCESS_DENIED")
    assert.throws(() =>
      decode({ ...json, reason: { _tag: "AccessDenied", status: NtStatus.STATUS_OBJECT_NAME_NOT_FOUND } })
    )
  })

  const fails = (error: ClientError): Effect.Effect<string, ClientError> => Effect.fail(error)

  it.effect("is caught by each of its reasons, and by no other", () =>
    Effect.gen(function*() {
      for (const error of all) {
        if (!("reason" in error)) continue
        const caught = Effect.catchReason(
          fails(error),
          error._tag as "SmbError",
          error.reason._tag as "AccessDenied",
          ({ _tag }) => Effect.succeed(_tag)
        )
        assert.strictEqual(yield* caught, error.reason._tag)
        const other = Effect.catchReasons(fails(error), "SmbError", { UserApc: () => Effect.succeed("other") })
        if (error.reason._tag !== "UserApc") assert.strictEqual(yield* Effect.flip(other), error)
      }
    }))

  it("has no reasons but its own, for the compiler", () => {
    const some = fails(refused)
    const no = () => Effect.succeed("")
    // Never run: the types are the test.
    const types = () => [
      some.pipe(
        Effect.catchReason(
          "SmbError",
          "StoppedOnSymlink",
          (reason) => Effect.succeed(reason.symbolicLink?.target ?? "")
        )
      ),
      some.pipe(Effect.catchReason("TransportError", "TimedOut", (reason) => Effect.succeed(String(reason.pending)))),
      some.pipe(Effect.catchReason("DfsError", "NoTargetLeft", (reason) => Effect.succeed(String(reason.targets)))),
      some.pipe(Effect.catchReason("RemovalError", "RemovalIncomplete", ({ removed }) => Effect.succeed(`${removed}`))),
      some.pipe(Effect.catchReason("PathError", "AcrossShares", no)),
      some.pipe(Effect.catchTag("NotDfsCapable", no)),
      // @ts-expect-error: no status has this name.
      some.pipe(Effect.catchReason("SmbError", "ObjectNameNotFoundd", no)),
      // @ts-expect-error: the reason of another error.
      some.pipe(Effect.catchReason("TransportError", "BadSignature", no)),
      // @ts-expect-error: the old name.
      some.pipe(Effect.catchReason("TransportError", "Closed", no)),
      // @ts-expect-error: a reason, and no error.
      some.pipe(Effect.catchTag("NoTargetLeft", no)),
      // @ts-expect-error: a reason is no text.
      new SmbError({ reason: "AccessDenied", command: "READ" })
    ]
    assert.isFunction(types)
  })
})
