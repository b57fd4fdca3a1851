/** The checks of accounts and permissions at smbd, by SMB 3 and SMB 1; and smbcacls sees what the command sets. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SmbClient } from "effect-smb"
import * as Acl from "../../src/Cli/Acl.ts"
import { path, printed } from "../Cli/served.ts"
import * as Suite from "../Client/permissionsSuite.ts"
import { client } from "./Clients.ts"
import * as Lab from "./Lab.ts"
import { attempt } from "./Process.ts"

const address = "127.0.51.1"
const domain = "LAB-0-51-1"
const other = { name: "labann", password: "Other-7c2!xYq" }

class World extends Context.Service<World, Lab.Server>()("test/lab/Permissions") {
  static readonly layer = Layer.effect(
    World,
    Lab.server({
      address,
      users: [other],
      minimumDialect: "NT1",
      shares: [{ name: "data", acls: true }, { name: "old", acls: true }]
    })
  )
}

const changes = { revoke: [], grant: [], deny: [] } as const
const options = { json: false, sddl: false, recursive: false, dryRun: false, changes }

layer(World.layer, { timeout: 60_000 })("at smbd", (it) => {
  it.effect("accounts have names and SIDs, and permissions are shown and changed", () =>
    Effect.gen(function*() {
      yield* World
      const smb = yield* client()
      const place = { smb, share: `//${address}/data`, user: Lab.user.name, other: other.name, domain }
      yield* Suite.accounts(place)
      yield* Suite.permissions(place)
    }))

  it.effect("the same by SMB 1", () =>
    Effect.gen(function*() {
      yield* World
      const smb = yield* client({ dialects: ["NT1"], signing: "if-required" })
      const place = { smb, share: `//${address}/old`, user: Lab.user.name, other: other.name, domain }
      yield* Suite.accounts(place)
      yield* Suite.permissions(place)
    }))

  it.effect("smbcacls shows what acl has granted, denied and set, and acl shows what smbcacls has set", () =>
    Effect.gen(function*() {
      yield* World
      const smb = yield* client()
      const share = `//${address}/data`
      yield* smb.makeDirectory(`${share}/plans`)
      const login = `${Lab.user.name}%${Lab.user.password}`
      const smbcacls = (...args: ReadonlyArray<string>) =>
        Effect.map(
          attempt(() => Lab.mustExecute("smbcacls", [share, "plans", "-U", login, ...args])),
          ({ stdout }) => stdout
        )
      const acl = (more: Partial<Acl.Options>) =>
        Effect.provideService(
          printed(Acl.acl([path(`${share}/plans`)], { ...options, ...more })),
          SmbClient.SmbClient,
          smb
        )
      const done = yield* acl({
        changes: {
          ...changes,
          inherit: "copy",
          grant: [{ name: other.name, mask: 0x1301bf, aceFlags: undefined }],
          deny: [{ name: `${domain}\\${other.name}`, mask: 0x10000, aceFlags: 0 }]
        }
      })
      assert.deepStrictEqual([done.out, done.err, done.failure], ["", "", undefined])
      const shown = yield* smbcacls()
      assert.include(shown, `ACL:${domain}\\${other.name}:DENIED/0x0/D\n`)
      assert.include(shown, `ACL:${domain}\\${other.name}:ALLOWED/OI|CI/RWX\n`)
      yield* smbcacls(
        "--set",
        `ACL:${domain}\\${other.name}:ALLOWED/OI|CI/READ,ACL:${domain}\\${Lab.user.name}:ALLOWED/0x0/FULL`
      )
      const { lines } = yield* acl({})
      // smbcacls sorts the entries.
      assert.deepStrictEqual(lines.slice(-3), [
        "Type   Rights  For   From  Name",
        `allow  full    here  here  ${domain}\\${Lab.user.name}`,
        `allow  read    all   here  ${domain}\\${other.name}`
      ])
    }))
})
