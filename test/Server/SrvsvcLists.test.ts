/**
 * Proves the lists of the server service for administrators (MS-SRVS 3.1.4.1, 3.1.4.2, 3.1.4.5): their levels and filters,
 * who may see them, and that a response is limited, with the rest in the next one.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as Codec from "../../src/Codec/Codec.ts"
import * as Srvsvc from "../../src/Codec/Rpc/Srvsvc.ts"
import * as Lists from "../../src/Codec/Rpc/SrvsvcLists.ts"
import type { Caller } from "../../src/Server/internal/Rpc/Interface.ts"
import { srvsvc } from "../../src/Server/internal/Rpc/Srvsvc.ts"
import { Session } from "../../src/Server/internal/State/Model.ts"
import { AccessMask as A } from "../../src/Smb2/Message/Constants.ts"
import { random } from "../random.ts"

const { NetrConnectionEnum, NetrFileEnum, NetrSessionEnum } = Srvsvc.Operation
const all = 0xffff_ffff

const calls = {
  connections: [NetrConnectionEnum, Lists.ConnectionEnumRequest, Lists.ConnectionEnumResponse],
  files: [NetrFileEnum, Lists.FileEnumRequest, Lists.FileEnumResponse],
  sessions: [NetrSessionEnum, Lists.SessionEnumRequest, Lists.SessionEnumResponse]
} as const

/** A server with a session of each of these users, and a tree and an open of each session. */
const server = (users: ReadonlyArray<string>) => {
  const sessions = new Map<bigint, Session>()
  const opens = new Map<bigint, unknown>()
  for (const [i, name] of users.entries()) {
    const session = new Session(BigInt(i + 1))
    session.user = { name, sid: "", groups: new Set(), administrator: false, guest: name === "eve", anonymous: false }
    session.channels.set({ address: `10.0.0.${i + 1}`, lastReceived: performance.now() } as never, { sign: undefined })
    const share = { name: i % 2 === 0 ? "Data" : "other" }
    const tree = { id: i + 10, share }
    session.trees.set(tree.id, tree as never)
    const open = {
      id: 0x5_0000_0000n + BigInt(i),
      session,
      tree,
      share,
      path: ["a", `${i}.txt`],
      stream: { name: i === 1 ? "s" : "" },
      lockCount: i,
      may: (access: number) => (access & (i === 0 ? A.FILE_READ_DATA : A.FILE_WRITE_DATA)) !== 0
    }
    session.opens.set(open.id, open as never)
    opens.set(open.id, open)
    sessions.set(session.id, session)
  }
  // One logon is not complete.
  sessions.set(999_999n, new Session(999_999n))
  return { sessions, opens } as unknown as Caller["server"]
}

type Given = {
  readonly level: number
  readonly qualifier?: string
  readonly basePath?: string
  readonly clientName?: string
  readonly userName?: string
  readonly room?: number
  readonly resumeHandle?: number
}

const ask = (
  at: Caller["server"],
  what: keyof typeof calls,
  { level, resumeHandle, room = all, ...given }: Given,
  administrator = true
) => {
  const [operation, request, response] = calls[what]
  const stub = Codec.encode(request as Codec.Codec<any>)({
    serverName: "HERE",
    qualifier: undefined,
    basePath: undefined,
    clientName: undefined,
    userName: undefined,
    ...given,
    info: { level, value: [] },
    preferredMaximumLength: room,
    resumeHandle
  })
  return Effect.map(
    srvsvc.operations[operation]!(stub, { server: at, user: { administrator } } as never),
    (answer): any => Result.getOrThrow(Codec.decode("response", response as Codec.Codec<any>)(answer))
  )
}

