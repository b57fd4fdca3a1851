/**
 * Proves how a LocalStore describes a file from the platform's state and from the file's record, and which record it
 * keeps after a change: tables of all cases, with numbers that are computed by hand.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as Fs from "node:fs"
import * as LocalNode from "../../src/Server/Store/internal/LocalNode.ts"
import type { FileRecord, KeptTime } from "../../src/Server/Store/internal/SidecarRecord.ts"
import { FileAttributes } from "../../src/Smb2/Message/Constants.ts"

const {
  FILE_ATTRIBUTE_ARCHIVE: ARCHIVE,
  FILE_ATTRIBUTE_DIRECTORY: DIRECTORY,
  FILE_ATTRIBUTE_HIDDEN: HIDDEN,
  FILE_ATTRIBUTE_NORMAL: NORMAL,
  FILE_ATTRIBUTE_REPARSE_POINT: REPARSE_POINT
} = FileAttributes

/** 100 ns ticks since 1601 of nanoseconds since 1970. */
const ticks = (nanos: bigint) => 116_444_736_000_000_000n + nanos / 100n

const [accessed, modified, changed, born] = [2_000_000n, 3_000_000n, 4_000_000n, 1_000_000n]

type Kind = "file" | "directory" | "link"

const stats = (other: Partial<Fs.BigIntStats> = {}, kind: Kind = "file"): Fs.BigIntStats =>
  ({
    dev: 7n,
    ino: 0x2an,
    nlink: 3n,
    size: 1000n,
    blocks: 8n,
    atimeNs: accessed,
    mtimeNs: modified,
    ctimeNs: changed,
    birthtimeNs: born,
    isDirectory: () => kind === "directory",
    isFile: () => kind === "file",
    isSymbolicLink: () => kind === "link",
    ...other
  }) as Fs.BigIntStats

const kept = (value: bigint, whileNanos: bigint): KeptTime => ({ ticks: String(value), whileNanos: String(whileNanos) })

const platform: LocalNode.Times = {
  creationTime: ticks(born),
  // A modification is an access too.
  lastAccessTime: ticks(modified),
  lastWriteTime: ticks(modified),
  changeTime: ticks(changed)
}

describe("the times of a local file", () => {
  const change = (value: bigint, whileNanos: bigint, modifiedNanos: bigint) => ({
    ...kept(value, whileNanos),
    modifiedNanos: String(modifiedNanos)
  })
  const cases: ReadonlyArray<
    readonly [string, FileRecord, Partial<Fs.BigIntStats>, Partial<LocalNode.Times>]
  > = [
    ["are the platform's without a record", {}, {}, {}],
    ["have the earliest time of birth", {}, { birthtimeNs: 1n }, { creationTime: ticks(0n) }],
    ["use the earlier modification without a birth", {}, { birthtimeNs: 0n }, { creationTime: ticks(modified) }],
    [
      "use the earlier change without a birth",
      {},
      { birthtimeNs: 0n, ctimeNs: 2_500_000n },
      { creationTime: ticks(2_500_000n), changeTime: ticks(2_500_000n) }
    ],
    ["have the record's creation time", { creationTime: "5" }, {}, { creationTime: 5n }],
    ["have the record's access time", { lastAccessTime: kept(5n, accessed) }, {}, { lastAccessTime: 5n }],
    ["have the time of a later access", {}, { atimeNs: modified + 1_000_000n }, {
      lastAccessTime: ticks(modified + 1_000_000n)
    }],
    [
      "have the record's access time, which is earlier than the modification",
      { lastAccessTime: { ...kept(5n, accessed), modifiedNanos: String(modified) } },
      {},
      { lastAccessTime: 5n }
    ],
    [
      "forget an access time after a later modification",
      { lastAccessTime: { ...kept(5n, accessed), modifiedNanos: String(modified - 1n) } },
      {},
      {}
    ],
    ["forget an access time after a newer one", { lastAccessTime: kept(5n, accessed + 1n) }, {}, {}],
    ["have the record's write time", { lastWriteTime: kept(5n, modified) }, {}, { lastWriteTime: 5n }],
    ["forget a write time after a newer one", { lastWriteTime: kept(5n, modified - 1n) }, {}, {}],
    ["have the record's change time", { changeTime: change(5n, changed, modified) }, {}, { changeTime: 5n }],
    ["forget a change time after a newer one", { changeTime: change(5n, changed - 1n, modified) }, {}, {}],
    ["forget a change time after a modification", { changeTime: change(5n, changed, modified - 1n) }, {}, {}]
  ]
  for (const [title, record, state, expected] of cases) {
    it(title, () => assert.deepStrictEqual(LocalNode.times(stats(state), record), { ...platform, ...expected }))
  }

  it("are set on the platform in seconds since 1970, and an earlier time as 1970", () => {
    assert.strictEqual(LocalNode.toSeconds(ticks(1_500_000_000n)), 1.5)
    assert.strictEqual(LocalNode.toSeconds(ticks(500_000_000n)), 0.5)
    assert.strictEqual(LocalNode.toSeconds(ticks(1_700_000_000_000_000_000n)), 1_700_000_000)
    assert.strictEqual(LocalNode.toSeconds(ticks(0n) - 10_000_000n), 0)
  })
})

