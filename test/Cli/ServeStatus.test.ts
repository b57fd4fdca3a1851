/** `serve status`: what an administrator of a running server is told, by the server service on loopback. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { Credentials, OpenMode, SmbClient, UserStore } from "effect-smb"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as PlatformPaths from "../../src/Cli/PlatformPaths.ts"
import { status, text, usual } from "../../src/Cli/ServeStatus.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import * as Srvsvc from "../../src/Codec/Rpc/Srvsvc.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as Served from "./served.ts"

const ann = Credentials.password("ann", Redacted.make("other"))

/** Joe is an administrator. */
const users: UserStore.Users = {
  find: (name, domain) =>
    Effect.map(
      UserStore.inMemory({ joe: Redacted.make("secret"), ann: Redacted.make("other") }).find(name, domain),
      (user) => user?.name === "joe" ? { ...user, administrator: true } : user
    )
}

describe("the status of a running server", () => {
  it.live("has its sessions with their shares, its open files with locks, and the bytes since its start", () =>
    Effect.gen(function*() {
      const { port } = yield* Served.server({
        users,
        shares: { data: MemoryStore.make(), more: MemoryStore.make() }
      })
      const server = Served.path(`//127.0.0.1:${port}`)
      const asked = Effect.provide(Served.printed(status(server, { json: true })), Served.client())
      const scope = yield* Scope.make()
      const smb = Context.get(
        yield* Scope.provide(Layer.build(Served.client({ user: ann })), scope),
        SmbClient.SmbClient
      )
      const size = 3 * 1024 * 1024
      const path = `//127.0.0.1:${port}/data/folder/a.bin`
      yield* smb.makeDirectory(`//127.0.0.1:${port}/data/folder`)
      yield* smb.writeFile(path, new Uint8Array(size))
      const file = yield* Scope.provide(smb.open(path, OpenMode.readWrite), scope)
      yield* Scope.provide(file.lock([{ offset: 0, length: 1 }, { offset: 5, length: 1 }]), scope)
      yield* Scope.provide(smb.open(`//127.0.0.1:${port}/more`, OpenMode.directory), scope)

      const all = (yield* asked).objects()
      const whole = all.find(({ kind }) => kind === "server")
      assert.isAtLeast(whole.bytesReceived, size)
      assert.isBelow(whole.bytesReceived, size + 100_000)
      assert.isBelow(whole.bytesSent, 100_000)
      assert.isBelow(Math.abs(Date.now() - Date.parse(whole.start)), 60_000)
      assert.strictEqual(whole.passwordErrors, 0)
      const sessions = all.filter(({ kind }) => kind === "session")
      // The question itself has a pipe open.
      assert.sameDeepMembers(
        sessions.map(({ client, isGuest, opens, shares, user }) => [client, user, opens, isGuest, shares.toSorted()]),
        [["127.0.0.1", "ann", 2, false, ["data", "more"]], ["127.0.0.1", "joe", 1, false, []]]
      )
      assert.sameDeepMembers(
        all.filter(({ kind }) => kind === "file").map(({ canRead, canWrite, locks, path, user }) => [
          user,
          path,
          canRead,
          canWrite,
          locks
        ]),
        [["ann", "data\\folder\\a.bin", true, true, 2], ["ann", "more", true, false, 0]]
      )

      // The bytes of a connection still count after its end.
      yield* Scope.close(scope, Exit.void)
      const wrong = Credentials.password("ann", Redacted.make("wrong"))
      yield* Effect.ignore(
        Effect.provide(Effect.flatMap(SmbClient.SmbClient, (other) => other.stat(path)), Served.client({ user: wrong }))
      )
      const later = (yield* asked).objects()
      assert.isAtLeast(later[0].bytesReceived, whole.bytesReceived)
      assert.strictEqual(later[0].passwordErrors, 1)
      assert.isEmpty(later.filter(({ kind }) => kind === "file"))
    }))

  it.live("is for administrators, and the failure says so", () =>
    Effect.gen(function*() {
      const { port } = yield* Served.server({ users })
      const { failure } = yield* Effect.provide(
        Served.printed(status(Served.path(`//127.0.0.1:${port}`), { json: false })),
        Served.client({ user: ann })
      )
      assert.deepInclude(failure?.json, { error: "SmbError", reason: "AccessDenied" })
      assert.include(failure?.message, "administrators: log on as one of them")
    }))

  it("is a table for a person", () => {
    const session = { client: "10.0.0.7", user: "joe", opens: 1, seconds: 3725, idleSeconds: 3, isGuest: false }
    const found = {
      statistics: { start: 1000, bytesSent: 5_000_000_000n, bytesReceived: 2048n, passwordErrors: 2 },
      sessions: [{ ...session, shares: ["data", "more"] }, { ...session, user: "guest", isGuest: true, shares: [] }],
      files: [{ id: 1, path: "data\\a\u001b.txt", user: "joe", locks: 2, canRead: true, canWrite: false }]
    }
    assert.deepStrictEqual(text("\\\\nas:4455", found, 1_090_000).split("\n"), [
      "\\\\nas:4455: 2 sessions, 1 open file, runs since 1m, received 2.0 KiB, sent 4.7 GiB, refused 2 logons",
      "",
      "Client    User           Since  Idle  Open files  Shares",
      "10.0.0.7  joe            1h02m  3s    1           data, more",
      "10.0.0.7  guest (guest)  1h02m  3s    1",
      "",
      "User  Access  Locks  File",
      "joe   r-      2      data\\a?.txt",
      ""
    ])
    assert.strictEqual(
      text("x", { statistics: undefined, sessions: [], files: [] }, 0).split("\n")[0],
      "x: 0 sessions, 0 open files"
    )
  })

  it.live("is asked of the server on this machine, where its configuration says", () =>
    Effect.scoped(Effect.gen(function*() {
      const home = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "effect-smb-status-"))),
        (path) => Effect.promise(() => rm(path, { recursive: true }))
      )
      const { HOME, XDG_CONFIG_HOME } = process.env
      yield* Effect.acquireRelease(
        Effect.sync(() => Object.assign(process.env, { HOME: home, XDG_CONFIG_HOME: home })),
        () =>
          Effect.sync(() => {
            for (const [name, value] of [["HOME", HOME], ["XDG_CONFIG_HOME", XDG_CONFIG_HOME]] as const) {
              if (value === undefined) delete process.env[name]
              else process.env[name] = value
            }
          })
      )
      assert.deepInclude(yield* usual, { server: "127.0.0.1", port: 4455 })
      const file = PlatformPaths.configurationFile()
      yield* Effect.promise(() => mkdir(dirname(file), { recursive: true }))
      for (const [host, server] of [["0.0.0.0", "127.0.0.1"], ["::", "::1"], ["10.0.0.1", "10.0.0.1"]] as const) {
        yield* Effect.promise(() => writeFile(file, JSON.stringify({ host, port: 445 }), { mode: 0o600 }))
        assert.deepInclude(yield* usual, { server, port: 445 })
      }
    })))
})

it("STAT_SERVER_0 has its fields in the order of MS-SRVS 2.2.4.39", () => {
  // A pointer to 17 integers, 1 to 17, and the return value 0.
  const bytes = new Uint8Array(4 + 17 * 4 + 4)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 0x20000, true)
  for (let i = 1; i <= 17; i++) view.setUint32(i * 4, i, true)
  const decoded = Codec.decode("response", Srvsvc.ServerStatisticsGetResponse)(bytes)
  assert(decoded._tag === "Success")
  const { info, returnValue } = decoded.success
  assert.strictEqual(returnValue, 0)
  assert.deepInclude(info, {
    start: 1,
    sessionOpens: 5,
    passwordErrors: 8,
    bytesSentLow: 11,
    bytesSentHigh: 12,
    bytesReceivedLow: 13,
    bytesReceivedHigh: 14,
    bigBuffersNeeded: 17
  })
})
