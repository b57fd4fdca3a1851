/**
 * Proves that transfers and open files of this client outlive their connections to smbd: 64 MiB arrive whole while a
 * proxy cuts the connection ten times, with durable handles, without them, and by SMB 1; and while smbd is killed and
 * started again. The same at this project's own server with persistent opens, which is killed twice between the cuts.
 *
 * `RECONNECT_MIB` is another number of MiB.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Ref, type Scope, Stream } from "effect"
import { Credentials, OpenMode, type SmbClient } from "effect-smb"
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type * as ReconnectNotice from "../../src/Client/ReconnectNotice.ts"
import { noise, sha256 } from "./checks/Place.ts"
import { client } from "./Clients.ts"
import * as Lab from "./Lab.ts"

const mebibytes = Number(process.env.RECONNECT_MIB ?? 64)
const size = mebibytes * 1024 * 1024
/** Milliseconds for a test. */
const patience = 240_000 * Math.max(1, mebibytes / 256)
const content = noise(size)
const digest = sha256(content)
const cuts = 10

const durable = {
  "durable handles": "yes",
  "kernel oplocks": "no",
  "kernel share modes": "no",
  "posix locking": "no"
}

const kinds = {
  "with durable handles": { address: "127.0.61.1", options: durable, client: {} },
  "without durable handles": { address: "127.0.61.2", options: { "durable handles": "no" }, client: {} },
  "by SMB 1": {
    address: "127.0.61.3",
    options: {},
    client: { dialects: ["NT1"], signing: "if-required" },
    minimumDialect: "NT1"
  }
} as const

const filling = () => {
  let at = 0
  return (buffer: Uint8Array) =>
    Effect.sync(() => {
      const part = content.subarray(at, at + buffer.length)
      buffer.set(part)
      at += part.length
      return part.length
    })
}

const pieces = function*() {
  for (let at = 0; at < size; at += 1_000_000) yield content.subarray(at, at + 1_000_000)
}

type Transfer = (smb: SmbClient.Client, base: string) => Effect.Effect<unknown, unknown>

const up: Record<string, Transfer> = {
  sink: (smb, base) => Stream.run(Stream.fromIterable(pieces()), smb.sink(`${base}/sink`)),
  writeFrom: (smb, base) => smb.writeFrom(`${base}/writeFrom`, filling()),
  "an atomic writeFile": (smb, base) => smb.writeFile(`${base}/an atomic writeFile`, content, { atomic: true })
}

const gathered = (
  use: (keep: (chunk: Uint8Array, offset: bigint) => Effect.Effect<void>) => Effect.Effect<unknown, unknown>
) =>
  Effect.suspend(() => {
    const all = new Uint8Array(size)
    return Effect.as(use((chunk, offset) => Effect.sync(() => all.set(chunk, Number(offset)))), all)
  })

const down: Record<string, (smb: SmbClient.Client, path: string) => Effect.Effect<Uint8Array, unknown>> = {
  readTo: (smb, path) => gathered((keep) => smb.readTo(path, keep)),
  stream: (smb, path) =>
    Effect.map(Stream.runCollect(smb.stream(path)), (chunks) => new Uint8Array(Buffer.concat(chunks))),
  readFile: (smb, path) => smb.readFile(path)
}

/** A server behind a proxy that cuts the connection ten times within 64 MiB. */
const cutting = Effect.fnUntraced(function*(kind: (typeof kinds)[keyof typeof kinds], behind: string) {
  const server = yield* Lab.server({
    address: kind.address,
    shares: [{ name: "data", options: kind.options }],
    ...("minimumDialect" in kind ? { minimumDialect: kind.minimumDialect } : {})
  })
  let moved = 0
  let cut = 0
  const each = size / (cuts + 1)
  const proxy = yield* Lab.proxy({
    listen: { address: behind },
    target: { address: kind.address },
    onPacket: ({ bytes }) => {
      moved += bytes.length
      if (cut >= cuts || moved < (cut + 1) * each) return bytes
      cut++
      return "cut"
    }
  })
  const notices: Array<ReconnectNotice.Notice> = []
  const smb = yield* client({
    ...kind.client,
    onReconnect: (notice) => Effect.sync(() => void notices.push(notice))
  })
  const again = () => {
    moved = 0
    cut = 0
  }
  const told = (tag: ReconnectNotice.Notice["_tag"]) => notices.filter(({ _tag }) => _tag === tag).length
  return { server, proxy, smb, told, again, cuts: () => cut, base: `//${behind}/data` }
})

