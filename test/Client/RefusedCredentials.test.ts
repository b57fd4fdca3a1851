/**
 * Which failures of a logon keep the client from trying the same credential again. Each wrong logon counts against the
 * account ([MS-SAMR] 3.1.1.6, account lockout), so a refusal about the account must be remembered, and no other one.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { Credentials } from "effect-smb"
import { appendFileSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { AuthenticationError } from "../../src/Auth/AuthenticationError.ts"
import { Refusals } from "../../src/Client/internal/RefusedCredentials.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, TransportError } from "../../src/Protocol/Errors.ts"

const account = "nas:445\\joe"
const joe = (password: string) => Credentials.password("joe", Redacted.make(password))
const hash = (fill: number) => Credentials.ntHash("joe", Redacted.make(new Uint8Array(16).fill(fill)))
const wrong = fromStatus(NtStatus.STATUS_LOGON_FAILURE, "SESSION_SETUP", "\\\\nas")
const ticket = (reason: "InvalidCredential" | "ServerUnknown", mechanism?: string) =>
  new AuthenticationError({
    reason: { _tag: reason },
    detail: "no",
    server: "nas",
    ...(mechanism === undefined ? {} : { mechanism })
  })

type Failure = Parameters<Refusals["note"]>[2]
const remembers = (credential: Credentials.Credential, failure: Failure): boolean => {
  const refusals = new Refusals()
  refusals.note(account, credential, failure)
  return refusals.find(account, credential) !== undefined
}

const folder = mkdtempSync(join(tmpdir(), "effect-smb-keytab-"))
afterAll(() => rmSync(folder, { recursive: true }))
const keytabFile = (name: string): string => {
  const path = join(folder, name)
  writeFileSync(path, "keys")
  utimesSync(path, 1000, 1000)
  return path
}

describe("a failed logon is remembered", () => {
  it.each(
    [
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
      "STATUS_ACCOUNT_LOCKED_OUT",
      "STATUS_LOGON_TYPE_NOT_GRANTED",
      "STATUS_LOGON_NOT_GRANTED"
    ] as const
  )("when the status is %s, for a password and for a hash", (status) => {
    const error = fromStatus(NtStatus[status], "SESSION_SETUP", "\\\\nas")
    assert.isTrue(remembers(joe("wrong"), error))
    assert.isTrue(remembers(hash(1), error))
  })

  it("for Kerberos only if its own keytab or its fallback for NTLM was refused", () => {
    const keytab = keytabFile("some")
    const alone = Credentials.kerberos({ keytab })
    const both = Credentials.kerberos({ keytab, fallback: joe("wrong") })
    // With a ticket the server checks no password.
    assert.isFalse(remembers(alone, wrong))
    assert.isTrue(remembers(both, wrong))
    assert.isTrue(remembers(alone, ticket("InvalidCredential", "Kerberos")))
    assert.isTrue(remembers(both, ticket("InvalidCredential", "Kerberos")))
  })
})

describe("a failed logon is not remembered", () => {
  it.each(
    [
      ["no logon server can be reached", fromStatus(NtStatus.STATUS_NO_LOGON_SERVERS, "SESSION_SETUP", "\\\\nas")],
      ["the server has no memory", fromStatus(NtStatus.STATUS_INSUFFICIENT_RESOURCES, "SESSION_SETUP", "\\\\nas")],
      ["the account has no right to the share", fromStatus(NtStatus.STATUS_LOGON_FAILURE, "TREE_CONNECT", "\\\\nas")],
      ["the connection ended", new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445 })],
      ["NTLM does not like the server", ticket("InvalidCredential", "NTLM")],
      ["the mechanism is not known", ticket("InvalidCredential")],
      ["Kerberos does not know the server", ticket("ServerUnknown", "Kerberos")]
    ] as const
  )("when %s", (_, error) => {
    for (
      const credential of [
        joe("wrong"),
        hash(1),
        Credentials.kerberos({ keytab: keytabFile("some"), fallback: joe("wrong") })
      ]
    ) assert.isFalse(remembers(credential, error))
  })

  it("without its own proof: anonymous, and tickets of a cache, which can be new each time", () => {
    assert.isFalse(remembers(Credentials.anonymous, wrong))
    assert.isFalse(remembers(Credentials.kerberos(), ticket("InvalidCredential", "Kerberos")))
    assert.isFalse(remembers(Credentials.kerberos({ fallback: joe("wrong") }), wrong))
  })
})

describe("a remembered refusal", () => {
  it("is that of exactly this credential of this account", () => {
    const keytab = keytabFile("a")
    const other = keytabFile("b")
    const all: ReadonlyArray<Credentials.Credential> = [
      joe("a"),
      joe("b"),
      joe(""),
      hash(1),
      hash(2),
      Credentials.ntHash("joe", Redacted.make(new Uint8Array(16).fill(1, 0, 15))),
      Credentials.kerberos({ keytab, fallback: joe("a") }),
      Credentials.kerberos({ keytab, fallback: joe("b") }),
      Credentials.kerberos({ keytab, fallback: hash(1) }),
      Credentials.kerberos({ keytab: other, fallback: joe("a") }),
      Credentials.kerberos({ keytab, principal: "joe@A", fallback: joe("a") }),
      Credentials.kerberos({ keytab, principal: "joe@B", fallback: joe("a") })
    ]
    for (const refused of all) {
      const refusals = new Refusals()
      refusals.note(account, refused, wrong)
      assert.deepStrictEqual(all.filter((one) => refusals.find(account, one) !== undefined), [refused])
      assert.isUndefined(refusals.find("nas:445\\ann", refused))
    }
  })

  it("of a keytab ends when the file gets another time or another size, or is removed", () => {
    const keytab = keytabFile("changed")
    for (const named of [keytab, `FILE:${keytab}`]) {
      for (
        const change of [
          () => utimesSync(keytab, 2000, 2000),
          () => {
            appendFileSync(keytab, "more")
            utimesSync(keytab, 1000, 1000)
          },
          () => rmSync(keytab)
        ]
      ) {
        writeFileSync(keytab, "keys")
        utimesSync(keytab, 1000, 1000)
        const refusals = new Refusals()
        const credential = Credentials.kerberos({ keytab: named })
        refusals.note(account, credential, ticket("InvalidCredential", "Kerberos"))
        assert.isDefined(refusals.find(account, credential))
        change()
        assert.isUndefined(refusals.find(account, credential))
      }
    }
  })

  it("tells the same failure, and that the logon was not tried again", () => {
    const refusals = new Refusals()
    refusals.note(account, joe("a"), wrong)
    const found = refusals.find(account, joe("a"))!
    assert(found._tag === "SmbError")
    assert.deepStrictEqual(
      [found.reason._tag, found.command, found.path, found.notTriedAgain],
      ["LogonFailure", "SESSION_SETUP", "\\\\nas", true]
    )
    const withoutPath = fromStatus(NtStatus.STATUS_LOGON_FAILURE, "SESSION_SETUP")
    refusals.note(account, joe("b"), withoutPath)
    assert.notProperty(refusals.find(account, joe("b")), "path")
    const keytab = Credentials.kerberos({ keytab: keytabFile("told") })
    refusals.note(account, keytab, ticket("InvalidCredential", "Kerberos"))
    const told = refusals.find(account, keytab)!
    assert(told._tag === "AuthenticationError")
    assert.deepStrictEqual(
      [told.reason._tag, told.mechanism, told.server, told.detail],
      ["InvalidCredential", "Kerberos", "nas", "not tried again: no"]
    )
  })

  it("ends when the account logs on or the app clears all, and others stay", () => {
    const refusals = new Refusals()
    for (const one of [account, "nas:445\\ann"]) {
      for (const password of ["a", "b"]) refusals.note(one, joe(password), wrong)
    }
    refusals.forget(account)
    for (const password of ["a", "b"]) {
      assert.isUndefined(refusals.find(account, joe(password)))
      assert.isDefined(refusals.find("nas:445\\ann", joe(password)))
    }
    refusals.clear()
    assert.isUndefined(refusals.find("nas:445\\ann", joe("a")))
  })

  it("is one of the last 1000 accounts, counted from their last refusal", () => {
    const refusals = new Refusals()
    const name = (i: number) => `nas:445\\user${i}`
    for (let i = 0; i < 1000; i++) refusals.note(name(i), joe("a"), wrong)
    assert.isDefined(refusals.find(name(0), joe("a")))
    refusals.note(name(0), joe("b"), wrong)
    refusals.note(name(1000), joe("a"), wrong)
    assert.deepStrictEqual(
      [0, 1, 2, 1000].map((i) => refusals.find(name(i), joe("a")) !== undefined),
      [true, false, true, true]
    )
  })

  it("is one of the last eight of its account, counted from its last refusal", () => {
    const refusals = new Refusals()
    for (const password of "abcdefgh") refusals.note(account, joe(password), wrong)
    refusals.note(account, joe("a"), wrong)
    refusals.note(account, joe("i"), wrong)
    assert.strictEqual(
      [..."abcdefghi"].filter((one) => refusals.find(account, joe(one)) !== undefined).join(""),
      "acdefghi"
    )
  })

  it("contains no password and no hash", () => {
    const keysOf = () => {
      const refusals = new Refusals()
      refusals.note(account, joe("very secret"), wrong)
      return keys(refusals as never)
    }
    const keys = ({ refused }: { readonly refused: Map<string, Map<string, unknown>> }) =>
      [...refused.values()].map((one) => [...one.keys()].join())
    // The hash has a key of this client, so two clients have different ones.
    const [one, other] = [keysOf(), keysOf()]
    assert.deepStrictEqual([one.length, other.length], [1, 1])
    assert.notDeepEqual(one, other)
    assert.notInclude(one[0]!, "secret")
  })
})
