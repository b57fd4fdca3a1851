/**
 * The reasons of the errors that a person who runs a server, and the author of a store, get: each is caught by its name,
 * a wrong name does not compile, and any error crosses JSON. Also those of the two small clients for DNS and LDAP.
 */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Cause, Effect, Exit, Schema } from "effect"
import { createServer } from "node:net"
import * as LdapPing from "../../src/Dfs/LdapPing.ts"
import * as SrvQuery from "../../src/Dfs/SrvQuery.ts"
import * as IdentityStore from "../../src/Server/IdentityStore.ts"
import * as ShareStore from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as UserStore from "../../src/Server/UserStore.ts"

type Errors =
  | ShareStore.StoreError
  | UserStore.UserFileError
  | IdentityStore.IdentityError
  | SmbServer.ListenError
  | LdapPing.LdapPingError
  | SrvQuery.SrvQueryError

const schema = Schema.Union([
  ShareStore.StoreError,
  UserStore.UserFileError,
  IdentityStore.IdentityError,
  SmbServer.ListenError,
  LdapPing.LdapPingError,
  SrvQuery.SrvQueryError
]) satisfies Schema.Codec<Errors, unknown>

/** The tags of each error's reasons, as the documents name them. */
const tags: Readonly<Record<Errors["_tag"], ReadonlyArray<string>>> = {
  StoreError: [
    "NotFound",
    "PathNotFound",
    "Exists",
    "NotEmpty",
    "IsDirectory",
    "NotDirectory",
    "AccessDenied",
    "ReadOnly",
    "Full",
    "InvalidName",
    "Unsupported",
    "NotSameDevice",
    "Stale",
    "Busy",
    "TimedOut",
    "Failed"
  ],
  UserFileError: [
    "FileNotFound",
    "FileNotReadable",
    "FileReadableByOthers",
    "FileOwnedByOthers",
    "BadLine",
    "DuplicateUser"
  ],
  IdentityError: [
    "FileNotReadable",
    "FileNotWritable",
    "FileReadableByOthers",
    "FileOwnedByOthers",
    "FileDamaged",
    "LookupFailed"
  ],
  ListenError: ["AddressInUse", "PortNotPermitted", "AddressNotAvailable", "ListenFailed"],
  LdapPingError: [
    "TimedOut",
    "ConnectionRefused",
    "HostUnreachable",
    "HostNotFound",
    "DomainNotServed",
    "PingFailed"
  ],
  SrvQueryError: ["NoNameServer", "InvalidName", "TimedOut", "MalformedResponse", "QueryFailed"]
}

/** Arbitrary errors of every kind: two hundred of each, so that every reason is among them. */
const samples = Effect.map(
  Effect.forEach(
    schema.members,
    (member) => Arbitrary.sampleEffect<Errors>(Arbitrary.schema(member), { count: 200, seed: 7 })
  ),
  (all) => all.flat()
)

const fails = (error: Errors): Effect.Effect<string, Errors> => Effect.fail(error)

