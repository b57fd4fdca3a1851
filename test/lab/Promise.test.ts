/** The client of promises with smbd: the same operations as those of Effect, judged by the files on the server's disk. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { type Client, connect, FileTime, isNotFound, OpenMode, SmbError } from "effect-smb/promise"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import * as Lab from "./Lab.ts"

const address = "127.0.50.1"
const data = `//${address}/data`

class World extends Context.Service<World, { readonly server: Lab.Server; readonly smb: Client }>()(
  "test/lab/Promise"
) {
  static readonly layer = Layer.effect(
    World,
    Effect.gen(function*() {
      const server = yield* Lab.server({ address, shares: [{ name: "data" }] })
      const smb = yield* Effect.acquireRelease(
        Effect.promise(() => connect({ user: Lab.user.name, password: Lab.user.password })),
        (smb) => Effect.promise(() => smb.close())
      )
      return { server, smb }
    })
  )
}

const collect = async <A>(source: AsyncIterable<A>): Promise<ReadonlyArray<A>> => {
  const all: Array<A> = []
  for await (const one of source) all.push(one)
  return all
}

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(() => Promise.reject(new Error("the promise was not rejected")), (error: unknown) => error)

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })("The client of promises with smbd", (it) => {
  const test = (
    title: string,
    body: (smb: Client, path: (...names: ReadonlyArray<string>) => string) => Promise<void>
  ) =>
    it.effect(
      title,
      () =>
        Effect.flatMap(World, ({ server, smb }) =>
          Effect.promise(() => body(smb, (...names) => server.path("data", ...names))))
    )

  test("writes and reads files, whole, as streams and at offsets", async (smb, path) => {
    const large = Uint8Array.from({ length: 3_000_000 }, (_, i) => i * 31 + (i >> 8) * 7)
    const written = new Date("2024-02-29T12:34:56.000Z")
    await smb.writeFile(`${data}/a.txt`, "text", { create: true, flush: true, lastWriteTime: written })
    assert.strictEqual(readFileSync(path("a.txt"), "utf8"), "text")
    assert.strictEqual(statSync(path("a.txt")).mtimeMs, written.getTime())
    const entry = await smb.stat(`${data}/a.txt`)
    assert.strictEqual(entry.lastWritten?.epochMilliseconds, written.getTime())
    assert.deepStrictEqual(FileTime.toDate(entry.lastWriteTime), written)
    const writer = smb.writeStream(`${data}/large`).getWriter()
    for (let at = 0; at < large.length; at += 100_000) await writer.write(large.subarray(at, at + 100_000))
    await writer.close()
    assert.isTrue(readFileSync(path("large")).equals(large))
    assert.isTrue(Buffer.concat(await collect(smb.readStream(`${data}/large`, { start: 5 }))).equals(large.subarray(5)))
    assert.isTrue(Buffer.from(await smb.readFile(`${data}/large`)).equals(large))
    await using readable = await smb.openToRead(`${data}/large`)
    assert.strictEqual(readable.opened.endOfFile, BigInt(large.length))
    const range = await collect(readable.stream({ offset: 1000, length: 2_000_000 }))
    assert.isTrue(Buffer.concat(range).equals(large.subarray(1000, 2_001_000)))
    await using file = await smb.open(`${data}/a.txt`, OpenMode.readWrite)
    await using _lock = await file.lock([{ offset: 0, length: 4 }])
    await file.write(4, Buffer.from("-more"))
    assert.strictEqual(Buffer.from(await file.read(2, 100)).toString(), "xt-more")
    await file.close()
    assert.strictEqual(readFileSync(path("a.txt"), "utf8"), "text-more")
  })

  test("appends without a loss, though smbd finds no end by itself", async (smb, path) => {
    const lines = Array.from({ length: 12 }, (_, i) => `line ${i}\n`)
    await Promise.all(lines.map((line) => smb.writeFile(`${data}/log`, line, { append: true })))
    await using file = await smb.open(`${data}/log`, OpenMode.append)
    await file.append(Buffer.from("last\n"))
    assert.strictEqual(await file.sink([Buffer.from("sunk\n")], { append: true }), 5n)
    await file.close()
    const found = readFileSync(path("log"), "utf8").trimEnd().split("\n")
    assert.deepStrictEqual(found.slice(0, 12).toSorted(), lines.map((line) => line.trimEnd()).toSorted())
    assert.deepStrictEqual(found.slice(12), ["last", "sunk"])
  })

  test("replaces a file as a whole", async (smb, path) => {
    const size = 200_000
    const content = (n: number) => new Uint8Array(size).fill(n)
    await smb.writeFile(`${data}/d.bin`, content(0), { atomic: true })
    const writer = { isDone: false }
    const reader = (async () => {
      let reads = 0
      while (!writer.isDone || reads === 0) {
        const found = readFileSync(path("d.bin"))
        assert.strictEqual(found.length, size)
        assert.isTrue(found.every((byte) => byte === found[0]))
        reads++
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    for (let n = 1; n <= 5; n++) await smb.writeFile(`${data}/d.bin`, content(n), { atomic: true })
    writer.isDone = true
    await reader
    assert.strictEqual(readFileSync(path("d.bin"))[0], 5)
    const taken = await rejection(smb.writeFile(`${data}/d.bin`, "x", { atomic: true, create: true }))
    assert.instanceOf(taken, SmbError)
    assert.strictEqual(taken.reason._tag, "ObjectNameCollision")
    assert.deepStrictEqual(readdirSync(path()).filter((name) => name.includes("part")), [])
  })

  test("lists, renames, copies and removes, and tells errors", async (smb, path) => {
    await smb.makeDirectory(`${data}/t/sub`, { recursive: true })
    await smb.writeFile(`${data}/t/sub/f.txt`, "f")
    await smb.copy(`${data}/t/sub/f.txt`, `${data}/t/g.txt`)
    await smb.rename(`${data}/t/g.txt`, `${data}/t/h.txt`)
    const walked = await collect(smb.walk(`${data}/t`))
    assert.deepStrictEqual(walked.map(({ relativePath }) => relativePath).toSorted(), ["h.txt", "sub", "sub/f.txt"])
    assert.deepStrictEqual((await collect(smb.list(`${data}/t`, { pattern: "*.txt" }))).map(({ name }) => name), [
      "h.txt"
    ])
    await smb.setAttributes(`${data}/t/h.txt`, { lastWriteTime: new Date(0) })
    assert.strictEqual(statSync(path("t", "h.txt")).mtimeMs, 0)
    await smb.remove(`${data}/t`, { recursive: true })
    assert.isFalse(existsSync(path("t")))
    assert.isTrue(isNotFound(await rejection(smb.readFile(`${data}/t/h.txt`))))
    const abort = new AbortController()
    const watching = collect(smb.watch(data, { signal: abort.signal, onStart: () => abort.abort(new Error("enough")) }))
    assert.strictEqual(((await rejection(watching)) as Error).message, "enough")
  })
})
