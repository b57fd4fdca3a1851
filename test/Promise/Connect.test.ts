/** `connect` over TCP to this project's server: a whole session, web streams as Node's, and the end of the process. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Redacted, Scope } from "effect"
import { MemoryStore, OpenMode, SmbServer, UserStore } from "effect-smb"
import { connect } from "effect-smb/promise"
import { execFile } from "node:child_process"
import { createReadStream, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Readable } from "node:stream"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { countUp, readSoon, serve } from "../../examples/promise.ts"
import { random } from "../random.ts"
import { collect, rejection } from "./world.ts"

const host = "127.0.49.41"
const account = { user: "joe", password: "a-secret-of-this-test" }
const root = fileURLToPath(new URL("../../", import.meta.url))

/** The path of an empty share of a server. */
const share = async () => {
  const scope = Scope.makeUnsafe()
  const users = UserStore.inMemory({ joe: Redacted.make(account.password) })
  const { port } = await Effect.runPromise(
    Scope.provide(SmbServer.make({ host, port: 0, users, shares: { data: MemoryStore.make() } }), scope)
  )
  return {
    data: `//${host}:${port}/data`,
    [Symbol.asyncDispose]: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

describe("connect", () => {
  it("logs on with a password as text, which no error has", async () => {
    await using there = await share()
    await using smb = await connect({ ...account, domain: "CORP", encryption: "required" })
    await smb.writeFile(`${there.data}/a`, "text")
    assert.strictEqual(await smb.readFileString(`${there.data}/a`), "text")
    await using other = await connect({ user: "joe", password: "another-secret-of-this-test" })
    const error = await rejection(other.readFile(`${there.data}/a`)) as Error & { readonly command: string }
    assert.strictEqual(error.command, "SESSION_SETUP")
    assert.notInclude(JSON.stringify(error) + error.message + error.stack, "another-secret")
  })

  it("gives a client with all operations", async () => {
    await using there = await share()
    await using smb = await connect(account)
    const at = (name: string) => `${there.data}/${name}`
    await smb.makeDirectory(at("d/e"), { recursive: true })
    const bytes = Buffer.from("0123456789")
    assert.strictEqual(await smb.sink(at("d/f"), [bytes, bytes]), 20n)
    assert.strictEqual(await smb.sink(at("d/f"), Readable.from([Buffer.from("xy")]), { offset: 2 }), 2n)
    assert.strictEqual(await smb.readFileString(at("d/f")), "01xy4567890123456789")
    const chunks: Array<string> = []
    assert.strictEqual(
      await smb.readTo(at("d/f"), (chunk, offset) => chunks.push(`${offset} ${chunk}`), { offset: 18 }),
      2n
    )
    assert.deepStrictEqual(chunks, ["18 56,57"])
    assert.strictEqual(Buffer.concat(await collect(smb.stream(at("d/f"), { length: 4 }))).toString(), "01xy")
    let left = 3
    assert.strictEqual(
      await smb.writeFrom(at("d/g"), async (buffer) => left-- > 0 ? buffer.fill(65, 0, 1) && 1 : 0),
      3n
    )
    await smb.truncate(at("d/g"), 2)
    assert.strictEqual(await smb.readFileString(at("d/g")), "AA")
    await smb.copy(at("d/g"), at("d/h"))
    await smb.rename(at("d/h"), at("d/i"))
    await smb.setAttributes(at("d/i"), { lastWriteTime: 133_000_000_000_000_000n })
    assert.strictEqual((await smb.stat(at("d/i"))).lastWriteTime, 133_000_000_000_000_000n)
    assert.deepStrictEqual((await collect(smb.list(at("d"), { pattern: "?" }))).map(({ name }) => name).toSorted(), [
      "e",
      "f",
      "g",
      "i"
    ])
    assert.lengthOf(await collect(smb.walk(there.data)), 5)
    assert.strictEqual((await smb.removable(at("d/i"))).name, "i")
    const descriptor = await smb.security.get(at("d/i"))
    await smb.security.set(at("d/i"), { dacl: descriptor.dacl } as typeof descriptor)
    assert.deepStrictEqual(await smb.namedStreams(at("d/i")), [])
    assert.deepStrictEqual(await smb.previousVersions(at("d")), [])
    assert.include((await smb.shares(there.data)).map(({ name }) => name), "data")
    await smb.makeLink(at("d/l"), "i")
    assert.strictEqual(await smb.readLink(at("d/l")), "i")
    {
      await using file = await smb.openToRead(at("d/f"))
      assert.strictEqual(file.opened.endOfFile, 20n)
      assert.strictEqual(await file.readTo(() => undefined), 20n)
    }
    const result = await smb.withShare(at("d/f"), async (share, path) => {
      const { results } = await share.batch(path, OpenMode.read, [
        { _tag: "Read", offset: 0n, length: 4 },
        { _tag: "Unlock", ranges: [{ offset: 0n, length: 1n }] }
      ])
      await (await share.open(path, OpenMode.read)).read(0, 1)
      return results
    })
    assert(result[0].ok && !result[1].ok)
    assert.strictEqual(Buffer.from(result[0].value).toString(), "01xy")
    assert.strictEqual(result[1].error.reason._tag, "RangeNotLocked")
    await smb.remove(at("d"), { recursive: true })
    assert.isFalse(await smb.exists(at("d")))
    await smb.retryLogons()
  })

  it("gives files with locks that end with unlock and with the file", async () => {
    await using there = await share()
    await using smb = await connect(account)
    const path = `${there.data}/a`
    await smb.writeFile(path, "0123456789")
    await using one = await smb.open(path, OpenMode.readWrite)
    await using two = await smb.open(path, OpenMode.readWrite)
    const ranges = [{ offset: 0, length: 4 }]
    const locked = async () => ((await rejection(two.lock(ranges, { wait: false }))) as { readonly _tag: string })._tag
    const lock = await one.lock(ranges)
    assert.strictEqual(await locked(), "SmbError")
    await lock.unlock()
    await (await two.lock(ranges, { wait: false })).unlock()
    await one.lock(ranges)
    assert.strictEqual(await locked(), "SmbError")
    await one.write(4, Buffer.from("xy"))
    assert.strictEqual(Buffer.from(await one.read(3, 4)).toString(), "3xy6")
    await one.truncate(5)
    await one.flush()
    assert.strictEqual(Buffer.concat(await collect(one.stream())).toString(), "0123x")
    await one.close()
    await using _again = await two.lock(ranges, { wait: false })
  })

  it("sees changes from onStart on", async () => {
    await using there = await share()
    await using smb = await connect(account)
    const started = Promise.withResolvers<void>()
    const watching = (async () => {
      for await (const change of smb.watch(there.data, { onStart: () => started.resolve() })) return change
      return undefined
    })()
    await started.promise
    await smb.writeFile(`${there.data}/new`, "")
    const change = await watching
    assert(change?._tag === "Change")
    assert.deepStrictEqual([change.action, change.name], ["added", "new"])
  })
})

describe("readStream", () => {
  it("has the ranges of Node's createReadStream", async () => {
    await using there = await share()
    await using smb = await connect(account)
    const folder = mkdtempSync(join(tmpdir(), "effect-smb-promise-"))
    try {
      const size = 200_000
      const bytes = Buffer.from(Array.from({ length: size }, (_, i) => i % 251))
      writeFileSync(join(folder, "a"), bytes)
      await smb.writeFile(`${there.data}/a`, bytes)
      const next = random(7)
      const number = () => next(size + 10)
      const ranges = [
        {},
        { start: 0, end: 0 },
        { start: size },
        { start: size - 1 },
        { end: size + 5 },
        ...Array.from({ length: 20 }, () => {
          const [start, end] = [number(), number()].toSorted((a, b) => a - b) as [number, number]
          return { start, end }
        })
      ]
      for (const range of ranges) {
        const wanted = Buffer.concat(await collect(createReadStream(join(folder, "a"), range)))
        const found = Buffer.concat(await collect(Readable.fromWeb(smb.readStream(`${there.data}/a`, range) as never)))
        assert.isTrue(found.equals(wanted), JSON.stringify(range))
      }
      for (
        const range of [{ start: 5, end: 3 }, { start: 1.5 }, { start: -1 }, { end: Number.NaN }, { start: 1n << 63n }]
      ) {
        const reading = smb.readStream(`${there.data}/a`, range).getReader()
        const error = await reading.read().then(() => undefined, (error: unknown) => error)
        assert.strictEqual((error as { readonly _tag: string })._tag, "ArgumentError", String(Object.values(range)))
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe("the examples", () => {
  it("count under a lock, and read what may be missing", async () => {
    await using there = await share()
    {
      await using smb = await connect(account)
      await smb.writeFile(`${there.data}/count`, "       0")
    }
    for (const wanted of [1, 2]) assert.strictEqual(await countUp(account, `${there.data}/count`), wanted)
    assert.strictEqual(await readSoon(account, `${there.data}/count`), "       2")
    assert.isUndefined(await readSoon(account, `${there.data}/none`))
  })

  it("serve a share over HTTP, in both directions", async () => {
    await using there = await share()
    const server = await serve(account, there.data)
    await new Promise<void>((resolve) => server.listen(0, host, resolve))
    const url = `http://${host}:${(server.address() as AddressInfo).port}`
    const body = "x".repeat(3_000_000)
    assert.strictEqual((await fetch(`${url}/a`, { method: "PUT", body })).status, 200)
    assert.strictEqual(await (await fetch(`${url}/a`)).text(), body)
    assert.strictEqual((await fetch(`${url}/none`)).status, 404)
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
})

describe("a process", () => {
  it("ends by itself when the client is closed", async () => {
    await using there = await share()
    const script = `
      import { connect } from ${JSON.stringify(join(root, "src/Promise/index.ts"))}
      const smb = await connect(${JSON.stringify({ ...account, idle: "10 minutes" })})
      await smb.writeFile("${there.data}/a", "text")
      await smb.writeStream("${there.data}/b").close()
      for await (const entry of smb.list("${there.data}")) console.log(entry.name)
      await smb.close()
    `
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
      // Less than `idle`, which would end the connections without `close`.
      timeout: 18_000
    })
    assert.deepStrictEqual(stdout.trim().split("\n").toSorted(), ["a", "b"])
  })
})

describe("the public modules", () => {
  it("mention no type of Effect, except in the class of an error", () => {
    const sources = globSync("src/Promise/*.ts", { cwd: root }).toSorted()
    const naming = sources.filter((path) => /from "effect\//.test(readFileSync(join(root, path), "utf8")))
    assert.isAbove(sources.length, 3)
    assert.deepStrictEqual(naming, ["src/Promise/ClientClosed.ts"])
  })
})
