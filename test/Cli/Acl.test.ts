/** `acl` against the own server on loopback, in this process: what it shows, changes, refuses and counts. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Result } from "effect"
import { SmbClient } from "effect-smb"
import * as Acl from "../../src/Cli/Acl.ts"
import * as AclChange from "../../src/Cli/AclChange.ts"
import { fromSddl } from "../../src/Codec/Sddl.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import * as Served from "./served.ts"

const printed = Served.printed
const none: AclChange.Changes = { revoke: [], grant: [], deny: [] }

/** The entry of `--grant` or `--deny`. */
const entry = (text: string, denied = false) => Result.getOrThrow(AclChange.parseEntry(text, { denied }))
const sd = (sddl: string) => Result.getOrThrow(fromSddl(sddl))

/** Runs with a client of a server that has the files `plans/a` and `plans/deep/b`, which joe made. */
const withFiles = <A, E, R>(
  use: (
    base: string,
    smb: SmbClient.Client,
    acl: (names: ReadonlyArray<string> | string, options?: Partial<Acl.Options>) => ReturnType<typeof run>
  ) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function*() {
    const { port } = yield* Served.server({
      name: "NAS",
      users: UserStore.inMemory({
        joe: Redacted.make("secret"),
        ann: Redacted.make("other"),
        root: { password: Redacted.make("root"), administrator: true }
      })
    })
    const context = yield* Layer.build(Served.client({ port }))
    const smb = Context.get(context, SmbClient.SmbClient)
    const base = `//127.0.0.1:${port}/data`
    yield* smb.makeDirectory(`${base}/plans/deep`, { recursive: true })
    yield* smb.writeFile(`${base}/plans/a`, "a")
    yield* smb.writeFile(`${base}/plans/deep/b`, "b")
    return yield* Effect.provide(use(base, smb, (names, options) => run(base, names, options)), context)
  }).pipe(Effect.scoped)

const run = (base: string, names: ReadonlyArray<string> | string, options: Partial<Acl.Options> = {}) =>
  printed(Acl.acl([names].flat().map((name) => Served.path(name === "" ? base : `${base}/${name}`)), {
    json: false,
    sddl: false,
    recursive: false,
    dryRun: false,
    changes: none,
    ...options
  }))

describe("an entry of the command line", () => {
  it.each([
    ["ann:change", "ann", 0x1301bf, undefined],
    ["NAS\\ann:R", "NAS\\ann", 0x120089, undefined],
    ["ann@corp.test:0x1", "ann@corp.test", 1, undefined],
    ["S-1-5-32-545:(OI)(CI)F", "S-1-5-32-545", 0x1f01ff, 3],
    ["Everyone:(oi)(io)(np)read", "Everyone", 0x1200a9, 13],
    ["ann:()read", "ann", 0x1200a9, 0]
  ])("has a name, rights and flags: %s", (text, name, mask, aceFlags) => {
    assert.deepStrictEqual(entry(text), { name, mask, aceFlags })
  })

  it.each([
    ["ann", /write NAME:RIGHTS, such as ann:change/],
    [":read", /write NAME:RIGHTS/],
    ["ann:", /unknown rights/],
    ["ann:everything", /unknown rights.*0x1200a9/],
    ["ann:(XX)read", /\(XX\) is none of \(OI\) files/]
  ])("is refused with what to write instead: %s", (text, message) => {
    assert.match(Result.getOrThrow(Result.flip(AclChange.parseEntry(text, { denied: false }))), message)
  })
})

