/**
 * Proves that Samba's smbclient and this project's client follow namespaces of this project's server, and that tshark
 * accepts its referrals (MS-DFSC 2.2.4).
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { spawn } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import * as Fsctl from "../../src/Smb2/Message/Fsctl.ts"
import { main } from "../command.ts"
import { client, dfsClient } from "./Clients.ts"
import * as Lab from "./Lab.ts"

// Referrals name no port: smbclient looks for targets on 445.
const root = "127.0.29.1"
const other = "127.0.29.2"
const third = "127.0.29.3"
const dead = "127.0.29.9"

const users = UserStore.inMemory({ [Lab.user.name]: Redacted.make(Lab.user.password) })

class World extends Context.Service<World, true>()("test/lab/Namespaces/World") {
  static readonly layer = Layer.effect(
    World,
    Effect.gen(function*() {
      const namespaces = {
        roots: {
          public: {
            links: { plans: [`\\\\${other}\\data`], "media/films": [`\\\\${dead}\\data`, `\\\\${other}\\data`] }
          }
        }
      }
      yield* SmbServer.make({ host: root, port: 445, users, shares: {}, namespaces })
      yield* SmbServer.make({ host: other, port: 445, users, shares: { data: MemoryStore.make() } })
      return true as const
    })
  )
}

const smbclient = (share: string, script: string, host = root) =>
  Effect.promise(() =>
    Lab.execute(
      "smbclient",
      [`//${host}/${share}`, "-U", `${Lab.user.name}%${Lab.user.password}`, "-m", "SMB3", "-c", script]
    )
  )

layer(World.layer, { excludeTestServices: true })("a namespace of this project's server", (it) => {
  it.effect("lets smbclient list its links and walk through them, past a dead target", () =>
    Effect.gen(function*() {
      const listed = yield* smbclient("public", "ls")
      assert.strictEqual(listed.code, 0, listed.stdout + listed.stderr)
      assert.match(listed.stdout, /^ {2}plans +\S*D\S* /m)
      assert.match(listed.stdout, /^ {2}media +D /m)
      const script =
        "mkdir plans\\2027; put /etc/hostname plans\\2027\\a.txt; rename plans\\2027\\a.txt plans\\2027\\b.txt; " +
        "cd media\\films\\2027; ls; get b.txt -; del b.txt; dir b.txt"
      const walked = yield* smbclient("public", script)
      assert.match(walked.stdout, / b\.txt +A /)
      assert.include(walked.stdout, yield* Effect.promise(() => readFile("/etc/hostname", "utf8")))
      assert.include(walked.stdout, "NT_STATUS_NO_SUCH_FILE")
      const smb = yield* client()
      assert.isTrue(yield* smb.exists(`\\\\${other}\\data\\2027`))
      assert.isFalse(yield* smb.exists(`\\\\${other}\\data\\2027\\b.txt`))
    }))

  it.effect("gives referrals that tshark reads with the intended values and without an objection", () =>
    Effect.gen(function*() {
      const capture = yield* Lab.capture({ addresses: [root, other] })
      const { smb } = yield* dfsClient({ dfs: { mode: "fallback" } })
      yield* smb.writeFile(`\\\\${root}\\public\\plans\\t.txt`, "t")
      const analysis = yield* capture.analyse()
      assert.deepStrictEqual(analysis.objections, [])
      assert.strictEqual(analysis.referralRequests, 2)
      const rows = yield* capture.fields(
        `smb2.flags.response == 1 and smb2.ioctl.function == ${Fsctl.Fsctl.FSCTL_DFS_GET_REFERRALS}`,
        ["smb.dfs.path_consumed", "smb.dfs.referral.version", "smb.dfs.referral.server.type", "smb.dfs.referral.node"]
      )
      assert.deepStrictEqual(rows, [
        [String(`\\${root}\\public`.length * 2), "4", "1", `\\${root}\\public`],
        [String(`\\${root}\\public\\plans`.length * 2), "4", "0", `\\${other}\\data`]
      ])
    }))

  it.effect("gives referrals to a client with a site, which sends each FSCTL_DFS_GET_REFERRALS_EX request once", () =>
    Effect.gen(function*() {
      const capture = yield* Lab.capture({ addresses: [root, other] })
      const { smb } = yield* dfsClient({ dfs: { mode: "fallback", siteName: "Oslo" } })
      yield* smb.writeFile(`\\\\${root}\\public\\plans\\ex.txt`, "ex")
      const analysis = yield* capture.analyse()
      assert.deepStrictEqual(analysis.objections, [])
      const rows = yield* capture.fields(
        `smb2.flags.response == 1 and smb2.ioctl.function == ${Fsctl.Fsctl.FSCTL_DFS_GET_REFERRALS_EX}`,
        ["smb2.nt_status"]
      )
      assert.deepStrictEqual(rows.map(([status]) => Number(status)), [0, 0])
      assert.strictEqual(analysis.referralRequests, 2)
    }))

  it.effect("is served by the command from a file, and the command ends with 0 at SIGINT", () =>
    Effect.scoped(Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "smb-serve-"))),
        (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
      )
      const file = join(folder, "dfs.json")
      yield* Effect.promise(() =>
        writeFile(file, JSON.stringify({ roots: { base: { links: { there: [`\\\\${other}\\data`] } } } }))
      )
      const command = ["serve", folder, "--host", third, "--port", "445", "--namespace", file, "--json"]
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(process.execPath, [main, ...command, "--user", Lab.user.name], {
            env: { ...process.env, SMB_PASSWORD: Lab.user.password, XDG_CONFIG_HOME: folder, XDG_STATE_HOME: folder },
            stdio: ["ignore", "pipe", "inherit"]
          })
        ),
        (running) => Effect.sync(() => running.kill("SIGKILL"))
      )
      const ended = new Promise((resolve) => {
        child.on("close", resolve)
      })
      yield* Effect.promise(() =>
        new Promise((resolve) => {
          child.stdout.once("data", resolve)
        })
      )
      const there = yield* smbclient("base", "ls; put /etc/hostname there\\command.txt; cd there; ls", third)
      assert.match(there.stdout, /^ {2}there +/m)
      assert.match(there.stdout, / command\.txt +A /)
      const here = yield* smbclient("share", "put /etc/hostname here.txt; ls", third)
      assert.match(here.stdout, / here\.txt +A /)
      child.kill("SIGINT")
      assert.strictEqual(yield* Effect.promise(() => ended), 0)
      assert.strictEqual(
        yield* Effect.promise(() => readFile(join(folder, "here.txt"), "utf8")),
        yield* Effect.promise(() => readFile("/etc/hostname", "utf8"))
      )
    })))
})