describe("the names of a local file for the server", () => {
  it("hash a text with FNV-1a of 64 bits", () => {
    assert.strictEqual(LocalNode.hash(""), 0xcbf29ce484222325n)
    assert.strictEqual(LocalNode.hash("a"), 0xaf63dc4c8601ec8cn)
    assert.strictEqual(LocalNode.hash("foobar"), 0x85944171f73967e8n)
    // A character outside of the BMP counts once, with all its bits.
    assert.strictEqual(
      LocalNode.hash("\u{1f600}"),
      BigInt.asUintN(64, (0xcbf29ce484222325n ^ 0x1f600n) * 0x100000001b3n)
    )
  })

  it("distinguish a file from an earlier one with its inode by the time of birth, if that is steady", () => {
    const [one, later] = [stats(), stats({ birthtimeNs: born + 1n })]
    for (const named of [LocalNode.identityOf, LocalNode.keyOf]) {
      assert.notStrictEqual(named(one, true), named(later, true))
      assert.strictEqual(named(one, false), named(later, false))
      for (const steady of [true, false]) {
        assert.strictEqual(named(one, steady), named(stats({ size: 1n, nlink: 1n, mtimeNs: 1n }), steady))
        assert.notStrictEqual(named(one, steady), named(stats({ ino: 0x2bn }), steady))
      }
    }
    for (const steady of [true, false]) {
      assert.notStrictEqual(LocalNode.identityOf(one, steady), LocalNode.identityOf(stats({ dev: 8n }), steady))
      // Each mount can have another number of its device, so a record's key does not have it.
      assert.strictEqual(LocalNode.keyOf(one, steady), LocalNode.keyOf(stats({ dev: 8n }), steady))
    }
    // Sidecars that exist have these names.
    assert.strictEqual(LocalNode.keyOf(one, true), "2a-f4240")
    assert.strictEqual(LocalNode.keyOf(one, false), "2a")
  })
})

