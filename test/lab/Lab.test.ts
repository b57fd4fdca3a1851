/**
 * Proves the lab itself with Samba's smbclient: servers, shares, captures and the proxy do what tests ask for, and
 * leave no process, folder or address behind.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { existsSync } from "node:fs"
import { connect } from "node:net"
import * as Lab from "./Lab.ts"

const three = Lab.servers({
  root: {
    address: "127.0.21.1",
    shares: [{
      name: "dfs",
      dfs: {
        plain: "127.0.21.2\\data",
        "dead-first": ["127.0.21.9\\data", "127.0.21.3\\data"],
        inter: "127.0.21.2\\dfs\\deep"
      }
    }]
  },
  one: {
    address: "127.0.21.2",
    shares: [{ name: "data" }, { name: "dfs", dfs: { deep: "127.0.21.3\\data" } }]
  },
  two: { address: "127.0.21.3", shares: [{ name: "data" }] }
})

const connection = (address: string, port: number, bytes: Uint8Array) =>
  Effect.promise(() =>
    new Promise<string>((resolve) => {
      let heard = ""
      const socket = connect(port, address, () => socket.write(bytes))
      socket.on("data", (chunk) => {
        heard += chunk.toString("latin1")
        socket.destroy()
      })
      socket.on("error", (error) => resolve(error.message))
      socket.on("close", () => resolve(heard))
    })
  )

describe("Lab", () => {
  it.effect("starts three servers whose links smbclient follows, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
      const { one, root, two } = yield* three.pipe(Scope.provide(scope))
      const capture = yield* Lab.capture({ addresses: ["127.0.21.1", "127.0.21.2", "127.0.21.3"] }).pipe(
        Scope.provide(scope)
      )
      yield* one.write("data", "hello.txt", "from one")
      yield* two.write("data", "hello.txt", "from two")

      const links = yield* Lab.smbclient("//127.0.21.1/dfs", "ls")
      assert.strictEqual(links.code, 0, links.stdout)
      for (const name of ["plain", "dead-first", "inter"]) assert.include(links.stdout, name)

      const through = yield* Lab.smbclient(
        "//127.0.21.1/dfs",
        "get plain\\hello.txt -; put /etc/hostname plain\\new.txt"
      )
      assert.include(through.stdout, "from one")
      assert(existsSync(one.path("data", "new.txt")))
      const deep = yield* Lab.smbclient("//127.0.21.1/dfs", "get inter\\hello.txt -")
      assert.include(deep.stdout, "from two")
      const wrong = yield* Lab.smbclient("//127.0.21.1/dfs", "ls", { user: { name: "smbtest", password: "no" } })
      assert.include(wrong.stdout + wrong.stderr, "NT_STATUS_LOGON_FAILURE")

      const analysis = yield* capture.analyse()
      assert.isAbove(analysis.packets, 50)
      assert.isAbove(analysis.referralRequests, 1)
      assert.deepStrictEqual(analysis.objections, [])
      assert.include(yield* root.log, "smbd")

      yield* root.stop
      assert.match(yield* connection("127.0.21.1", 445, Buffer.of()), /ECONNREFUSED/)
      yield* root.start
      assert.strictEqual((yield* Lab.smbclient("//127.0.21.1/dfs", "ls")).code, 0)

      const folders = [root, one, two].map((server) => server.path("", "..").replace(/\/$/, ""))
      assert.isAbove(folders.flatMap((folder) => Lab.processesWith(`${folder}/`)).length, 2)
      yield* Scope.close(scope, Exit.void)
      for (const folder of folders) {
        assert.deepStrictEqual(Lab.processesWith(`${folder}/`), [])
        assert(!existsSync(folder))
      }
      assert.deepStrictEqual(Lab.processesWith(capture.file), [])
      const addresses = yield* Effect.promise(() => Lab.mustExecute("ip", ["addr", "show", "dev", "lo"]))
      assert.notMatch(addresses.stdout, /127\.0\.21\.[123]\//)
    }))

  it.effect("makes shares with streams, ACLs, snapshots, encryption and guests", () =>
    Effect.gen(function*() {
      const server = yield* Lab.server({
        address: "127.0.21.4",
        guest: true,
        signing: "mandatory",
        encryptionAlgorithms: ["AES-256-GCM"],
        maximumDialect: "SMB3_11",
        users: [{ name: "smbtest2", password: "Other-1" }],
        shares: [
          { name: "rich", streams: "xattr", acls: true, extendedAttributes: true },
          { name: "old", snapshots: true },
          { name: "secret", encryption: "required" },
          { name: "open", guest: true, readOnly: true }
        ]
      })
      yield* server.write("rich", "file", "main")
      const rich = yield* Lab.smbclient(
        "//127.0.21.4/rich",
        "put /etc/hostname file:second; allinfo file; showacls; ls file"
      )
      assert.include(rich.stdout, "stream: [:second:$DATA]")
      assert.include(rich.stdout, "SEC_DESC_DACL_PRESENT")

      yield* server.write("old", ".snapshots/@GMT-2026.01.02-03.04.05/file", "old text")
      yield* server.write("old", "file", "as it is")
      const old = yield* Lab.smbclient("//127.0.21.4/old", "allinfo file; get @GMT-2026.01.02-03.04.05\\file -")
      assert.include(old.stdout, "@GMT-2026.01.02-03.04.05")
      assert.include(old.stdout, "old text")

      const other = { name: "smbtest2", password: "Other-1" }
      assert.strictEqual((yield* Lab.smbclient("//127.0.21.4/secret", "ls", { user: other })).code, 0)
      const plain = yield* Lab.smbclient("//127.0.21.4/secret", "ls", { args: ["-m", "SMB2_10"] })
      assert.include(plain.stdout + plain.stderr, "NT_STATUS_ACCESS_DENIED")
      const stranger = { name: "nobody-knows", password: "x" }
      const open = yield* Lab.smbclient("//127.0.21.4/open", "ls", {
        user: stranger,
        args: ["--client-protection=off"]
      })
      assert.strictEqual(open.code, 0, open.stdout + open.stderr)
    }))

  it.effect("refuses an address that another server uses", () =>
    Effect.gen(function*() {
      yield* Lab.server({ address: "127.0.21.5", shares: [{ name: "data" }] })
      const error = yield* Effect.flip(Lab.server({ address: "127.0.21.5", shares: [{ name: "data" }] }))
      assert.include(error.message, "in use")
      assert.strictEqual((yield* Lab.smbclient("//127.0.21.5/data", "ls")).code, 0)
    }))

  it.effect("reports the error of a server that does not start", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Lab.server({ address: "127.0.21.6", shares: [], options: { "server role": "no such role" } })
      )
      assert.include(error.message, "no such role")
    }))

  it.effect("puts a proxy between smbclient and smbd that observes, delays, cuts, changes and refuses", () =>
    Effect.gen(function*() {
      const server = yield* Lab.server({ address: "127.0.21.7", shares: [{ name: "data" }] })
      yield* server.write("data", "file", "through the proxy")
      const proxy = yield* Lab.proxy({ listen: { address: "127.0.21.8" }, target: { address: "127.0.21.7" } })
      const get = Lab.smbclient("//127.0.21.8/data", "get file -")
      assert.include((yield* get).stdout, "through the proxy")
      assert.isAbove(proxy.connections(), 0)

      const seen: Array<string> = []
      yield* proxy.onPacket(({ bytes, direction, index }) => {
        if (index === 0) seen.push(`${direction} ${bytes.subarray(4, 8).toString("latin1")}`)
        return bytes
      })
      yield* proxy.setDelay(20)
      const began = performance.now()
      assert.include((yield* get).stdout, "through the proxy")
      assert.isAbove(performance.now() - began, 150)
      assert.deepStrictEqual(seen, ["toServer \xfeSMB", "toClient \xfeSMB"])
      yield* proxy.setDelay(0)

      yield* proxy.onPacket(({ bytes, direction, index }) => direction === "toClient" && index === 2 ? "cut" : bytes)
      assert.notStrictEqual((yield* get).code, 0)
      // A changed signature of the first signed response.
      yield* proxy.onPacket(({ bytes, direction, index }) => {
        if (direction === "toClient" && index === 3) bytes[4 + 48]! ^= 1
        return bytes
      })
      assert.match((yield* get).stdout, /NT_STATUS_ACCESS_DENIED|NT_STATUS_CONNECTION_DISCONNECTED/)
      yield* proxy.refuse(true)
      const refused = yield* get
      assert.notStrictEqual(refused.code, 0)
      yield* proxy.refuse(false)
      yield* proxy.onPacket(undefined)
      assert.include((yield* get).stdout, "through the proxy")
    }))
})