describe("the lists of srvsvc", () => {
  const place = server(["ann", "joe", "eve"])

  it.effect("name sessions by each level, and those of a client or of a user", () =>
    Effect.gen(function*() {
      const level0 = yield* ask(place, "sessions", { level: 0 })
      assert.deepStrictEqual(
        level0.info.value,
        ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map((clientName) => ({ clientName }))
      )
      assert.deepStrictEqual([level0.totalEntries, level0.resumeHandle, level0.returnValue], [3, undefined, 0])
      const some: ReadonlyArray<readonly [Given, ReadonlyArray<string>]> = [
        [{ level: 1, clientName: "\\\\10.0.0.2" }, ["joe"]],
        [{ level: 2, userName: "ANN" }, ["ann"]],
        [{ level: 10, userName: "nobody" }, []],
        [{ level: 502 }, ["ann", "joe", "eve"]]
      ]
      for (const [given, names] of some) {
        const { info } = yield* ask(place, "sessions", given)
        assert.deepStrictEqual(info.value.map(({ userName }: { userName: string }) => userName), names)
      }
      const { info } = yield* ask(place, "sessions", { level: 502, userName: "eve" })
      assert.deepStrictEqual(info.value, [{
        clientName: "10.0.0.3",
        userName: "eve",
        opens: 1,
        time: 0,
        idleTime: 0,
        userFlags: Lists.UserFlags.SESS_GUEST | Lists.UserFlags.SESS_NOENCRYPTION,
        clientType: "",
        transport: ""
      }])
    }))

  it.effect("name open files with their rights and locks, below a path or of a user", () =>
    Effect.gen(function*() {
      const level2 = yield* ask(place, "files", { level: 2 })
      assert.deepStrictEqual(level2.info.value, [{ id: 0 }, { id: 1 }, { id: 2 }])
      const { info } = yield* ask(place, "files", { level: 3 })
      assert.deepStrictEqual(info.value, [
        { id: 0, permissions: 1, locks: 0, pathName: "Data\\a\\0.txt", userName: "ann" },
        { id: 1, permissions: 2, locks: 1, pathName: "other\\a\\1.txt:s", userName: "joe" },
        { id: 2, permissions: 2, locks: 2, pathName: "Data\\a\\2.txt", userName: "eve" }
      ])
      const below = yield* ask(place, "files", { level: 2, basePath: "DATA\\A\\", userName: "eve" })
      assert.deepStrictEqual(below.info.value, [{ id: 2 }])
    }))

  it.effect("name the connections to a share, or of a client", () =>
    Effect.gen(function*() {
      const toShare = yield* ask(place, "connections", { level: 1, qualifier: "data" })
      assert.deepStrictEqual(toShare.info.value, [
        { id: 10, type: 0, opens: 1, users: 1, time: 0, userName: "ann", netName: "10.0.0.1" },
        { id: 12, type: 0, opens: 1, users: 1, time: 0, userName: "eve", netName: "10.0.0.3" }
      ])
      const ofClient = yield* ask(place, "connections", { level: 1, qualifier: "\\\\10.0.0.2" })
      assert.deepStrictEqual(ofClient.info.value.map(({ netName }: { netName: string }) => netName), ["other"])
      const level0 = yield* ask(place, "connections", { level: 0, qualifier: "\\\\10.0.0.2" })
      assert.deepStrictEqual(level0.info.value, [{ id: 11 }])
      assert.strictEqual((yield* ask(place, "connections", { level: 1 })).returnValue, 87)
    }))

  it.effect("are for administrators alone, and refuse other levels", () =>
    Effect.gen(function*() {
      for (const what of ["connections", "files", "sessions"] as const) {
        const level = what === "files" ? 2 : 0
        const refused = yield* ask(place, what, { level, qualifier: "data" }, false)
        assert.deepStrictEqual([refused.info.value, refused.totalEntries, refused.returnValue], [undefined, 0, 5])
        for (const other of [5, 999]) {
          assert.strictEqual((yield* ask(place, what, { level: other, qualifier: "data" })).returnValue, 124)
        }
      }
    }))

  it.effect("come in parts: each as long as the client wants at most, and no longer than 256 KiB", () =>
    Effect.gen(function*() {
      const many = server(Array.from({ length: 5000 }, (_, i) => `${"u".repeat(20)}${i}`))
      for (const room of [1, 10_000, all]) {
        const count = room === 1 ? 3 : Infinity
        const seen: Array<string> = []
        let handle = 0
        let parts = 0
        for (; parts < count; parts++) {
          const answer = yield* ask(many, "sessions", { level: 502, room, resumeHandle: handle })
          assert.strictEqual(answer.totalEntries, 5000 - seen.length)
          assert.isAtLeast(answer.info.value.length, 1)
          const { length } = Codec.encode(Lists.SessionEnumResponse)(answer)
          if (room > 1) assert.isAtMost(length, Math.min(room, 256 * 1024) + 64)
          seen.push(...answer.info.value.map(({ userName }: { userName: string }) => userName))
          handle = answer.resumeHandle
          if (answer.returnValue === Srvsvc.NERR_Success) break
          assert.strictEqual(answer.returnValue, Srvsvc.ERROR_MORE_DATA)
        }
        assert.strictEqual(seen.length, room === 1 ? 3 : 5000)
        assert.strictEqual(new Set(seen).size, seen.length)
        if (room > 1) assert.strictEqual(handle, 0)
      }
      // A handle beyond the end.
      const none = yield* ask(many, "sessions", { level: 0, resumeHandle: all })
      assert.deepStrictEqual([none.info.value, none.totalEntries, none.returnValue], [[], 0, 0])
    }))

  it.effect("answer arbitrary bytes with a list, or with a fault", () =>
    Effect.gen(function*() {
      const number = random(7)
      for (const [operation] of Object.values(calls)) {
        for (let i = 0; i < 300; i++) {
          const stub = Uint8Array.from({ length: number(120) }, () => (number(3) === 0 ? number(256) : 0))
          const caller = { server: place, user: { administrator: true } } as never
          const answer = yield* Effect.result(srvsvc.operations[operation]!(stub, caller))
          if (Result.isFailure(answer)) assert.isAbove(answer.failure.status, 0)
          else assert.isAtMost(answer.success.length, 4096)
        }
      }
    }))
})