describe("the node of a local file", () => {
  const named = { name: "f", id: 9n, identity: "i" }
  const symlink = 0xa000000c
  const buffer = (tag: number) => {
    const bytes = Buffer.alloc(12, 0xff)
    bytes.writeUInt32LE(tag)
    return bytes.toString("base64")
  }
  const file = { size: 1000n, allocationSize: 4096n, numberOfLinks: 3, type: "file", reparseTag: 0, eaSize: 0 } as const
  const directory = {
    size: 0n,
    allocationSize: 0n,
    numberOfLinks: 1,
    type: "directory",
    reparseTag: 0,
    eaSize: 0
  } as const
  const cases: ReadonlyArray<readonly [string, Kind, FileRecord, Fs.BigIntStats | undefined, object]> = [
    ["of a file has its bytes and names", "file", {}, undefined, { ...file, fileAttributes: ARCHIVE }],
    ["has the record's attributes", "file", { attributes: HIDDEN }, undefined, { ...file, fileAttributes: HIDDEN }],
    ["is NORMAL without attributes", "file", { attributes: 0 }, undefined, { ...file, fileAttributes: NORMAL }],
    ["of a directory has no bytes and one name", "directory", {}, undefined, {
      ...directory,
      fileAttributes: DIRECTORY
    }],
    [
      "of a directory adds the record's attributes",
      "directory",
      { attributes: HIDDEN },
      undefined,
      { ...directory, fileAttributes: DIRECTORY | HIDDEN }
    ],
    ["of a symbolic link has no bytes", "link", {}, undefined, {
      ...file,
      size: 0n,
      allocationSize: 0n,
      fileAttributes: ARCHIVE
    }],
    [
      "of a stream has the stream's bytes",
      "file",
      {},
      stats({ size: 5n, blocks: 1n, nlink: 1n }),
      { ...file, size: 5n, allocationSize: 512n, fileAttributes: ARCHIVE }
    ],
    [
      "of a directory's stream has the stream's bytes",
      "directory",
      {},
      stats({ size: 5n, blocks: 1n, nlink: 1n }),
      { ...directory, size: 5n, allocationSize: 512n, fileAttributes: DIRECTORY }
    ],
    [
      "has the tag of its reparse data",
      "file",
      { blobs: { ReparsePoint: buffer(symlink) } },
      undefined,
      { ...file, fileAttributes: ARCHIVE | REPARSE_POINT, reparseTag: symlink }
    ],
    // The lengths of base64 with two signs of padding, one, and none.
    ...[1, 2, 3, 1000].map((length) =>
      [
        `has the ${length} bytes of its extended attributes`,
        "directory",
        { blobs: { ExtendedAttributes: Buffer.alloc(length).toString("base64"), ObjectId: "AAAA" } },
        undefined,
        { ...directory, fileAttributes: DIRECTORY, eaSize: length }
      ] as const
    ),
    [
      "has no tag for another blob",
      "file",
      { blobs: { SecurityDescriptor: buffer(symlink) } },
      undefined,
      { ...file, fileAttributes: ARCHIVE }
    ]
  ]
  for (const [title, kind, record, stream, expected] of cases) {
    it.skipIf(process.platform === "win32")(
      title,
      () =>
        assert.deepStrictEqual<unknown>(LocalNode.describe(named, stats({}, kind), record, stream), {
          ...named,
          ...platform,
          ...expected
        })
    )
  }
})

describe("the record of a new local file", () => {
  const descriptor = new TextEncoder().encode("who may")
  const blobs = { SecurityDescriptor: Buffer.from("who may").toString("base64") }
  const cases: ReadonlyArray<readonly [string, Parameters<typeof LocalNode.first>[0], boolean, FileRecord]> = [
    ["has only the descriptor", {}, false, { blobs }],
    ["leaves out a file's default attributes", { fileAttributes: ARCHIVE | NORMAL }, false, { blobs }],
    ["leaves out a directory's default attributes", { fileAttributes: DIRECTORY }, true, { blobs }],
    ["keeps a directory's archive attribute", { fileAttributes: ARCHIVE }, true, { blobs, attributes: ARCHIVE }],
    ["keeps a file without attributes", { fileAttributes: NORMAL }, false, { blobs, attributes: 0 }],
    ["keeps the creation time", { creationTime: 5n }, false, { blobs, creationTime: "5" }]
  ]
  for (const [title, changes, isDirectory, expected] of cases) {
    it(title, () => {
      const later = { lastWriteTime: 1n, lastAccessTime: 2n, changeTime: 3n }
      assert.deepStrictEqual(LocalNode.first(changes, descriptor, isDirectory), [expected, {}])
      assert.deepStrictEqual(LocalNode.first({ ...changes, ...later }, descriptor, isDirectory), [expected, later])
    })
  }
})

