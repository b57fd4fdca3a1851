/**
 * Proves which of several processes gets a sidecar, and that a process shows that it serves one until it ends. Sockets
 * of this process stand for those of other processes.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, beforeEach } from "vitest"
import type { StoreError } from "../../src/Server/ShareStore.ts"
import * as SidecarLock from "../../src/Server/Store/internal/SidecarLock.ts"

let folder = ""
const servers = new Set<Net.Server>()
const at = (...names: ReadonlyArray<string>) => join(folder, ...names)
const locks = () => Fs.existsSync(at("lock")) ? Fs.readdirSync(at("lock")).sort() : []
const close = (server: Net.Server) => {
  servers.delete(server)
  return new Promise<void>((resolve) => server.close(() => resolve()))
}

beforeEach(() => {
  folder = Fs.mkdtempSync(join(tmpdir(), "smb-"))
})
afterEach(async () => {
  for (const server of servers) await close(server)
  Fs.rmSync(folder, { recursive: true })
})

const take = () => SidecarLock.take(folder, Fs.lstatSync(folder, { bigint: true }))
const reason = (promise: Promise<unknown>) =>
  promise.then(() => assert.fail("it did not fail"), (error: StoreError) => error.reason._tag)

/** Another process that wants the lock, or has it. */
const other = async (name: string, held = false): Promise<Net.Server> => {
  Fs.mkdirSync(at("lock"), { recursive: true })
  const server = Net.createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(at("lock", name), resolve))
  servers.add(server)
  if (held) Fs.writeFileSync(at("lock", `${name}.held`), "")
  return server
}

/** Waits until this process shows that it wants the lock, and has looked at the others once. */
const shown = async () => {
  while (locks().filter((name) => !name.startsWith(".")).length < 2) await sleep(1)
  await sleep(20)
}

// Names of sockets are random and hexadecimal: these come before and after all of them.
const first = "!"
const last = "~"

describe.skipIf(process.platform === "win32")("the lock of a sidecar", () => {
  it("shows that a process serves it, for this user alone, until it is closed", async () => {
    assert.isFalse(await SidecarLock.isServed(folder))
    const held = await take()
    const names = locks()
    assert.strictEqual(names.length, 2)
    assert.strictEqual(names[1], `${names[0]}.held`)
    assert.strictEqual(Fs.statSync(at("lock")).mode & 0o777, 0o700)
    assert.isTrue(await SidecarLock.isServed(folder))
    assert.strictEqual(await reason(take()), "Busy")
    assert.deepStrictEqual(locks(), names)
    await held!.close()
    assert.deepStrictEqual(locks(), [])
    assert.isFalse(await SidecarLock.isServed(folder))
    await (await take())!.close()
  })

  it("is refused with Busy while another process has it, and what the process showed of itself is gone", async () => {
    for (const name of [first, last]) {
      const server = await other(name, true)
      assert.strictEqual(await reason(take()), "Busy")
      assert.deepStrictEqual(locks(), [name, `${name}.held`])
      assert.isTrue(await SidecarLock.isServed(folder))
      await close(server)
      Fs.rmSync(at("lock", `${name}.held`))
    }
  })

  it("goes to the first by name of the processes that only want it, as soon as the others give up", async () => {
    const earlier = await other(first)
    assert.strictEqual(await reason(take()), "Busy")
    await close(earlier)
    const later = await other(last)
    let done = false
    const taken = take().finally(() => {
      done = true
    })
    await shown()
    await sleep(30)
    assert.isFalse(done)
    assert.strictEqual(locks().filter((name) => name.endsWith(".held")).length, 0)
    await close(later)
    await (await taken)!.close()
    assert.deepStrictEqual(locks(), [])
  })

  it("is refused to a process that waits when the other one gets it, or does not decide in 10 seconds", async () => {
    const later = await other(last)
    const taken = reason(take())
    await shown()
    Fs.writeFileSync(at("lock", `${last}.held`), "")
    assert.strictEqual(await taken, "Busy")
    Fs.rmSync(at("lock", `${last}.held`))
    const { now } = performance
    const begin = now.call(performance)
    let passed = 0
    performance.now = () => begin + passed
    try {
      let done = false
      const waits = reason(take()).finally(() => {
        done = true
      })
      await shown()
      passed = 9999
      await sleep(30)
      assert.isFalse(done)
      passed = 10_000
      assert.strictEqual(await waits, "Busy")
    } finally {
      performance.now = now
    }
    await close(later)
  })

  it("is free when only sockets of ended processes are left, which are removed, and ones that do not listen yet", async () => {
    Fs.mkdirSync(at("lock"))
    for (const name of [first, `${first}.held`, last]) Fs.writeFileSync(at("lock", name), "")
    const unready = await other(".early")
    assert.isFalse(await SidecarLock.isServed(at("no")))
    const held = await take()
    assert.deepStrictEqual(locks().filter((name) => [first, `${first}.held`, last].includes(name)), [])
    assert.include(locks(), ".early")
    await held!.close()
    await close(unready)
  })

  it("is none where no socket can be made, and such a process leaves it to any other", async () => {
    Fs.writeFileSync(at("lock"), "no folder")
    assert.isUndefined(
      await take().catch((error: NodeJS.ErrnoException) => {
        // The folder of the sockets cannot be read either.
        assert.strictEqual(error.code, "ENOTDIR")
      })
    )
    assert.isFalse(await SidecarLock.isServed(folder))
    Fs.rmSync(at("lock"))
    const { rename } = Fs.promises
    const without = async () => {
      Object.assign(Fs.promises, { rename: () => Promise.reject(new Error("no")) })
      try {
        return await take()
      } finally {
        Object.assign(Fs.promises, { rename })
      }
    }
    assert.isUndefined(await without())
    assert.deepStrictEqual(locks(), [])
    const server = await other(last)
    assert.strictEqual(await reason(without()), "Busy")
    await close(server)
  })

  it("of a folder above is found at any height, and not that of the folder itself", async () => {
    const name = ".effect-smb"
    Fs.mkdirSync(at("a", "b", "c"), { recursive: true })
    Fs.mkdirSync(at(name))
    const held = await SidecarLock.take(at(name), Fs.lstatSync(at(name), { bigint: true }))
    assert.strictEqual(await SidecarLock.servedAbove(at("a"), name), folder)
    assert.strictEqual(await SidecarLock.servedAbove(at("a", "b", "c"), name), folder)
    assert.isUndefined(await SidecarLock.servedAbove(folder, name))
    Fs.mkdirSync(at("a", name))
    const nearer = await SidecarLock.take(at("a", name), Fs.lstatSync(at("a", name), { bigint: true }))
    assert.strictEqual(await SidecarLock.servedAbove(at("a", "b", "c"), name), at("a"))
    await nearer!.close()
    await held!.close()
    assert.isUndefined(await SidecarLock.servedAbove(at("a", "b", "c"), name))
    // A file of that name is no sidecar.
    Fs.writeFileSync(at("a", "b", name), "")
    assert.isUndefined(await SidecarLock.servedAbove(at("a", "b", "c"), name))
  })
})