describe("acl shows", () => {
  it.live("owner, group and entries as a table of less than 80 columns, as an object, and as SDDL", () =>
    withFiles((base, smb, acl) =>
      Effect.gen(function*() {
        const [joe, ann] = (yield* smb.lookupNames(base, ["joe", "ann"])).map((one) => one!.sid)
        const sddl =
          `D:PAI(D;OICI;DCLCRPCR;;;${ann})(A;OICI;FA;;;${joe})(A;CIIOID;FR;;;CO)(A;OINP;0x1301ff;;;S-1-5-21-1-2-3-4)`
        yield* smb.security.set(`${base}/plans`, sd(sddl))
        const shown = yield* acl("plans")
        assert.deepStrictEqual(shown.lines, [
          `path:     ${base}/plans`,
          "owner:    NAS\\joe",
          "group:    NAS\\None",
          "inherits: no",
          "Type   Rights    For                  From   Name",
          "deny   W         all                  here   NAS\\ann",
          "allow  full      all                  here   NAS\\joe",
          "allow  R         folders              above  CREATOR OWNER",
          "allow  0x1301ff  here+files, 1 level  here   S-1-5-21-1-2-3-4"
        ])
        const [object] = (yield* acl("plans", { json: true })).objects()
        assert.deepStrictEqual([object.owner.name, object.owner.sid, object.protected], ["NAS\\joe", joe, true])
        assert.deepStrictEqual(object.entries[0], {
          type: "deny",
          name: "NAS\\ann",
          sid: ann,
          accountType: "user",
          rights: "W",
          mask: 0x116,
          objectInherit: true,
          containerInherit: true,
          noPropagateInherit: false,
          inheritOnly: false,
          inherited: false,
          aceType: 1
        })
        const [text] = (yield* acl("plans", { sddl: true })).lines
        assert.strictEqual(text, `O:${joe}G:${joe!.replace(/-\d+$/, "-513")}${sddl}`)
        assert.strictEqual(object.sddl, text)
        assert.strictEqual((yield* acl("")).lines.at(-1), "allow  full    all  here  Everyone")
        // With several paths each line says whose it is.
        const two = yield* acl(["plans", "plans/a"], { sddl: true })
        assert.deepStrictEqual(two.lines.map((line) => line.split("  ")[1]), [`${base}/plans`, `${base}/plans/a`])
      })
    ))

  it.live("whether there is a list at all", () =>
    withFiles((base, smb, acl) =>
      Effect.gen(function*() {
        yield* smb.security.set(`${base}/plans/a`, sd("D:NO_ACCESS_CONTROL"))
        const open = yield* acl("plans/a")
        assert.strictEqual(open.lines.at(-1), "entries:  there is no list: everybody has all rights")
        assert.isNull((yield* acl("plans/a", { json: true })).objects()[0].entries)
        yield* smb.security.set(`${base}/plans/a`, sd("D:P"))
        assert.strictEqual(
          (yield* acl("plans/a")).lines.at(-1),
          "entries:  the list is empty: no account has any rights"
        )
      })
    ))

  it.live("a whole tree, and the paths that can be read if others cannot", () =>
    withFiles((base, _, acl) =>
      Effect.gen(function*() {
        const tree = yield* acl("plans", { json: true, recursive: true })
        assert.deepStrictEqual(
          tree.objects().map(({ path }) => path.split("\\data\\")[1]).toSorted(),
          ["plans", "plans\\a", "plans\\deep", "plans\\deep\\b"]
        )
        assert.strictEqual((yield* acl("none")).failure?.json?.reason, "ObjectNameNotFound")
        const run = yield* acl(["none", "plans/a"])
        assert.match(run.err, /none: .*STATUS_OBJECT_NAME_NOT_FOUND/)
        assert.strictEqual(run.lines[0], `path:     ${base}/plans/a`)
        assert.strictEqual(run.failure?.message, "1 entry could not be read")
      })
    ))
})