describe("an error of a server", () => {
  it.effect("says the same after JSON", () =>
    Effect.gen(function*() {
      const json = Schema.toCodecJson(schema)
      const encode = Schema.encodeSync(json)
      const found: Record<string, Set<string>> = {}
      for (const error of yield* samples) {
        ;(found[error._tag] ??= new Set()).add(error.reason._tag)
        const text = JSON.stringify(encode(error))
        const back = Schema.decodeUnknownSync(json)(JSON.parse(text))
        assert.strictEqual(back.constructor, error.constructor)
        assert.strictEqual(back.reason._tag, error.reason._tag)
        assert.strictEqual(JSON.stringify(encode(back)), text)
        if (!("cause" in error.reason) && error._tag !== "StoreError") assert.strictEqual(back.message, error.message)
      }
      assert.deepStrictEqual(
        Object.fromEntries(Object.entries(found).map(([tag, reasons]) => [tag, [...reasons].sort()])),
        Object.fromEntries(Object.entries(tags).map(([tag, reasons]) => [tag, reasons.toSorted()]))
      )
    }))

  it.effect("is caught by its own reason, and by no other", () =>
    Effect.gen(function*() {
      for (const error of yield* samples) {
        const caught = (reason: string) =>
          Effect.catchReason(
            fails(error),
            error._tag as "StoreError",
            reason as "NotFound",
            (found) => Effect.succeed(found._tag)
          )
        for (const tag of tags[error._tag]) {
          const exit = yield* Effect.exit(caught(tag))
          if (tag === error.reason._tag) assert.deepStrictEqual(exit, Exit.succeed(tag))
          else assert(Exit.isFailure(exit) && Cause.squash(exit.cause) === error)
        }
      }
    }))

  it("has no reasons but its own, for the compiler", () => {
    const some = fails(ShareStore.storeError("NotFound"))
    const no = () => Effect.succeed("")
    // Never run: the types are the test.
    const types = () => [
      some.pipe(Effect.catchReason("StoreError", "NotFound", no)),
      some.pipe(Effect.catchReason("UserFileError", "BadLine", ({ line }) => Effect.succeed(line.toFixed()))),
      some.pipe(Effect.catchReason("IdentityError", "FileDamaged", ({ path }) => Effect.succeed(path))),
      some.pipe(Effect.catchReason("ListenError", "ListenFailed", ({ detail }) => Effect.succeed(detail))),
      some.pipe(Effect.catchReason("LdapPingError", "PingFailed", ({ detail }) => Effect.succeed(detail))),
      some.pipe(Effect.catchReason("SrvQueryError", "TimedOut", ({ server }) => Effect.succeed(server))),
      // @ts-expect-error: no store has this reason.
      some.pipe(Effect.catchReason("StoreError", "NotFoundd", no)),
      // @ts-expect-error: the reason of another error.
      some.pipe(Effect.catchReason("UserFileError", "FileDamaged", no)),
      // @ts-expect-error: the old name.
      some.pipe(Effect.catchReason("ListenError", "InUse", no)),
      // @ts-expect-error: the field of another reason.
      some.pipe(Effect.catchReason("UserFileError", "FileNotFound", ({ line }) => Effect.succeed(line))),
      // @ts-expect-error: a line needs its number.
      new UserStore.UserFileError({ path: "p", reason: { _tag: "BadLine" } }),
      // @ts-expect-error: a reason is no text.
      new ShareStore.StoreError({ reason: "NotFound" })
    ]
    assert.isFunction(types)
  })

  it("says what happened, and the cause if there is one", () => {
    const cause = new Error("the disk is gone")
    assert.strictEqual(ShareStore.storeError("Failed", cause).message, "the store says Failed: the disk is gone")
    assert.strictEqual(ShareStore.storeError("Failed", cause).cause, cause)
    assert.strictEqual(ShareStore.storeError("NotFound").message, "the store says NotFound")
    assert.isFalse("cause" in { ...ShareStore.storeError("NotFound") })
    const lookup = new IdentityStore.IdentityError({ reason: { _tag: "LookupFailed", cause } })
    assert.strictEqual(lookup.cause, cause)
    assert.match(lookup.message, /^the users' identifiers: they cannot be looked up/)
    const damaged = new IdentityStore.IdentityError({ reason: { _tag: "FileDamaged", path: "/var/identity.json" } })
    assert.isUndefined(damaged.cause)
    assert.match(damaged.message, /^the users' identifiers in \/var\/identity\.json: they are damaged/)
    const line = new UserStore.UserFileError({ path: "users", reason: { _tag: "DuplicateUser", line: 7 } })
    assert.strictEqual(line.message, "the users of users: line 7 names a user for the second time")
  })
})

describe("ListenError", () => {
  const host = "127.0.43.62"
  const reasonOf = (host: string, port: number) =>
    Effect.map(
      Effect.scoped(Effect.flip(SmbServer.make({ host, port, shares: {}, users: UserStore.inMemory({}) }))),
      ({ message, reason }) => ({ message, reason })
    )

  it.live("has the reason that the system gives", () =>
    Effect.gen(function*() {
      const taken = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer()
          server.listen({ host, port: 0 }, () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      const { port } = taken.address() as { readonly port: number }
      assert.deepStrictEqual(yield* reasonOf(host, port), {
        message: `cannot listen on ${host}:${port}: something else listens there; choose another port or stop it`,
        reason: { _tag: "AddressInUse" }
      })
      // An address for documents (RFC 5737): no machine has it.
      assert.deepStrictEqual((yield* reasonOf("192.0.2.1", 0)).reason, { _tag: "AddressNotAvailable" })
      const { message, reason } = yield* reasonOf("no address", 0)
      assert(reason._tag === "ListenFailed")
      assert.strictEqual(message, `cannot listen on no address:0: ${reason.detail}`)
      assert.match(reason.detail, /no address/)
    }).pipe(Effect.scoped))
})
