/**
 * The proof that a file after a lost connection is the file before it, against servers that are a few lines: liars, and
 * servers that tell less than others.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as SameFile from "../../src/Client/internal/SameFile.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import type { ReconnectError } from "../../src/Protocol/ReconnectError.ts"
import type * as Share from "../../src/Protocol/Share.ts"
import * as Scripted from "./scripted.ts"

const id = (index: number, volume = 9) => {
  const bytes = new Uint8Array(32)
  bytes[0] = index
  bytes[8] = volume
  return bytes
}

/** The identifiers of a file system that gives no unique numbers (MS-FSCC 2.1.9). */
const allOnes = new Uint8Array(32).fill(0xff, 0, 8)

const known = (
  opened: Partial<Share.Opened>,
  index?: bigint,
  wrote?: Operation.Write,
  changes = wrote !== undefined
): SameFile.Known => {
  const size = new SameFile.Size(opened.endOfFile ?? 0n)
  if (wrote !== undefined) size.sending(wrote)
  return { path: "p", opened: Scripted.opened(opened), size, index, isDirectory: false, changes }
}

/** An open file whose server gives this index. */
const file = (opened: Partial<Share.Opened>, indexNumber: bigint) =>
  Scripted.file({
    opened,
    endOfFile: opened.endOfFile ?? 0n,
    answer: (operation) => operation._tag === "QueryInfo" ? Effect.succeed({ indexNumber }) : undefined
  }).open

const reclaim: Share.Reclaim = {
  fileId: { persistent: 1n, volatile: 1n },
  durable: { createGuid: undefined, timeout: 0, persistent: false },
  lease: { leaseKey: new Uint8Array(16), leaseState: 7, epoch: 1 },
  oplockLevel: 0xff,
  locks: undefined
}

/** What differs, or `undefined` for the same file. */
const verdict = (check: Effect.Effect<void, unknown>) => {
  const result = Effect.runSync(Effect.result(check))
  if (Result.isSuccess(result)) return undefined
  assert.deepInclude(result.failure, { _tag: "ReconnectError" })
  const { reason } = result.failure as ReconnectError
  return reason._tag === "FileDiffers" ? reason.what : reason._tag
}

const write: Operation.Write = { _tag: "Write", offset: 10n, data: new Uint8Array(5) }

describe("a reclaimed file", () => {
  it.each([
    ["the same file and size", 5n, 10n, undefined],
    ["another file", 6n, 10n, "identity"],
    ["no file number", 0n, 10n, "identity"],
    ["a size that no write explains", 5n, 16n, "size"],
    ["a size below what was acknowledged", 5n, 9n, "size"],
    ["a size that the write under way explains", 5n, 15n, undefined]
  ])("is taken by its number and its size: %s", (_, index, endOfFile, expected) => {
    const before = known({ onDiskId: id(5), endOfFile: 10n }, undefined, write)
    assert.strictEqual(verdict(SameFile.checkReclaimed(before, file({ endOfFile }, index), reclaim)), expected)
  })

  it("may have been extended by other programs if it has neither oplock nor lease", () => {
    const before = known({ onDiskId: id(5), endOfFile: 10n })
    const alone = { ...reclaim, lease: undefined, oplockLevel: 0 }
    assert.isUndefined(verdict(SameFile.checkReclaimed(before, file({ endOfFile: 99n }, 5n), alone)))
  })
})