describe("64 MiB through ten cuts", () => {
  for (const [name, kind] of Object.entries(kinds)) {
    it.live(`arrive whole ${name}`, () =>
      Effect.scoped(Effect.gen(function*() {
        const { again, base, cuts: cutSoFar, server, smb, told } = yield* cutting(
          kind,
          kind.address.replace(/\d+$/, (last) => `${Number(last) + 5}`)
        )
        for (const [way, transfer] of Object.entries(up)) {
          again()
          yield* transfer(smb, base)
          assert.strictEqual(cutSoFar(), cuts, way)
          assert.strictEqual(sha256(readFileSync(server.path("data", way))), digest, way)
        }
        for (const [way, transfer] of Object.entries(down)) {
          again()
          assert.strictEqual(sha256(yield* transfer(smb, `${base}/sink`)), digest, way)
          assert.strictEqual(cutSoFar(), cuts, way)
        }
        assert.isAbove(told(name === "with durable handles" ? "Reclaimed" : "Reopened"), 0)
      })), patience)
  }

  it.live("go through an open file that keeps its locks", () =>
    Effect.scoped(Effect.gen(function*() {
      const { base, server, smb, told } = yield* cutting(kinds["with durable handles"], "127.0.61.6")
      const rival = yield* client()
      const file = yield* smb.open(`${base}/locked`, OpenMode.readWrite)
      yield* file.lock([{ offset: 0, length: size }])
      yield* file.write(0, content)
      const back = new Uint8Array(size)
      assert.strictEqual(yield* file.readInto(0, back), size)
      assert.strictEqual(sha256(back), digest)
      const other = yield* rival.open(`//${server.address}/data/locked`, OpenMode.readWrite)
      const refused = yield* Effect.flip(other.lock([{ offset: 0, length: 1 }], { wait: false }))
      assert.deepInclude(refused, { _tag: "SmbError", statusName: "STATUS_LOCK_NOT_GRANTED" })
      yield* file.close
      assert.strictEqual(sha256(readFileSync(server.path("data", "locked"))), digest)
      assert.isAbove(told("Reclaimed"), 0)
      assert.strictEqual(told("Reopened"), 0)
    })), patience)
})

describe("64 MiB while smbd is killed and started again twice", () => {
  it.live("arrive whole by reopening, up and down", () =>
    Effect.scoped(Effect.gen(function*() {
      const address = "127.0.61.4"
      const server = yield* Lab.server({ address, shares: [{ name: "data", options: durable }] })
      const smb = yield* client()
      const path = `//${address}/data/f`
      const restart = Effect.andThen(server.stop, server.start)
      /** Restarts the server when a third, and when two thirds have gone by. */
      const restarting = Effect.fnUntraced(function*() {
        const done = yield* Ref.make(0)
        return (at: number) =>
          Effect.flatMap(Ref.get(done), (restarts) =>
            restarts < 2 && at > (restarts + 1) * size / 3
              ? Effect.andThen(Ref.set(done, restarts + 1), restart)
              : Effect.void)
      })
      const whileUp = yield* restarting()
      const fill = filling()
      yield* smb.writeFrom(path, (buffer, offset) => Effect.andThen(whileUp(Number(offset)), fill(buffer)))
      assert.strictEqual(sha256(readFileSync(server.path("data", "f"))), digest)
      const whileDown = yield* restarting()
      const got = yield* gathered((keep) =>
        smb.readTo(path, (chunk, offset) => Effect.andThen(whileDown(Number(offset)), keep(chunk, offset)))
      )
      assert.strictEqual(sha256(got), digest)
    })), patience)
})

/** This project's server with persistent opens, in its own process. `restart` ends it by SIGKILL, and starts another. */
const persistentServer = (address: string): Effect.Effect<
  { readonly folder: string; readonly restart: () => Promise<void> },
  unknown,
  Scope.Scope
> => {
  const program = fileURLToPath(new URL("../Server/PersistentServer.ts", import.meta.url))
  const start = (root: string) => {
    const child = spawn(process.execPath, [program, address, "445", join(root, "data"), join(root, "state")], {
      stdio: ["pipe", "pipe", "inherit"]
    })
    const ready = new Promise<void>((resolve, reject) => {
      child.stdout.once("data", () => resolve())
      child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)))
    })
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
    return { child, ready, ended }
  }
  return Effect.map(
    Effect.acquireRelease(
      Effect.tryPromise(async () => {
        const root = mkdtempSync(join(tmpdir(), "smb-persistent-"))
        mkdirSync(join(root, "data"))
        mkdirSync(join(root, "state"), { mode: 0o700 })
        const running = start(root)
        await running.ready
        return { root, running }
      }),
      (place) =>
        Effect.promise(async () => {
          place.running.child.kill("SIGKILL")
          await place.running.ended
          rmSync(place.root, { recursive: true, force: true })
        })
    ),
    (place) => ({
      folder: join(place.root, "data"),
      restart: async () => {
        place.running.child.kill("SIGKILL")
        await place.running.ended
        place.running = start(place.root)
        await place.running.ready
      }
    })
  )
}

