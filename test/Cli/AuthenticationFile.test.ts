/** `-A`: what the command takes from an authentication file, and which of several users and passwords counts. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted, Result } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as AuthenticationFile from "../../src/Cli/AuthenticationFile.ts"
import type { Shared } from "../../src/Cli/Flags.ts"
import * as Keyring from "../../src/Cli/Keyring.ts"
import * as Session from "../../src/Cli/Session.ts"
import * as Served from "./served.ts"

const parse = (text: string) =>
  Result.match(AuthenticationFile.parse(text), {
    onFailure: (message) => message,
    onSuccess: ({ domain, password, username }) => [
      username,
      password === undefined ? undefined : Redacted.value(password),
      domain
    ]
  })

describe("an authentication file", () => {
  it("has username, password and domain in any order, with comments and any line ends", () => {
    // This is the form of smbclient's manual page.
    assert.deepStrictEqual(parse("username = joe\npassword = secret\ndomain   = CORP\n"), ["joe", "secret", "CORP"])
    assert.deepStrictEqual(parse("\uFEFF# a comment\r\n; another\r\n\r\nDomain=CORP\r\nUserName=joe\r\n"), [
      "joe",
      undefined,
      "CORP"
    ])
    assert.deepStrictEqual(parse(""), [undefined, undefined, undefined])
    // An empty user or domain is none. What the file does not have can come from elsewhere.
    for (const text of ["", "username=\ndomain=\n"]) {
      assert.deepStrictEqual(AuthenticationFile.parse(text), Result.succeed({}))
    }
  })

  it("keeps a password with =, #, and blanks at its end, and an empty one", () => {
    assert.deepStrictEqual(parse("password = a=b # c ;  "), [undefined, "a=b # c ;  ", undefined])
    assert.deepStrictEqual(parse("username = joe\npassword ="), ["joe", "", undefined])
  })

  it("is refused with the number of the line, and without its content", () => {
    assert.match(String(parse("username = joe\nhush")), /^line 2 /)
    assert.match(String(parse("passwort = hush")), /^line 1 /)
    assert.notMatch(String(parse("username = joe\nhush") + String(parse("passwort = hush"))), /hush/)
  })
})

describe("-A", () => {
  const none = Option.none()
  const shared = (given: Partial<Shared>) =>
    ({
      user: none,
      passwordFile: none,
      authenticationFile: none,
      guest: false,
      kerberos: false,
      keytab: none,
      ...given
    }) as unknown as Shared

  const withFile = <A, E, R>(text: string, use: (given: Partial<Shared>, folder: string) => Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-smb-auth-"))),
      (folder) => {
        writeFileSync(join(folder, "auth"), text)
        writeFileSync(join(folder, "password"), "other\n")
        return use({ authenticationFile: Option.some(join(folder, "auth")) }, folder)
      },
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    ).pipe(Effect.provide(NodeServices.layer))

  const credentialOf = (given: Partial<Shared>, path = "//nas/data") =>
    Effect.provide(Session.credential(shared(given), [Served.path(path)]), Keyring.layer)

  it.live("gives user, password and domain, and --password-file goes before its password", () =>
    withFile("username = joe\npassword = secret\ndomain = CORP\n", (given, folder) =>
      Effect.gen(function*() {
        const found = yield* credentialOf(given)
        assert(found._tag === "Password")
        assert.deepStrictEqual([found.user, found.domain, Redacted.value(found.password)], ["joe", "CORP", "secret"])
        const other = yield* credentialOf({ ...given, passwordFile: Option.some(join(folder, "password")) })
        assert(other._tag === "Password")
        assert.strictEqual(Redacted.value(other.password), "other")
        const same = yield* credentialOf(given, "smb://joe@nas/data")
        assert.deepInclude(same, { user: "joe" })
        for (
          const [more, path] of [
            [{ user: Option.some("ann") }, "//nas/data"],
            [{}, "smb://ann@nas/data"],
            [{ guest: true }, "//nas/data"]
          ] as const
        ) {
          const error = yield* Effect.flip(credentialOf({ ...given, ...more }, path))
          assert.strictEqual(error._tag, "UsageError")
          assert.notInclude(String("message" in error ? error.message : ""), "secret")
        }
      })))

  it.live("with only a password is for the user of the path", () =>
    withFile("password = secret", (given) =>
      Effect.gen(function*() {
        const found = yield* credentialOf(given, "smb://ann@nas/data")
        assert(found._tag === "Password")
        assert.deepStrictEqual([found.user, Redacted.value(found.password)], ["ann", "secret"])
      })))

  it.live("that cannot be parsed is wrong use, with the file and the line", () =>
    withFile("user joe", (given) =>
      Effect.map(Effect.flip(credentialOf(given)), (error) => {
        assert.strictEqual(error._tag, "UsageError")
        assert.match(String("message" in error ? error.message : ""), /auth: line 1 /)
      })))
})