describe("the record of a local file after a change", () => {
  const change = (value: bigint) => ({ ...kept(value, changed), modifiedNanos: String(modified) })
  const before = { ...platform, lastAccessTime: 11n, lastWriteTime: 12n }
  /** An access time before the modification, kept until a later one. */
  const earlier = (value: bigint) => ({ ...kept(value, accessed), modifiedNanos: String(modified) })
  const streams = [{ name: "s", file: "1" }]
  const full: FileRecord = {
    attributes: HIDDEN,
    creationTime: "1",
    lastAccessTime: kept(2n, 1n),
    lastWriteTime: kept(3n, 1n),
    blobs: { ReparsePoint: "AAAA" },
    streams
  }
  const cases: ReadonlyArray<
    readonly [string, FileRecord, Parameters<typeof LocalNode.recorded>[1], Kind, bigint | undefined, FileRecord]
  > = [
    ["is empty without a change", {}, {}, "file", undefined, {}],
    ["keeps all that does not change", full, {}, "file", undefined, full],
    ["forgets an old change time", { changeTime: change(1n) }, {}, "file", undefined, {}],
    ["has the clock's time as change time", {}, {}, "file", 5n, { changeTime: change(5n) }],
    ["has the client's change time", {}, { changeTime: 6n }, "file", 5n, { changeTime: change(6n) }],
    ["leaves out a change time that the platform has", {}, { changeTime: ticks(changed) }, "file", 5n, {}],
    ["has new attributes", full, { fileAttributes: DIRECTORY }, "file", undefined, { ...full, attributes: 0 }],
    [
      "leaves out a file's default attributes",
      { attributes: HIDDEN },
      { fileAttributes: ARCHIVE },
      "file",
      undefined,
      {}
    ],
    ["leaves out the defaults of a record", { attributes: ARCHIVE }, {}, "file", undefined, {}],
    ["keeps a directory's archive attribute", { attributes: ARCHIVE }, {}, "directory", undefined, {
      attributes: ARCHIVE
    }],
    ["leaves out a directory's default attributes", full, { fileAttributes: NORMAL }, "directory", undefined, {
      creationTime: "1",
      lastAccessTime: kept(2n, 1n),
      lastWriteTime: kept(3n, 1n),
      blobs: { ReparsePoint: "AAAA" },
      streams
    }],
    ["has a new creation time", full, { creationTime: 8n }, "file", undefined, { ...full, creationTime: "8" }],
    ["has a new access time, and the old write time as exactly", full, { lastAccessTime: 9n }, "file", undefined, {
      ...full,
      lastAccessTime: earlier(9n),
      lastWriteTime: kept(12n, modified)
    }],
    ["has a new write time, and the old access time as exactly", full, { lastWriteTime: 9n }, "file", undefined, {
      ...full,
      lastAccessTime: earlier(11n),
      lastWriteTime: kept(9n, modified)
    }],
    [
      "leaves out a write time that the platform has, and keeps an access time before it",
      { lastAccessTime: kept(2n, 1n), lastWriteTime: kept(3n, 1n) },
      { lastAccessTime: ticks(accessed), lastWriteTime: ticks(modified) },
      "file",
      undefined,
      { lastAccessTime: earlier(ticks(accessed)) }
    ]
  ]
  for (const [title, record, changes, kind, now, expected] of cases) {
    it(title, () => {
      const after = LocalNode.recorded(record, changes, before, stats({}, kind), now)
      assert.deepStrictEqual(after, expected)
      // A record without content is removed: it must not have fields without values.
      assert.deepStrictEqual(Object.keys(after).sort(), Object.keys(expected).sort())
    })
  }
})