describe("acl changes", () => {
  const entries = (smb: SmbClient.Client, path: string) =>
    Effect.map(
      smb.security.permissions(path),
      ({ entries }) =>
        entries!.map((one) =>
          `${one.type} ${one.account!.name} ${one.rights}${one.objectInherit ? " oi" : ""}${
            one.inherited ? " above" : ""
          }`
        )
    )

  it.live("what is granted, denied and revoked; on a folder for what is made below it later", () =>
    withFiles((base, smb, acl) =>
      Effect.gen(function*() {
        const plans = `${base}/plans`
        const changes = { ...none, grant: [entry("ann:change")], deny: [entry("NAS\\ann:D", true)] }
        const run = yield* acl(["plans", "plans/a"], { changes })
        assert.deepStrictEqual([run.out, run.err, run.failure], ["", "", undefined])
        assert.deepStrictEqual(yield* entries(smb, plans), [
          "deny ann D oi",
          "allow Everyone full oi",
          "allow ann RWX oi"
        ])
        assert.deepStrictEqual(yield* entries(smb, `${plans}/a`), [
          "deny ann D",
          "allow Everyone full",
          "allow ann RWX"
        ])
        yield* smb.writeFile(`${plans}/new`, "")
        assert.include(yield* entries(smb, `${plans}/new`), "deny ann D")
        const again = yield* acl("plans", { changes, json: true })
        assert.deepStrictEqual(again.objects(), [])
        yield* acl("plans", { changes: { ...none, revoke: ["ann"] } })
        assert.deepStrictEqual(yield* entries(smb, plans), ["allow Everyone full oi"])
      })
    ))

  it.live("nothing in a dry run, which says for each path what would go and come", () =>
    withFiles((base, smb, acl) =>
      Effect.gen(function*() {
        const changes = { ...none, grant: [entry("ann:()read")], revoke: ["Everyone"] }
        const before = yield* entries(smb, `${base}/plans`)
        const run = yield* acl("plans", { changes, dryRun: true })
        assert.deepStrictEqual(run.lines, [
          `would change ${base}/plans`,
          "  - allow  full  all  here  Everyone",
          "  + allow  read  here  here  NAS\\ann"
        ])
        const [object] = (yield* acl("plans", { changes, dryRun: true, json: true })).objects()
        assert.isTrue(object.planned)
        assert.match(object.sddl, /D:\(A;;0x1200a9;;;S-1-5-21-[\d-]+\)$/)
        assert.deepStrictEqual(yield* entries(smb, `${base}/plans`), before)
      })
    ))

  it.live("of a tree with an entry only for folders below: each folder passes it on, and no file has it", () =>
    withFiles((base, smb, acl) =>
      Effect.gen(function*() {
        const flagsOf = (path: string) =>
          Effect.map(smb.security.permissions(path), ({ entries }) =>
            entries!.filter(({ account }) =>
              account!.name === "ann"
            ).map((one) =>
              [
                one.rights,
                ...(one.containerInherit ? ["CI"] : []),
                ...(one.objectInherit ? ["OI"] : []),
                ...(one.inheritOnly ? ["IO"] : []),
                ...(one.inherited ? ["ID"] : [])
              ].join(" ")
            ))
        const changes = { ...none, grant: [entry("ann:(CI)(IO)read")] }
        const run = yield* acl("plans", { changes, recursive: true })
        // The two folders change; a file takes no entry that is for folders.
        assert.deepStrictEqual(run.lines, ["2 changed, 2 unchanged"])
        assert.deepStrictEqual(yield* flagsOf(`${base}/plans`), ["read CI IO"])
        assert.deepStrictEqual(yield* flagsOf(`${base}/plans/deep`), ["read CI IO"])
        assert.deepStrictEqual(yield* flagsOf(`${base}/plans/a`), [])
        assert.deepStrictEqual(yield* flagsOf(`${base}/plans/deep/b`), [])
        // What is made below inherits it as MS-DTYP 2.5.3.4.2 says: for a folder it counts, and is passed on again.
        yield* smb.makeDirectory(`${base}/plans/deep/new`)
        yield* smb.writeFile(`${base}/plans/deep/file`, "")
        const [made] = yield* flagsOf(`${base}/plans/deep/new`)
        assert.match(made!, /^read CI( ID)?$/)
        assert.deepStrictEqual(yield* flagsOf(`${base}/plans/deep/file`), [])
        // A folder that inherits again gets the same as a new one.
        yield* acl("plans/deep", { changes: { ...none, inherit: "on", revoke: ["ann"] }, recursive: true })
        assert.deepStrictEqual(yield* flagsOf(`${base}/plans/deep`), ["read CI ID"])
        assert.deepStrictEqual(yield* flagsOf(`${base}/plans/deep/b`), [])
      })
    ))

  it.live("a tree, each folder before what is in it, with the counts at the end", () =>
    withFiles((base, smb, acl) =>
      Effect.gen(function*() {
        yield* smb.makeLink(`${base}/plans/link`, "..\\elsewhere")
        const grants = { ...none, grant: [entry("ann:read")] }
        const dry = yield* acl("plans", { changes: grants, recursive: true, dryRun: true })
        assert.strictEqual(dry.lines.at(-1), "4 would change, 0 unchanged, 1 link left out")
        const run = yield* acl("plans", { changes: grants, recursive: true })
        assert.deepStrictEqual(run.lines, ["4 changed, 0 unchanged, 1 link left out"])
        assert.deepStrictEqual(yield* entries(smb, `${base}/plans/deep/b`), ["allow Everyone full", "allow ann read"])
        const again = yield* acl("plans", { changes: grants, recursive: true, json: true })
        assert.deepStrictEqual(again.objects(), [{
          summary: { changed: 0, unchanged: 4, skipped: 1, failed: 0 },
          dryRun: false
        }])
        // Cut off at the top, and inherit below: what is below gets the new list of the top.
        yield* acl("plans", { changes: { ...none, inherit: "copy", revoke: ["Everyone"], grant: [entry("joe:full")] } })
        const below = yield* acl("plans/deep", {
          changes: { ...none, inherit: "on", revoke: ["ann", "Everyone"] },
          recursive: true
        })
        assert.deepStrictEqual(below.lines, ["2 changed, 0 unchanged"])
        assert.deepStrictEqual(yield* entries(smb, `${base}/plans/deep`), [
          "allow ann read oi above",
          "allow joe full oi above"
        ])
        assert.deepStrictEqual(yield* entries(smb, `${base}/plans/deep/b`), [
          "allow ann read above",
          "allow joe full above"
        ])
      })
    ))

  it.live("the rest of a tree if a part of it refuses", () =>
    withFiles((base, smb, acl) =>
      Effect.gen(function*() {
        // Only root may change the list of this file, and joe may read it.
        const [joe] = (yield* smb.lookupNames(base, ["joe"])).map((one) => one!.sid)
        yield* smb.security.set(`${base}/plans/a`, sd(`D:P(A;;FR;;;${joe})(A;;RC;;;OW)`))
        const run = yield* acl("plans", { changes: { ...none, grant: [entry("ann:read")] }, recursive: true })
        assert.deepStrictEqual(run.lines, ["3 changed, 0 unchanged, 1 failed"])
        assert.match(run.err, /plans\\a: .*STATUS_ACCESS_DENIED.*must own the file or have the right P/)
        assert.strictEqual(run.failure?.message, "1 entry could not be changed")
        assert.strictEqual(run.failure?.code, 1)
      })
    ))

  it.live("the list as SDDL, and says nothing has changed if it is the same", () =>
    withFiles((base, smb, acl) =>
      Effect.gen(function*() {
        const set = "D:PAI(A;OICI;FA;;;WD)(A;;FR;;;BU)"
        const [first] = (yield* acl("plans", { changes: { ...none, set }, json: true })).objects()
        assert.match(first.sddl, /^O:S-1-5-21-.*D:PAI\(A;OICI;FA;;;WD\)\(A;;FR;;;BU\)$/)
        assert.match((yield* acl("plans", { sddl: true })).lines[0]!, /D:PAI\(A;OICI;FA;;;WD\)\(A;;FR;;;BU\)$/)
        assert.deepStrictEqual((yield* acl("plans", { changes: { ...none, set }, json: true })).objects(), [])
        assert.strictEqual((yield* smb.security.get(`${base}/plans`)).dacl?.aces.length, 2)
      })
    ))

  it.live("the list with letters of the machine, which the server resolves, and refuses those of a domain before any change", () =>
    withFiles((base, smb, acl) =>
      Effect.gen(function*() {
        const [joe] = (yield* smb.lookupNames(base, ["joe"])).map((one) => one!.sid)
        const machine = joe!.slice(0, joe!.lastIndexOf("-"))
        yield* acl("plans/a", { changes: { ...none, set: "D:P(A;;FA;;;WD)(D;;FW;;;LG)(A;;FR;;;LA)" } })
        const list = (yield* smb.security.get(`${base}/plans/a`)).dacl!
        assert.deepStrictEqual(list.aces.map((ace) => ace._tag === "Basic" ? ace.sid : undefined), [
          "S-1-1-0",
          `${machine}-501`,
          `${machine}-500`
        ])
        // The own server is in no domain.
        const run = yield* acl("plans/a", { changes: { ...none, set: "D:P(A;;FA;;;DA)" } })
        assert.match(
          run.failure?.message ?? "",
          /does not tell what "DA" stands for: write the SID of DA as numbers, such as S-1-5-21-1-2-3-512/
        )
        assert.deepStrictEqual((yield* smb.security.get(`${base}/plans/a`)).dacl, list)
      })
    ))

  it.live("the owner, if the server lets this user", () =>
    withFiles((base, smb, acl) =>
      Effect.gen(function*() {
        const changes = { ...none, owner: "ann" }
        const refused = yield* acl("plans/a", { changes })
        // The failure of a single file is one line, with its own reason.
        assert.strictEqual(refused.err, "")
        assert.strictEqual(refused.failure?.json?.reason, "InvalidOwner")
        assert.match(
          refused.failure?.message ?? "",
          /cannot be made the owner.*STATUS_INVALID_OWNER.*only an administrator/
        )
        assert.strictEqual((yield* smb.security.permissions(`${base}/plans/a`)).owner?.name, "joe")
        yield* acl("plans/a", { changes: { ...none, owner: "joe" } })
        assert.strictEqual((yield* smb.security.permissions(`${base}/plans/a`)).owner?.name, "joe")
      })
    ))

  it.live("nothing if a name is unknown, if no account would have rights, or if there is no folder above", () =>
    withFiles((base, smb, acl) =>
      Effect.gen(function*() {
        const before = yield* entries(smb, `${base}/plans`)
        const unknown = yield* acl("plans", { changes: { ...none, grant: [entry("ann:read"), entry("anna:read")] } })
        assert.strictEqual(unknown.failure?.code, 2)
        assert.match(
          unknown.failure?.message ?? "",
          /knows no account "anna": write DOMAIN\\name or name@domain, or give the SID/
        )
        yield* smb.security.set(`${base}/plans/a`, sd("D:AI(A;ID;FA;;;WD)"))
        const empty = yield* acl("plans/a", { changes: { ...none, inherit: "off" } })
        assert.match(
          empty.failure?.message ?? "",
          /no account would have any rights: add --grant, or use --inherit copy/
        )
        const top = yield* acl("", { changes: { ...none, inherit: "on" } })
        assert.match(top.failure?.message ?? "", /whole share: there is no folder above/)
        assert.deepStrictEqual(yield* entries(smb, `${base}/plans`), before)
        // An inherited entry is not the file's own to remove.
        const stays = yield* acl("plans/a", { changes: { ...none, revoke: ["Everyone"] } })
        assert.match(stays.err, /Everyone still has inherited entries: remove them at the folder above/)
        assert.isUndefined(stays.failure)
      })
    ))
})
