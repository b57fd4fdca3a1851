/** Checks of several users of one file: locks, share modes, leases, durable handles, watching. */
import { assert } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Queue, Scope, Stream } from "effect"
import { OpenMode } from "effect-smb"
import { appendFileSync, renameSync, unlinkSync } from "node:fs"
import { type Check, refused, type Spot, timed } from "./Place.ts"

const range = (offset: number, length: number) => [{ offset, length }]

const locking = Effect.fnUntraced(function*({ at, other, put, smb }: Spot) {
  put("file", "0123456789")
  const mine = yield* smb.open(at("file"), OpenMode.update)
  const theirs = yield* other.open(at("file"), OpenMode.update)
  const held = yield* Scope.make()
  yield* mine.lock([...range(0, 4), ...range(8, 2)], { wait: false }).pipe(Scope.provide(held))
  const now = { wait: false }
  assert.strictEqual(yield* refused(Effect.scoped(theirs.lock(range(2, 4), now))), "LockNotGranted")
  assert.strictEqual(
    yield* refused(Effect.scoped(theirs.lock(range(9, 1), { ...now, exclusive: false }))),
    "LockNotGranted"
  )
  yield* Effect.scoped(theirs.lock(range(4, 4), now))
  assert.strictEqual(yield* refused(theirs.read(0, 2)), "FileLockConflict")
  assert.strictEqual(yield* refused(theirs.write(3, Buffer.from("x"))), "FileLockConflict")

  // A waiting lock is granted when the range is free.
  const waiting = yield* Effect.forkChild(Effect.scoped(theirs.lock(range(0, 1))))
  // An interrupted lock is not granted, and does not keep the part of its range that was free.
  const given = yield* Effect.forkChild(Effect.scoped(theirs.lock([...range(8, 1), ...range(5, 1)])))
  yield* Effect.sleep(50)
  assert.isUndefined(waiting.pollUnsafe())
  // It returns before the lock is granted. Where a server gives few credits, the unlock of its other range has to wait.
  yield* Fiber.interrupt(given)
  yield* Scope.close(held, Exit.void)
  const [waited] = yield* timed(Fiber.join(waiting))
  assert.isBelow(waited, 3000)
  // The range of the interrupted lock is free, and the other ranges too.
  const [again] = yield* timed(Effect.scoped(mine.lock([...range(6, 4), ...range(0, 6)])))
  assert.isBelow(again, 3000)

  // Two clients can hold shared locks on one range.
  yield* Effect.scoped(Effect.andThen(
    mine.lock(range(0, 5), { exclusive: false, wait: false }),
    theirs.lock(range(0, 5), { exclusive: false, wait: false })
  ))
})

const shareModes = Effect.fnUntraced(function*({ at, other, put, smb }: Spot) {
  put("file", "x")
  const alone = { ...OpenMode.read, shareAccess: 0 }
  yield* Effect.scoped(Effect.gen(function*() {
    yield* smb.open(at("file"), alone)
    assert.strictEqual(yield* refused(Effect.scoped(other.open(at("file"), OpenMode.read))), "SharingViolation")
  }))
  // The scope has closed the file: no other open is in the way.
  yield* Effect.scoped(other.open(at("file"), alone))
})

const watching = Effect.fnUntraced(function*({ at, disk, folderAt, put, smb }: Spot) {
  folderAt("sub")
  const started = yield* Deferred.make<void>()
  const seen = yield* Queue.unbounded<string>()
  const watcher = yield* smb.watch(at(), { recursive: true, onStart: Deferred.succeed(started, undefined) }).pipe(
    Stream.runForEach((change) =>
      Queue.offer(seen, change._tag === "Change" ? `${change.action} ${change.name}` : "overflow")
    ),
    Effect.forkChild
  )
  yield* Deferred.await(started)
  yield* Effect.sleep(100)
  const expect = (text: string) =>
    Effect.gen(function*() {
      const before: Array<string> = []
      for (;;) {
        const change = yield* Queue.take(seen).pipe(Effect.timeoutOrElse({
          duration: "5 seconds",
          orElse: () => Effect.die(new Error(`no "${text}", but ${JSON.stringify(before)}`))
        }))
        if (change === text) return
        before.push(change)
      }
    })
  put("new", "x")
  yield* expect("added new")
  appendFileSync(disk("new"), "more")
  yield* expect("modified new")
  renameSync(disk("new"), disk("newer"))
  yield* smb.writeFile(at("by-client"), "x")
  yield* expect("added by-client")
  yield* smb.rename(at("by-client"), at("renamed"))
  yield* expect("renamed-from by-client")
  yield* expect("renamed-to renamed")
  yield* smb.writeFile(at("sub", "deep"), "x")
  yield* expect("added sub\\deep")
  yield* smb.remove(at("renamed"))
  yield* expect("removed renamed")
  unlinkSync(disk("newer"))
  const [took] = yield* timed(Fiber.interrupt(watcher))
  assert.isBelow(took, 1000)
})

const RWH = 7
const writeCaching = 4

const leases = Effect.fnUntraced(function*({ at, other, put, smb }: Spot) {
  put("file", "cached")
  const file = yield* smb.open(at("file"), {
    ...OpenMode.update,
    lease: { leaseState: RWH },
    durable: { timeout: 10_000 },
    queryMaximalAccess: true,
    queryOnDiskId: true
  })
  const { dialect } = file.share
  assert.strictEqual(file.opened.maximalAccess! & 3, 3)
  assert.strictEqual(file.opened.onDiskId?.length, 32)
  // SMB 1 has no leases and no durable handles, and 2.0.2 has no leases.
  if (dialect === "NT1") {
    assert.isUndefined(file.opened.durable)
    return
  }
  if (dialect === "2.0.2") {
    assert.isUndefined(file.opened.lease)
  } else {
    assert.strictEqual(file.opened.lease?.leaseState, RWH)
    assert.strictEqual(file.caching().leaseState, RWH)
    assert(file.opened.durable !== undefined)
    const second = dialect !== "2.1"
    assert.strictEqual(file.opened.durable.createGuid !== undefined, second)
    assert.strictEqual(file.opened.durable.timeout, second ? 10_000 : 0)
  }
  // smbd waits 35 s for the acknowledgement of a break.
  const [took, text] = yield* timed(other.readFileString(at("file")))
  assert.isBelow(took, 3000)
  assert.strictEqual(text, "cached")
  assert.strictEqual(file.caching().leaseState & writeCaching, 0)
  yield* file.write(0, Buffer.from("change"))
  assert.strictEqual(yield* other.readFileString(at("file")), "change")
})

const oplocks = Effect.fnUntraced(function*({ at, other, put, smb }: Spot) {
  put("file", "cached")
  const batch = 9
  const file = yield* smb.open(at("file"), { ...OpenMode.update, oplockLevel: batch })
  assert.strictEqual(file.opened.oplockLevel, batch)
  const [took] = yield* timed(other.readFileString(at("file")))
  assert.isBelow(took, 3000)
  assert.strictEqual(file.caching().oplockLevel, 1)
})

/** All checks of this module. */
export const all: ReadonlyArray<Check> = [
  { name: "locking", run: locking },
  { name: "share-modes", run: shareModes },
  { name: "watching", run: watching },
  { name: "leases", run: leases },
  { name: "oplocks", run: oplocks }
]

/** The checks whose bytes differ between dialects, signatures and ciphers. */
export const few: ReadonlyArray<Check> = [
  { name: "locking", run: locking },
  { name: "watching", run: watching },
  { name: "leases", run: leases }
]
