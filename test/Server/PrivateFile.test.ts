/**
 * Proves that only one process at a time changes a private file, also when they find the lock of a process that was
 * killed. Each process is a fiber here: the lock is a file, so it makes no difference.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chownSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as PrivateFile from "../../src/Server/PrivateFile.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "private-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

describe("PrivateFile.alone", () => {
  it.live("runs one body at a time when several processes find a lock that was left behind", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "file")
      let [running, most] = [0, 0]
      const body = Effect.sync(() => most = Math.max(most, ++running)).pipe(
        Effect.andThen(Effect.sleep(1)),
        Effect.andThen(Effect.sync(() => running--))
      )
      for (let turn = 0; turn < 25; turn++) {
        writeFileSync(`${path}.lock`, "")
        utimesSync(`${path}.lock`, 0, 0)
        yield* Effect.all(Array.from({ length: 8 }, () => PrivateFile.alone(path, body)), { concurrency: "unbounded" })
      }
      assert.strictEqual(most, 1)
    }).pipe(Effect.scoped))
})

describe("PrivateFile.read", () => {
  it.live.skipIf(process.platform === "win32")(
    "refuses a file of another user with any mode, and takes one of root",
    () =>
      Effect.gen(function*() {
        const path = join(yield* folder, "file")
        writeFileSync(path, "text", { mode: 0o600 })
        const { geteuid } = process
        const uid = geteuid!()
        // Root gives the file away, and any other user reads it as another user does.
        const other = uid === 0 ? 12_345 : uid + 1
        yield* Effect.addFinalizer(() => Effect.sync(() => process.geteuid = geteuid!))
        assert.strictEqual(yield* PrivateFile.read(path, 100), "text")
        process.geteuid = () => other
        if (uid === 0) {
          // The file of root.
          assert.strictEqual(yield* PrivateFile.read(path, 100), "text")
          chownSync(path, other, 0)
          assert.strictEqual(yield* PrivateFile.read(path, 100), "text")
          process.geteuid = () => 0
        }
        assert.strictEqual(yield* Effect.flip(PrivateFile.read(path, 100)), "FileOwnedByOthers")
      }).pipe(Effect.scoped)
  )
})
