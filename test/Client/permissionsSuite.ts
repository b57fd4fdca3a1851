/**
 * Accounts and permissions at a server that keeps whole security descriptors. The same checks run at smbd and at the own
 * server. The oracle for inheritance is what the server gives a new file.
 */
import { assert } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Permissions, type SmbClient } from "effect-smb"
import * as Account from "../../src/Client/Account.ts"
import { fromSddl, toSddl } from "../../src/Codec/Sddl.ts"
import { AceFlags, type SecurityDescriptor } from "../../src/Codec/SecurityDescriptor.ts"

export interface Place {
  readonly smb: SmbClient.Client
  /** `//server/share` */
  readonly share: string
  /** The names of the client's user and of another user of the server. */
  readonly user: string
  readonly other: string
  /** The server's name as the domain of its users. */
  readonly domain: string
}

const sd = (sddl: string): SecurityDescriptor => Result.getOrThrow(fromSddl(sddl))

const { INHERITED_ACE } = AceFlags

/** The rights of each explicit or inherited entry: `allow ann full`. */
const rows = (permissions: Permissions.Permissions): ReadonlyArray<string> =>
  permissions.entries!.map((one) => `${one.type} ${one.account!.name} ${one.rights}${one.inherited ? " above" : ""}`)

/**
 * Entries as text without the mark of inheritance, each once and in any order: smbd keeps one of two equal entries, for
 * example of an owner and of CREATOR OWNER.
 */
const unmarked = ({ dacl }: SecurityDescriptor): ReadonlyArray<string> =>
  [
    ...new Set(dacl!.aces.map((ace) => {
      assert(ace._tag === "Basic")
      return [ace.aceType, ace.aceFlags & ~INHERITED_ACE, ace.mask.toString(16), ace.sid].join(" ")
    }))
  ].toSorted()

export const accounts = Effect.fnUntraced(function*({ domain, other, share, smb, user }: Place) {
  const server = share.slice(0, share.lastIndexOf("/"))
  for (const path of [share, server]) {
    const found = yield* smb.lookupNames(path, [
      user,
      `${domain}\\${other}`,
      "Everyone",
      "nobody-of-this-name",
      "ELSEWHERE\\nobody-of-this-name"
    ])
    assert.deepStrictEqual(
      found.map((one) => one === undefined ? undefined : [Account.format(one).toUpperCase(), one.type]),
      [
        [`${domain}\\${user}`.toUpperCase(), "user"],
        [`${domain}\\${other}`.toUpperCase(), "user"],
        ["EVERYONE", "well-known"],
        undefined,
        undefined
      ]
    )
    const [own, another] = found.map((one) => one?.sid)
    assert.match(own!, /^S-1-5-21-\d+-\d+-\d+-\d+$/)
    const machine = own!.slice(0, own!.lastIndexOf("-"))
    const unknown = "S-1-5-21-9-9-9-1000"
    const names = yield* smb.lookupSids(path, [unknown, another!, "S-1-5-32-544", own!, machine])
    assert.deepStrictEqual(names.map(Account.format), [
      unknown,
      `${domain}\\${other}`,
      "BUILTIN\\Administrators",
      `${domain}\\${user}`,
      domain
    ])
    assert.deepStrictEqual(names.map(({ type }) => type), ["unknown", "user", "alias", "user", "domain"])
    assert.deepStrictEqual((yield* smb.lookupNames(path, [own!])).map((one) => one?.name), [user])
    // A server of its own has no domain, and its users are the machine's.
    const domains = yield* smb.lookupDomains(path)
    assert.deepStrictEqual([domains.machine, domains.domain, domains.rootDomain], [machine, undefined, undefined])
  }
})

export const permissions = Effect.fnUntraced(function*({ other, share, smb, user }: Place) {
  const [own, another] = (yield* smb.lookupNames(share, [user, other])).map((one) => one!.sid)
  const folder = `${share}/folder`
  const file = `${folder}/file`
  const change = (path: string, make: (descriptor: SecurityDescriptor) => SecurityDescriptor) =>
    Effect.gen(function*() {
      const before = yield* smb.security.get(path)
      const difference = Permissions.difference(before, make(before))
      if (difference !== undefined) yield* smb.security.set(path, difference)
      const after = yield* smb.security.get(path)
      // The server keeps what was set, and a second change of the same kind changes nothing.
      assert.isUndefined(Permissions.difference(after, make(after)))
      return yield* smb.security.permissions(path)
    })

  yield* smb.makeDirectory(folder)
  yield* smb.writeFile(file, "x")
  assert.strictEqual((yield* smb.security.permissions(file)).owner?.name, user)

  // SDDL in, SDDL out.
  const sddl = `D:PAI(A;OICI;FA;;;${own})(A;OICI;0x1200a9;;;BU)(A;OICIIO;FA;;;CO)(A;CI;0x1301bf;;;SY)`
  yield* smb.security.set(folder, sd(sddl))
  const kept = yield* smb.security.get(folder)
  assert.strictEqual(toSddl({ ...kept, owner: undefined, group: undefined }), sddl)

  const granted = yield* change(
    folder,
    (one) =>
      Permissions.grant(one, { sid: another!, mask: Permissions.Rights.change, aceFlags: Permissions.inheritToAll })
  )
  assert.deepStrictEqual(rows(granted), [
    `allow ${user} full`,
    "allow Users read",
    "allow CREATOR OWNER full",
    "allow SYSTEM change",
    `allow ${other} change`
  ])
  assert.isTrue(granted.isProtected)
  const denied = yield* change(
    folder,
    (one) => Permissions.deny(one, { sid: another!, mask: Permissions.maskOf("W", { denied: true })!, aceFlags: 3 })
  )
  assert.strictEqual(rows(denied)[0], `deny ${other} W`)
  assert.strictEqual(rows(denied).at(-1), `allow ${other} RXD`)
  assert.deepStrictEqual(
    rows(yield* change(folder, (one) => Permissions.revoke(one, another!))),
    rows(granted).slice(0, 4)
  )

  // What a file inherits again is what the server gives a new file.
  for (const isDirectory of [false, true]) {
    const [old, fresh] = isDirectory ? [`${folder}/d1`, `${folder}/d2`] : [`${folder}/f1`, `${folder}/f2`]
    for (const path of [old, fresh]) yield* isDirectory ? smb.makeDirectory(path) : smb.writeFile(path, "x")
    const alone = yield* change(
      old,
      (one) =>
        Permissions.grant(Permissions.protect(one, { keep: false }), { sid: own!, mask: Permissions.Rights.full })
    )
    assert.isTrue(alone.isProtected)
    const above = yield* smb.security.get(folder)
    const again = yield* change(
      old,
      (one) => Permissions.inherit(Permissions.revoke(one, own!), above, { isDirectory })
    )
    assert.isFalse(again.isProtected)
    assert.isTrue(again.entries!.every(({ inherited }) => inherited))
    assert.deepStrictEqual(unmarked(again.descriptor), unmarked(yield* smb.security.get(fresh)))
    // As its own, they are the same without the mark.
    const copied = yield* change(old, (one) => Permissions.protect(one, { keep: true }))
    assert.isTrue(copied.isProtected)
    assert.isFalse(copied.entries!.some(({ inherited }) => inherited))
    assert.deepStrictEqual(unmarked(copied.descriptor), unmarked(again.descriptor))
  }
})
