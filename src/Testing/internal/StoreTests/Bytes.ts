/** Tests of the bytes of files: reads, writes, sizes, zeros and allocated ranges. */
import type { StoreOpened } from "../../../Server/ShareStore.ts"
import { assert } from "./Assertions.ts"
import { get, type Kit, list, newDirectory, newFile, pattern, refused, string, text } from "./Kit.ts"

/** The bytes of files. */
export const testBytes = ({ gen, needs }: Kit): void => {
  gen("are written and read at any offset, and unwritten bytes between them are zeros", function*(store) {
    const { file }: StoreOpened = yield* store.open(["f"], newFile)
    assert.strictEqual((yield* file.read(0n, 10)).length, 0)
    yield* file.write(0n, text("hello"))
    yield* file.write(8n, text("world"))
    assert.strictEqual(string(yield* file.read(0n, 100)), "hello\0\0\0world")
    assert.strictEqual(string(yield* file.read(4n, 5)), "o\0\0\0w")
    assert.strictEqual(string(yield* file.read(10n, 100)), "rld")
    assert.strictEqual((yield* file.read(13n, 1)).length, 0)
    assert.strictEqual((yield* file.read(1n << 40n, 1)).length, 0)
    assert.strictEqual((yield* file.read(0n, 0)).length, 0)
    yield* file.write(3n, text("XY"))
    yield* file.write(100n, new Uint8Array(0))
    assert.strictEqual((yield* file.stat).size, 13n)
    assert.strictEqual((yield* store.stat(["f"])).size, 13n)
    assert.strictEqual((yield* list(store, []))[0].size, 13n)
    assert.strictEqual(yield* get(store, ["f"]), "helXY\0\0\0world")
    yield* file.flush
  })

  gen("are copied, so that the caller can overwrite its buffers after a write or a read", function*(store) {
    const { file }: StoreOpened = yield* store.open(["f"], newFile)
    const data = text("mine")
    yield* file.write(0n, data)
    data.fill(0)
    const first: Uint8Array = yield* file.read(0n, 4)
    assert.strictEqual(string(first), "mine")
    first.fill(0)
    assert.strictEqual(string(yield* file.read(0n, 4)), "mine")
  })

  needs("readInto")("are read into the caller's memory and change no other bytes", function*(store) {
    const { file }: StoreOpened = yield* store.open(["f"], newFile)
    const all = pattern(100_000, 9)
    yield* file.write(0n, all)
    yield* file.truncate(150_000n)
    const expected = new Uint8Array(150_000)
    expected.set(all)
    const memory = new Uint8Array(300_000)
    for (
      const [from, length] of [
        [0, 1],
        [0, 150_000],
        [65_530, 20],
        [99_999, 2],
        [140_000, 100_000],
        [150_000, 5],
        [
          1,
          0
        ]
      ]
    ) {
      memory.fill(0xee)
      const target = memory.subarray(7, 7 + length!)
      const count = Math.max(0, Math.min(length!, 150_000 - from!))
      assert.strictEqual(yield* file.readInto!(BigInt(from!), target), count)
      assert.isTrue(Buffer.compare(target.subarray(0, count), expected.subarray(from, from! + count)) === 0)
      // The bytes before and after the target are unchanged.
      assert.isTrue(memory.every((byte, i) => (i >= 7 && i < 7 + count) || byte === 0xee))
    }
    assert.strictEqual(yield* file.readInto!(1n << 60n, memory), 0)
    const { file: directory }: StoreOpened = yield* store.open([], { mode: "existing", type: "directory" })
    yield* refused(directory.readInto!(0n, memory), "IsDirectory")
  })

  gen("read back equal after writes of lengths around 4096 and 65536 bytes", function*(store) {
    const all = pattern(3 * 65_536 + 4097, 7)
    const { file }: StoreOpened = yield* store.open(["f"], newFile)
    let at = 0
    for (const length of [1, 4095, 4096, 4097, 65_535, 65_536, 65_537, all.length]) {
      const piece = all.subarray(at, at + length)
      yield* file.write(BigInt(at), piece)
      at += piece.length
    }
    assert.strictEqual((yield* file.stat).size, BigInt(all.length))
    for (const [from, length] of [[0, all.length], [1, 65_536], [65_535, 2], [131_072, 65_537], [4096, 1]]) {
      const bytes: Uint8Array = yield* file.read(BigInt(from!), length!)
      assert.isTrue(Buffer.compare(bytes, all.subarray(from, from! + length!)) === 0, `${from}, ${length}`)
    }
  })

  gen("are cut off when truncate shrinks a file, and are zeros when it extends the file", function*(store) {
    const { file }: StoreOpened = yield* store.open(["f"], newFile)
    yield* file.write(0n, text("abcdefgh"))
    yield* file.truncate(3n)
    assert.strictEqual((yield* file.stat).size, 3n)
    yield* file.truncate(6n)
    assert.strictEqual(string(yield* file.read(0n, 10)), "abc\0\0\0")
    yield* file.truncate(200_000n)
    const bytes: Uint8Array = yield* file.read(0n, 200_000)
    assert.strictEqual(bytes.length, 200_000)
    assert.strictEqual(bytes.findLastIndex((byte) => byte !== 0), 2)
    yield* file.truncate(0n)
    assert.strictEqual((yield* store.stat(["f"])).size, 0n)
  })

  needs("sparse")("of a sparse file can be written at 2^42 without allocating 2^30 bytes", function*(store) {
    const { file }: StoreOpened = yield* store.open(["f"], newFile)
    const far = (1n << 42n) + 5n
    yield* file.write(far, text("far"))
    assert.strictEqual((yield* file.stat).size, far + 3n)
    assert.isTrue((yield* file.stat).allocationSize < 1n << 30n)
    assert.strictEqual(string(yield* file.read(far - 2n, 10)), "\0\0far")
    yield* file.write(1n << 33n, text("near"))
    assert.strictEqual(string(yield* file.read(1n << 33n, 4)), "near")
    assert.strictEqual((yield* file.stat).size, far + 3n)
    const ranges = yield* file.allocated({ offset: far - 10n, length: 1n << 20n })
    assert.isNotEmpty(ranges)
    yield* file.truncate(4n)
    assert.strictEqual((yield* file.stat).size, 4n)
  })

  gen("in a range become zeros with zero, which does not extend the file", function*(store) {
    const { file }: StoreOpened = yield* store.open(["f"], newFile)
    const all = pattern(300_000, 3)
    yield* file.write(0n, all)
    for (const [offset, length] of [[10, 5], [60_000, 150_000], [299_990, 100], [400_000, 10], [5, 0]]) {
      yield* file.zero({ offset: BigInt(offset!), length: BigInt(length!) })
      all.fill(0, offset, offset! + length!)
    }
    assert.isTrue(Buffer.compare(yield* file.read(0n, 400_000), all) === 0)
    assert.strictEqual((yield* file.stat).size, 300_000n)
  })

  gen("that were written lie in the allocated ranges, which are ascending and within the query", function*(store) {
    const { file }: StoreOpened = yield* store.open(["f"], newFile)
    assert.deepStrictEqual(yield* file.allocated({ offset: 0n, length: 100n }), [])
    yield* file.write(0n, pattern(70_000, 5))
    yield* file.truncate(1_000_000n)
    yield* file.write(700_000n, text("x"))
    const check = function*(
      offset: bigint,
      length: bigint,
      inside: ReadonlyArray<bigint>
    ): Generator<any, void, any> {
      const ranges: ReadonlyArray<{ offset: bigint; length: bigint }> = yield* file.allocated({ offset, length })
      let end = offset - 1n
      for (const range of ranges) {
        assert.isTrue(range.length > 0n && range.offset > end, "ranges are ascending, separate and not empty")
        end = range.offset + range.length
        assert.isTrue(
          end <= offset + length && end <= 1_000_000n,
          "ranges lie within the queried range and the file"
        )
      }
      for (const byte of inside) {
        assert.isTrue(ranges.some((range) => range.offset <= byte && byte < range.offset + range.length), `${byte}`)
      }
    }
    yield* check(0n, 2_000_000n, [0n, 69_999n, 700_000n])
    yield* check(10n, 20n, [10n, 29n])
    yield* check(69_000n, 631_001n, [69_000n, 69_999n, 700_000n])
    assert.deepStrictEqual(yield* file.allocated({ offset: 1_000_000n, length: 50n }), [])
    assert.deepStrictEqual(yield* file.allocated({ offset: 5n, length: 0n }), [])
  })

  gen("cannot be read, written, truncated, zeroed or queried on a directory: IsDirectory", function*(store) {
    const { file }: StoreOpened = yield* store.open(["d"], newDirectory)
    yield* refused(file.read(0n, 1), "IsDirectory")
    yield* refused(file.write(0n, text("x")), "IsDirectory")
    yield* refused(file.truncate(0n), "IsDirectory")
    yield* refused(file.zero({ offset: 0n, length: 1n }), "IsDirectory")
    yield* refused(file.allocated({ offset: 0n, length: 1n }), "IsDirectory")
    yield* file.flush
  })
}
