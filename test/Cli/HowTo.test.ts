import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as HowTo from "../../src/Cli/HowTo.ts"
import * as Remote from "../../src/Cli/Remote.ts"

const place = { port: 4455, share: "share", user: "joe" }
/** The place that a line leads to, as this package's own command reads it. */
const read = (text: string) => {
  const { port, server, share, user } = Result.getOrThrow(Remote.parse(text, { share: true }))
  return { server, port, share, user }
}
const [windows, mac, linux, smbclient] = [0, 1, 2, 3]

describe("how a share is reached", () => {
  it.each(["127.0.0.1", "nas.example", "::1", "2001:db8::5", "fe80::fc:ff:fe00:1%eth0"])("at %s", (host) => {
    const lines = HowTo.lines({ host, ...place }).split("\n")
    const unc = /(\\\\\S+)/.exec(lines[windows!]!)![1]!
    assert.notInclude(unc.slice(2), ":", "Windows reads what stands before a colon as a drive, or as a stream")
    assert.deepInclude(read(unc), { server: host, share: "share" })
    const url = /(smb:\S+)/.exec(lines[mac!]!)![1]!
    assert.deepStrictEqual(read(url), { server: host, port: 4455, share: "share", user: "joe" })
    // Any reader of URLs takes it apart in the same way; Node's knows no zones.
    if (!host.includes("%")) {
      const { hostname, port, username } = new URL(url)
      assert.deepStrictEqual([hostname.replace(/^\[|\]$/g, ""), port, username], [host, "4455", "joe"])
    }
    const mount = /(\/\/\S+)/.exec(lines[linux!]!)![1]!
    assert.deepInclude(read(mount), { server: host, share: "share" })
    assert.strictEqual(lines[linux!]!.includes(`ip=${host},`), host.includes(":"))
    assert.include(lines[smbclient!]!, `smbclient //${host}/share -p 4455 -U joe`)
    assert.strictEqual(lines.length, host.includes("%") ? 5 : 4)
  })
  it("on the usual port names none", () => {
    assert.notMatch(HowTo.lines({ ...place, host: "::1", port: 445 }), /445/)
  })
  it("a password is refused in every form of a path", () => {
    for (const text of ["//joe:pw@nas/x", "smb://joe%3Apw@nas/x", "\\\\?\\UNC\\joe:pw@nas\\x", "//a@b:pw@nas/x"]) {
      const refused = Remote.parse(text, { share: true })
      assert(Result.isFailure(refused), text)
      assert.notInclude(refused.failure, "pw")
    }
  })
})
