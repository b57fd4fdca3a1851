/**
 * The lines that `serve` prints to say how clients reach a share: the command's own parser, Node's URL and the rules
 * of each platform read them as the same place.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as ConnectInstructions from "../../src/Cli/ConnectInstructions.ts"
import * as Remote from "../../src/Cli/Remote.ts"

const place = { port: 4455, share: "share", user: "joe" }
/** The place that a line names, as this package's own command reads it. */
const read = (text: string) => {
  const { port, server, share, user } = Result.getOrThrow(Remote.parse(text, { share: true }))
  return { server, port, share, user }
}
const [windows, mac, linux, smbclient] = [0, 1, 2, 3]

describe("the lines on how to reach a share", () => {
  it.each(["127.0.0.1", "nas.example", "::1", "2001:db8::5", "fe80::fc:ff:fe00:1%eth0"])(
    "name server, port, share and user at %s",
    (host) => {
      const lines = ConnectInstructions.lines({ host, ...place }).split("\n")
      const unc = /(\\\\\S+)/.exec(lines[windows!]!)![1]!
      assert.notInclude(unc.slice(2), ":", "Windows reads a name with a colon as a drive or a stream")
      assert.deepInclude(read(unc), { server: host, share: "share" })
      const url = /(smb:\S+)/.exec(lines[mac!]!)![1]!
      assert.deepStrictEqual(read(url), { server: host, port: 4455, share: "share", user: "joe" })
      // Each parser of URLs splits it in the same way; Node's parser does not know zones.
      if (!host.includes("%")) {
        const { hostname, port, username } = new URL(url)
        assert.deepStrictEqual([hostname.replace(/^\[|\]$/g, ""), port, username], [host, "4455", "joe"])
      }
      const mount = /(\/\/\S+)/.exec(lines[linux!]!)![1]!
      assert.deepInclude(read(mount), { server: host, share: "share" })
      assert.strictEqual(lines[linux!]!.includes(`ip=${host},`), host.includes(":"))
      assert.include(lines[smbclient!]!, `smbclient //${host}/share -p 4455 -U joe`)
      assert.strictEqual(lines.length, host.includes("%") ? 5 : 4)
    }
  )
  it("name no port when the server listens on port 445", () => {
    assert.notMatch(ConnectInstructions.lines({ ...place, host: "::1", port: 445 }), /445/)
  })
  it("name no URL for a share or a user that no URL can carry", () => {
    for (const half of [{ share: "a\ud800" }, { user: "\udc00joe" }]) {
      const lines = ConnectInstructions.lines({ ...place, ...half, host: "nas" }).split("\n")
      assert.strictEqual(lines.length, 4)
      assert.match(lines[mac!]!, /macOS +\(no URL can carry this name, .*: rename the share or the user\)$/)
    }
    assert.include(ConnectInstructions.lines({ ...place, share: "\u{1f600}", host: "nas" }), "/%F0%9F%98%80")
  })
  it("are read by Remote.parse, which refuses a password in every form of a path", () => {
    for (
      const text of [
        "//joe:pw@nas/x",
        "smb://joe%3Apw@nas/x",
        "\\\\?\\UNC\\joe:pw@nas\\x",
        "//a@b:pw@nas/x",
        "smb://joe:p/pw@nas/x",
        "smb:///joe:pw@nas/x"
      ]
    ) {
      const refused = Remote.parse(text, { share: true })
      assert(Result.isFailure(refused), text)
      assert.notInclude(refused.failure, "pw")
    }
  })
})
