/** `watch`, `ln` and `locks` against the own server on loopback, in this process. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Latch, Layer, Redacted } from "effect"
import { Credentials, OpenMode, SmbClient, TestTransport } from "effect-smb"
import * as Linking from "../../src/Cli/Linking.ts"
import * as Locks from "../../src/Cli/Locks.ts"
import * as Watching from "../../src/Cli/Watching.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import * as Served from "./served.ts"

const withShare = <A, E, R>(
  use: (base: string, smb: SmbClient.Client, port: number) => Effect.Effect<A, E, R>,
  users = UserStore.inMemory({ joe: { password: Redacted.make("secret"), administrator: true } })
) =>
  Effect.gen(function*() {
    const { port } = yield* Served.server({ users })
    const context = yield* Layer.build(Served.client({ port }))
    const smb = Context.get(context, SmbClient.SmbClient)
    return yield* Effect.provide(use(`//127.0.0.1:${port}/data`, smb, port), context)
  }).pipe(Effect.scoped)

describe("watch", () => {
  it.live("prints each change with its time and its path below the directory, until the directory goes away", () =>
    withShare((base, smb) =>
      Effect.gen(function*() {
        yield* smb.makeDirectory(`${base}/in/deep`, { recursive: true })
        const watch = Effect.fnUntraced(function*(json: boolean) {
          const started = yield* Latch.make()
          const path = Served.path(`${base}/in`)
          const run = Watching.watch(path, { json, recursive: true, onStart: started.open })
          const printed = yield* Effect.forkChild(Served.printed(run))
          yield* started.await
          yield* smb.writeFile(`${base}/in/deep/a.txt`, "a")
          yield* smb.rename(`${base}/in/deep/a.txt`, `${base}/in/deep/b.txt`)
          yield* smb.remove(`${base}/in`, { recursive: true })
          return yield* Fiber.join(printed)
        })
        const text = yield* watch(false)
        for (const line of text.lines) assert.match(line, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}[a-z-]+ +\S+$/)
        assert.match(text.out, /added {12}deep\/a\.txt\n/)
        assert.match(text.out, /renamed-from {5}deep\/a\.txt\n.*renamed-to {7}deep\/b\.txt\n/s)
        assert.match(text.failure!.message!, /in: the directory was removed/)
        assert.strictEqual(text.failure?.code, 1)
        yield* smb.makeDirectory(`${base}/in/deep`, { recursive: true })
        const { objects } = yield* watch(true)
        const [first] = objects()
        assert.deepInclude(first, {
          change: "added",
          name: "deep\\a.txt",
          path: `${base.replaceAll("/", "\\")}\\in\\deep\\a.txt`
        })
        assert.isBelow(Math.abs(Date.parse(first.time) - Date.now()), 60_000)
      })
    ))

  it.live("connects again after a lost connection, and says on both outputs that changes may have been missed", () =>
    Effect.gen(function*() {
      const drop = { on: "CHANGE_NOTIFY", is: "drop", times: 1 } as const
      const end = TestTransport.fault("CHANGE_NOTIFY", { status: "STATUS_NOTIFY_CLEANUP" })
      const { err, failure, objects } = yield* Served.printed(
        Watching.watch(Served.path("//nas/data/in"), { json: true, recursive: false })
      ).pipe(Effect.provide(
        SmbClient.layer({ reconnect: "never" }).pipe(
          Layer.provideMerge(TestTransport.layer({
            nas: { user: "joe", password: "secret", shares: { data: { in: {} } }, faults: [drop, end] }
          })),
          Layer.provide(Credentials.layer(Served.credential))
        )
      ))
      const told = err.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, string>)
      assert.deepStrictEqual(told.map(({ warning }) => warning), ["ConnectionLost", "ConnectionLost"])
      assert.match(told[0]!.message!, /closed the connection.*: trying to watch again$/)
      assert.match(told[1]!.message!, /watching again.*changes may have been missed/)
      assert.deepStrictEqual(objects().map(({ change }) => change), ["lost"])
      assert.match(failure!.message!, /the directory was removed/)
    }))

  it.live("fails at once if it cannot connect the first time", () =>
    Effect.gen(function*() {
      const { err, failure } = yield* Effect.provide(
        Served.printed(Watching.watch(Served.path("//127.0.0.1:1/data"), { json: false, recursive: false })),
        Served.client()
      )
      assert.strictEqual(err, "")
      assert.match(failure!.message!, /refused the connection/)
    }))

  it("says that changes were lost, and hides control characters in names", () => {
    const now = Date.UTC(2026, 10, 30)
    assert.match(
      Watching.line({ _tag: "Overflow" }, now, { json: false }),
      /^\S+ \S+ {2}lost {13}changes were lost.*list/
    )
    assert.deepInclude(JSON.parse(Watching.line({ _tag: "Overflow" }, now, { json: true })), {
      time: "2026-11-30T00:00:00.000Z",
      change: "lost"
    })
    const change = { _tag: "Change", action: "added", name: "a\n\u001b[2J", path: "" } as const
    assert.match(Watching.line(change, now, { json: false }), /added {12}a\?\?\[2J\n$/)
  })
})

describe("ln", () => {
  it.live("gives a file another name: one file with two names, also in a directory, and never over another file", () =>
    withShare((base, smb) =>
      Effect.gen(function*() {
        yield* smb.makeDirectory(`${base}/d`)
        yield* smb.writeFile(`${base}/a`, "one")
        yield* Linking.hard(Served.path(`${base}/a`), Served.path(`${base}/b`))
        yield* Linking.hard(Served.path(`${base}/a`), Served.path(`${base}/d`))
        yield* smb.writeFile(`${base}/b`, "two")
        assert.strictEqual(yield* smb.readFileString(`${base}/a`), "two")
        assert.strictEqual(yield* smb.readFileString(`${base}/d/a`), "two")
        yield* smb.writeFile(`${base}/other`, "other")
        const failed = yield* Effect.flip(Linking.hard(Served.path(`${base}/a`), Served.path(`${base}/other`)))
        assert.deepInclude(failed, { _tag: "SmbError", statusName: "STATUS_OBJECT_NAME_COLLISION" })
        assert.strictEqual(yield* smb.readFileString(`${base}/other`), "other")
      })
    ))
})

describe("locks", () => {
  it.live("shows administrators the sessions and the open files, with access and locks", () =>
    withShare((base, smb, port) =>
      Effect.gen(function*() {
        yield* smb.writeFile(`${base}/film.mkv`, "film")
        const file = yield* smb.open(`${base}/film.mkv`, OpenMode.readWrite)
        yield* file.lock([{ offset: 0n, length: 1n }], { exclusive: true })
        const server = Served.path(`//127.0.0.1:${port}`)
        const { lines } = yield* Served.printed(Locks.locks(server, { json: false }))
        assert.match(lines[0]!, /^Client +User +Since +Idle +Open files$/)
        assert.match(lines[1]!, /^127\.0\.0\.1 +joe +\d+s +\d+s +\d+$/)
        assert.isDefined(lines.find((line) => /^joe +rw +1 +data\\film\.mkv$/.test(line)))
        const { objects } = yield* Served.printed(Locks.locks(server, { json: true }))
        assert.deepInclude(objects()[0], { kind: "session", client: "127.0.0.1", user: "joe", isGuest: false })
        assert.deepInclude(objects().find(({ path }) => path === "data\\film.mkv"), {
          kind: "file",
          user: "joe",
          locks: 1,
          canRead: true,
          canWrite: true
        })
      }).pipe(Effect.scoped)
    ))

  it.live("tells other users that they have to be administrators", () =>
    withShare(
      (_, __, port) =>
        Effect.gen(function*() {
          const { failure } = yield* Served.printed(Locks.locks(Served.path(`//127.0.0.1:${port}`), { json: false }))
          assert.match(failure!.message!, /administrators.*STATUS_ACCESS_DENIED/)
        }),
      UserStore.inMemory({ joe: Redacted.make("secret") })
    ))

  it("shows spans of time as people read them", () => {
    assert.deepStrictEqual([0, 59, 60, 3599, 3600, 86_399, 86_400, 187_200].map(Locks.span), [
      "0s",
      "59s",
      "1m",
      "59m",
      "1h00m",
      "23h59m",
      "1d00h",
      "2d04h"
    ])
  })
})