describe("a reopened file", () => {
  const before = known({ onDiskId: id(5), endOfFile: 10n, lastWriteTime: 7n })
  const same = { onDiskId: id(5), endOfFile: 10n, lastWriteTime: 7n }
  it.each<[string, Partial<Share.Opened>, string | undefined]>([
    ["the same", same, undefined],
    ["another file", { ...same, onDiskId: id(6) }, "identity"],
    ["the same number on another volume", { ...same, onDiskId: id(5, 8) }, "identity"],
    ["longer", { ...same, endOfFile: 11n }, "size"],
    ["shorter", { ...same, endOfFile: 9n }, "size"],
    ["written", { ...same, lastWriteTime: 8n }, "last write"]
  ])("that was only read is taken if nothing has changed: %s", (_, opened, expected) => {
    assert.strictEqual(verdict(SameFile.checkReopened(before, file(opened, 5n))), expected)
  })

  it("that was written has its own last write, and a size between the acknowledged and the sent bytes", () => {
    const written = known({ onDiskId: id(5), endOfFile: 10n, lastWriteTime: 7n }, undefined, write)
    for (const [endOfFile, expected] of [[9n, "size"], [10n, undefined], [15n, undefined], [16n, "size"]] as const) {
      const opened = { onDiskId: id(5), endOfFile, lastWriteTime: 8n }
      assert.strictEqual(verdict(SameFile.checkReopened(written, file(opened, 5n))), expected, String(endOfFile))
    }
    written.size.done(write, 5)
    assert.strictEqual(
      verdict(SameFile.checkReopened(written, file({ onDiskId: id(5), endOfFile: 14n }, 5n))),
      "size"
    )
  })

  it("with its number, but created after it was opened, is another file that got the number of a deleted one", () => {
    const times = { creationTime: 3n, lastWriteTime: 5n, changeTime: 6n, lastAccessTime: 4n }
    const before = (wrote?: Operation.Write) => known({ ...times, onDiskId: id(5), endOfFile: 10n }, undefined, wrote)
    const now = (creationTime: bigint) => file({ ...times, onDiskId: id(5), endOfFile: 10n, creationTime }, 5n)
    assert.strictEqual(verdict(SameFile.checkReopened(before(write), now(7n))), "identity")
    assert.strictEqual(verdict(SameFile.checkReopened(before(), now(7n))), "identity")
    // A server that keeps no time of creation gives the earliest of the others, which can move.
    assert.isUndefined(verdict(SameFile.checkReopened(before(write), now(6n))))
    // The open itself has set it, or has left it unchanged.
    for (const [creationTime, expected] of [[7n, undefined], [0n, "identity"], [-1n, "identity"]] as const) {
      const set = before(write)
      const data = new Uint8Array(40)
      new DataView(data.buffer).setBigInt64(0, creationTime, true)
      set.size.sending({ _tag: "SetInfo", information: { _tag: "File", fileInformationClass: 4 }, data })
      assert.strictEqual(verdict(SameFile.checkReopened(set, now(7n))), expected, String(creationTime))
    }
  })

  const all = 0xffff_ffff_ffff_ffffn
  it.each<[string, boolean, Partial<Share.Opened>, bigint | undefined, Partial<Share.Opened>, bigint, string?]>([
    ["only its number is told, and is the same", true, {}, 5n, {}, 5n],
    ["only its number is told, and is another", true, {}, 5n, {}, 6n, "identity"],
    ["the number is not told any more", true, {}, 5n, {}, 0n, "identity"],
    ["the identifiers name no file, and its number is told", true, { onDiskId: id(0) }, 5n, { onDiskId: id(0) }, 5n],
    ["nothing is told, and it was open for reading", false, {}, undefined, {}, 0n],
    ["nothing is told, and it was open for writing", true, {}, undefined, {}, 0n, "IdentityUnknown"],
    ["the identifiers name no file", true, { onDiskId: id(0) }, undefined, { onDiskId: id(0) }, 0n, "IdentityUnknown"],
    ["the identifiers name no file, for reading", false, { onDiskId: id(0) }, undefined, { onDiskId: id(0) }, 0n],
    [
      "all files have one number",
      true,
      { onDiskId: allOnes },
      undefined,
      { onDiskId: allOnes },
      all,
      "IdentityUnknown"
    ],
    ["all files have one number, for reading", false, { onDiskId: allOnes }, undefined, { onDiskId: allOnes }, all],
    ["nothing is told, and it was created later", false, {}, undefined, { creationTime: 4n }, 0n, "identity"]
  ])(
    "of a server that tells little is taken by what it tells: %s",
    (_, changes, before, index, after, now, expected) => {
      const was = known({ creationTime: 3n, ...before }, index, undefined, changes)
      assert.strictEqual(verdict(SameFile.checkReopened(was, file({ creationTime: 3n, ...after }, now))), expected)
    }
  )

  it("that was only read needs its size and its last write, if the server gives no identifiers", () => {
    const was = known({ creationTime: 3n, endOfFile: 10n, lastWriteTime: 7n })
    const now = (opened: Partial<Share.Opened>) =>
      verdict(SameFile.checkReopened(was, file({ creationTime: 3n, endOfFile: 10n, lastWriteTime: 7n, ...opened }, 0n)))
    assert.isUndefined(now({}))
    assert.strictEqual(now({ endOfFile: 11n }), "size")
    assert.strictEqual(now({ lastWriteTime: 8n }), "last write")
  })

  it("that the server has given back needs no identifiers, also for writing", () => {
    const was = known({ creationTime: 3n }, undefined, undefined, true)
    assert.isUndefined(verdict(SameFile.checkReclaimed(was, file({ creationTime: 3n }, 0n), reclaim)))
  })
})

describe("the size that an open explains", () => {
  const set = (fileInformationClass: number, end: bigint): Operation.SetInfo => {
    const data = new Uint8Array(8)
    new DataView(data.buffer).setBigInt64(0, end, true)
    return { _tag: "SetInfo", information: { _tag: "File", fileInformationClass }, data }
  }
  it("follows a truncation: both sizes while it is under way, and the new one after it", () => {
    const size = new SameFile.Size(10n)
    size.sending(set(20, 4n))
    assert.deepStrictEqual([size.least, size.most], [4n, 10n])
    size.done(set(20, 4n), undefined)
    assert.deepStrictEqual([size.least, size.most], [4n, 4n])
    size.sending(set(20, 40n))
    assert.deepStrictEqual([size.least, size.most], [4n, 40n])
  })

  it("does not grow by space that is allocated", () => {
    const size = new SameFile.Size(10n)
    size.sending(set(19, 100n))
    size.done(set(19, 100n), undefined)
    assert.deepStrictEqual([size.least, size.most], [10n, 10n])
  })
})