describe("64 MiB through ten cuts, and two kills of a server with persistent opens", () => {
  it.live(
    "arrive whole on the opens that the server gives back, with their locks",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const address = "127.0.61.23"
        const { folder, restart } = yield* persistentServer(address)
        let moved = 0
        let struck = 0
        let restarts = Promise.resolve()
        const blows = cuts + 2
        yield* Lab.proxy({
          listen: { address: "127.0.61.24" },
          target: { address },
          onPacket: ({ bytes }) => {
            moved += bytes.length
            if (struck >= blows || moved < (struck + 1) * size / (blows + 1)) return bytes
            // The fourth and the eighth are kills.
            if (++struck % 4 !== 0 || struck > 8) return "cut"
            restarts = restarts.then(restart)
            return bytes
          }
        })
        const notices: Array<string> = []
        const smb = yield* client({
          signing: "if-required",
          credential: Credentials.password("joe", Redacted.make("secret")),
          onReconnect: ({ _tag }) => Effect.sync(() => void notices.push(_tag))
        })
        const base = "//127.0.61.24/data"
        const done = (way: string) => {
          assert.strictEqual(struck, blows, way)
          moved = 0
          struck = 0
        }
        for (const [way, transfer] of Object.entries(up)) {
          yield* transfer(smb, base)
          done(way)
          assert.strictEqual(sha256(readFileSync(join(folder, way))), digest, way)
        }
        for (const [way, transfer] of Object.entries(down)) {
          assert.strictEqual(sha256(yield* transfer(smb, `${base}/sink`)), digest, way)
          done(way)
        }
        const file = yield* smb.open(`${base}/locked`, OpenMode.readWrite)
        assert.isTrue(file.opened.durable?.persistent)
        yield* file.lock([{ offset: 0, length: size }])
        yield* file.write(0, content)
        done("locked")
        yield* file.lock([{ offset: size, length: 10 }])
        yield* file.close
        yield* Effect.promise(() => restarts)
        assert.strictEqual(sha256(readFileSync(join(folder, "locked"))), digest)
        assert.isAbove(notices.filter((tag) => tag === "Reclaimed").length, 0)
        // Each open that was lost with the server or its connection came back.
        assert.strictEqual(notices.filter((tag) => tag === "Reopened").length, 0)
      })),
    patience
  )
})

/** The command of a response in the clear: a packet with four bytes of length before the header. */
const isResponseTo = (command: number, bytes: Buffer): boolean =>
  bytes.length >= 68 && bytes.readUInt32LE(4) === 0x424d53fe && bytes.readUInt16LE(4 + 12) === command

describe("an open whose response is lost", () => {
  it.live("opens the file at the second connection, alone and for writing", () =>
    Effect.scoped(Effect.gen(function*() {
      const address = "127.0.61.21"
      const server = yield* Lab.server({ address, shares: [{ name: "data", options: durable }] })
      let armed = false
      const proxy = yield* Lab.proxy({
        listen: { address: "127.0.61.22" },
        target: { address },
        onPacket: ({ bytes, direction }) => {
          if (!armed || direction !== "toClient" || !isResponseTo(5, bytes)) return bytes
          armed = false
          return "cut"
        }
      })
      const notices: Array<string> = []
      const smb = yield* client({ onReconnect: ({ _tag }) => Effect.sync(() => void notices.push(_tag)) })
      const base = "//127.0.61.22/data"
      yield* smb.writeFile(`${base}/f`, content.subarray(0, 1000))
      armed = true
      const file = yield* smb.open(`${base}/f`, { ...OpenMode.readWrite, shareAccess: 0 })
      assert.isFalse(armed)
      assert.include(notices, "Back")
      yield* file.write(1000, content.subarray(1000, 2000))
      // The open that has replaced the lost one outlives its connection too.
      yield* proxy.cut
      yield* file.write(2000, content.subarray(2000, 3000))
      yield* file.close
      assert.deepStrictEqual(readFileSync(server.path("data", "f")), Buffer.from(content.subarray(0, 3000)))
    })))
})
