/**
 * Proves that an IdentityStore gives each user a SID once and for good, in a file that several servers share, and that
 * a server with a FileStore knows the owners of files after a restart.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
import { Credentials, SmbClient, TcpTransport } from "effect-smb"
import { SecurityDescriptor } from "effect-smb/Codec"
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as IdentityStore from "../../src/Server/IdentityStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { GenericAccess } from "../../src/Smb2/Message/Constants.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "identity-"))),
  (path) =>
    Effect.sync(() => {
      chmodSync(path, 0o700)
      rmSync(path, { recursive: true })
    })
)

const place = Effect.map(folder, (path) => join(path, "state", "identity.json"))

const kept = (path: string) => JSON.parse(readFileSync(path, "utf8"))

describe("IdentityStore.fromFile", () => {
  it.effect("gives each name one SID, without case, and the same one after a restart", () =>
    Effect.gen(function*() {
      const path = yield* place
      const first = yield* IdentityStore.fromFile(path)
      assert.match(first.domainSid, /^S-1-5-21-\d+-\d+-\d+$/)
      const joe = yield* first.sidOf("joe")
      const ann = yield* first.sidOf("Ann")
      assert.strictEqual(joe, `${first.domainSid}-1000`)
      assert.strictEqual(ann, `${first.domainSid}-1001`)
      assert.strictEqual(yield* first.sidOf("JOE"), joe)
      const again = yield* IdentityStore.fromFile(path)
      assert.strictEqual(yield* again.sidOf("bob"), `${first.domainSid}-1002`)
      assert.strictEqual(yield* again.sidOf("ANN"), ann)
      assert.strictEqual(yield* again.sidOf("Joe"), joe)
      assert.strictEqual(yield* again.nameOf(ann), "Ann")
      assert.isUndefined(yield* again.nameOf(`${first.domainSid}-1003`))
      assert.isUndefined(yield* again.nameOf("S-1-5-21-1-2-3-1001"))
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
      assert.strictEqual(statSync(join(path, "..")).mode & 0o777, 0o700)
      assert.deepStrictEqual(readdirSync(join(path, "..")), ["identity.json"])
    }).pipe(Effect.scoped))

  it.effect("never gives a RID to a second user, also if the first user was removed from the file", () =>
    Effect.gen(function*() {
      const path = yield* place
      const { sidOf } = yield* IdentityStore.fromFile(path)
      yield* sidOf("joe")
      yield* sidOf("ann")
      writeFileSync(path, JSON.stringify({ ...kept(path), users: [] }))
      const again = yield* IdentityStore.fromFile(path)
      assert.strictEqual(yield* again.sidOf("eve"), `${again.domainSid}-1002`)
    }).pipe(Effect.scoped))

  // On the real clock: a store that finds the file locked waits for a moment.
  it.live("gives the same SIDs to three stores that use the file at the same time", () =>
    Effect.gen(function*() {
      const path = yield* place
      const stores = yield* Effect.all([1, 2, 3].map(() => IdentityStore.fromFile(path)), { concurrency: 3 })
      assert.strictEqual(new Set(stores.map((store) => store.domainSid)).size, 1)
      const names = Array.from({ length: 12 }, (_, i) => `user ${i}`)
      const given = yield* Effect.all(
        stores.map(({ sidOf }, i) =>
          Effect.all(i === 1 ? names.toReversed().map(sidOf) : names.map(sidOf), { concurrency: 4 })
        ),
        { concurrency: 3 }
      )
      assert.deepStrictEqual(given[1]!.toReversed(), given[0])
      assert.deepStrictEqual(given[2], given[0])
      assert.strictEqual(new Set(given[0]).size, 12)
    }).pipe(Effect.scoped))

  it.effect("restores a file that was removed, and ignores the lock of a process that was killed", () =>
    Effect.gen(function*() {
      const path = yield* place
      const store = yield* IdentityStore.fromFile(path)
      const joe = yield* store.sidOf("joe")
      rmSync(path)
      const ann = yield* store.sidOf("ann")
      const again = yield* IdentityStore.fromFile(path)
      assert.deepStrictEqual([yield* again.sidOf("joe"), yield* again.sidOf("ann")], [joe, ann])
      // The lock of a killed process: older than any work on the file takes.
      writeFileSync(`${path}.lock`, "")
      utimesSync(`${path}.lock`, 0, 0)
      assert.strictEqual(yield* again.sidOf("bob"), `${again.domainSid}-1002`)
    }).pipe(Effect.scoped))

  it.live("ignores the lock of a process that was killed before the clock was set back", () =>
    Effect.gen(function*() {
      const path = yield* place
      const store = yield* IdentityStore.fromFile(path)
      writeFileSync(`${path}.lock`, "")
      const later = Date.now() / 1000 + 3600
      utimesSync(`${path}.lock`, later, later)
      assert.strictEqual(yield* store.sidOf("joe"), `${store.domainSid}-1000`)
    }).pipe(Effect.scoped))

  it.effect("refuses a file that others may read or write, and a damaged file, and leaves it unchanged", () =>
    Effect.gen(function*() {
      const path = yield* place
      const { domainSid, sidOf } = yield* IdentityStore.fromFile(path)
      yield* sidOf("joe")
      const good = kept(path)
      // Files of Windows have no such mode.
      for (const mode of process.platform === "win32" ? [] : [0o640, 0o602, 0o604]) {
        chmodSync(path, mode)
        const error = yield* Effect.flip(IdentityStore.fromFile(path))
        assert.deepStrictEqual(error.reason, { _tag: "FileReadableByOthers", path })
        assert.include(error.message, "chmod 600")
      }
      chmodSync(path, 0o600)
      const twice = [...good.users, { name: "JOE", rid: 1001 }]
      for (
        const bad of [
          "",
          "{",
          "[]",
          { ...good, domainSid: "S-1-5-32" },
          { ...good, domainSid: "S-1-5-21-1-2-4294967296" },
          { ...good, nextRid: 1000 },
          { ...good, nextRid: 1002, users: twice },
          { ...good, nextRid: 1002, users: [...good.users, { name: "ann", rid: 1000 }] },
          { ...good, users: [{ name: "joe", rid: 500 }] }
        ]
      ) {
        const text = typeof bad === "string" ? bad : JSON.stringify(bad)
        writeFileSync(path, text)
        const error = yield* Effect.flip(IdentityStore.fromFile(path))
        assert.deepStrictEqual(error.reason, { _tag: "FileDamaged", path }, text)
        // A running server does not overwrite it either.
        assert.strictEqual((yield* Effect.flip(sidOf("new"))).reason._tag, "FileDamaged", text)
        assert.strictEqual(readFileSync(path, "utf8"), text)
      }
      // The file of another domain in its place: the SIDs given so far would be those of other users.
      writeFileSync(path, JSON.stringify({ ...good, domainSid: "S-1-5-21-1-2-3" }))
      assert.strictEqual((yield* Effect.flip(sidOf("new"))).reason._tag, "FileDamaged")
      writeFileSync(path, JSON.stringify(good))
      assert.strictEqual(yield* sidOf("new"), `${domainSid}-1001`)
    }).pipe(Effect.scoped))

  it.effect("fails with FileNotWritable when the folder cannot be made", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "file")
      writeFileSync(path, "")
      assert.strictEqual(
        (yield* Effect.flip(IdentityStore.fromFile(join(path, "identity.json")))).reason._tag,
        "FileNotWritable"
      )
    }).pipe(Effect.scoped))
})

describe("IdentityStore.inMemory", () => {
  it.effect("takes the domain SID and the RIDs that an app gives, and continues after the highest RID", () =>
    Effect.gen(function*() {
      const store = IdentityStore.inMemory({ domainSid: "S-1-5-21-1-2-3", rids: { joe: 1007 } })
      assert.strictEqual(yield* store.sidOf("Joe"), "S-1-5-21-1-2-3-1007")
      assert.strictEqual(yield* store.sidOf("ann"), "S-1-5-21-1-2-3-1008")
      assert.notStrictEqual(IdentityStore.inMemory().domainSid, IdentityStore.inMemory().domainSid)
      assert.throws(() => IdentityStore.inMemory({ domainSid: "S-1-5-32-544" }), RangeError)
    }))
})

const host = "127.0.36.11"

const client = (user: string): Effect.Effect<SmbClient.Client, never, Scope.Scope> =>
  Effect.map(
    Layer.build(
      SmbClient.layer({}).pipe(
        Layer.provide([TcpTransport.layer(), Credentials.layer(Credentials.password(user, Redacted.make("secret")))])
      )
    ),
    (context) => Context.get(context, SmbClient.SmbClient)
  )

/** A list with one entry: `sid` has all rights. */
const onlyOwner = (sid: string): SecurityDescriptor.Acl => ({
  aclRevision: 2,
  aces: [{
    _tag: "Basic",
    aceType: SecurityDescriptor.AceType.ACCESS_ALLOWED_ACE_TYPE,
    aceFlags: 0,
    mask: GenericAccess.FILE_ALL_ACCESS,
    sid
  }]
})

describe("a server with an IdentityStore", () => {
  const turn = <A, E>(
    root: string,
    users: ReadonlyArray<string>,
    use: (base: string, identity: IdentityStore.Identities) => Effect.Effect<A, E, Scope.Scope>
  ) =>
    Effect.gen(function*() {
      const identity = yield* IdentityStore.fromFile(join(root, "identity.json"))
      const { port } = yield* SmbServer.make({
        host,
        port: 0,
        users: UserStore.inMemory(Object.fromEntries(users.map((name) => [name, Redacted.make("secret")]))),
        identity,
        shares: { data: LocalStore.make(join(root, "data")) }
      })
      return yield* use(`\\\\${host}:${port}\\data`, identity)
    }).pipe(Effect.scoped)

  it.live("enforces the owners of files after a restart, also when its users come in another order", () =>
    Effect.gen(function*() {
      const root = yield* folder
      mkdirSync(join(root, "data"))
      const owner = yield* turn(root, ["joe", "ann"], (base, identity) =>
        Effect.gen(function*() {
          const joe = yield* client("joe")
          yield* joe.writeFile(`${base}\\his.txt`, "mine")
          const { owner } = yield* joe.security.get(`${base}\\his.txt`)
          assert.strictEqual(owner, yield* identity.sidOf("joe"))
          const descriptor = yield* joe.security.get(`${base}\\his.txt`)
          yield* joe.security.set(`${base}\\his.txt`, { ...descriptor, dacl: onlyOwner(owner!) })
          const refused = yield* Effect.flip((yield* client("ann")).readFileString(`${base}\\his.txt`))
          assert.strictEqual(refused._tag === "SmbError" ? refused.reason._tag : refused._tag, "AccessDenied")
          return owner!
        }))
      // The users come in another order, with a further one first: their order does not decide their SIDs.
      yield* turn(root, ["eve", "ann", "joe"], (base) =>
        Effect.gen(function*() {
          for (const name of ["eve", "ann"]) {
            const refused = yield* Effect.flip((yield* client(name)).readFileString(`${base}\\his.txt`))
            assert.strictEqual(refused._tag === "SmbError" ? refused.reason._tag : refused._tag, "AccessDenied", name)
          }
          const joe = yield* client("joe")
          assert.strictEqual(yield* joe.readFileString(`${base}\\his.txt`), "mine")
          assert.strictEqual((yield* joe.security.get(`${base}\\his.txt`)).owner, owner)
        }))
    }).pipe(Effect.scoped))

  it.live("refuses a logon with STATUS_INTERNAL_ERROR if the user's SID cannot be kept, and admits users that it knows", () =>
    Effect.gen(function*() {
      const root = yield* folder
      mkdirSync(join(root, "data"))
      yield* turn(root, ["joe", "ann"], (base) =>
        Effect.gen(function*() {
          assert.strictEqual((yield* (yield* client("joe")).stat(base)).type, "directory")
          writeFileSync(join(root, "identity.json"), "damaged")
          const error = yield* Effect.flip((yield* client("ann")).stat(base))
          assert.include(error.message, "STATUS_INTERNAL_ERROR")
          // A user whose SID the server knows can log on.
          assert.strictEqual((yield* (yield* client("JOE")).stat(base)).type, "directory")
        }))
    }).pipe(Effect.scoped))
})
