/**
 * Proves that the written bytes of a stream, and its extents in chunks, are those of a plain array after any writes,
 * zeros and changes of size, that uploads cover exactly what was written, and that references to chunks are counted
 * exactly.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Extents from "../../src/Server/Store/internal/Extents.ts"
import { planned } from "../../src/Server/Store/internal/ObjectContents.ts"
import { Blocks, WriteBuffer } from "../../src/Server/Store/internal/WriteBuffer.ts"
import { random } from "../random.ts"

const mebibyte = 1024 * 1024
const none = new Blocks(0)

describe("a WriteBuffer", () => {
  it("has the bytes of a plain array after random writes and zeros", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const pick = random(seed)
      const buffer = new WriteBuffer(none)
      const model = new Uint8Array(5000)
      const written = new Uint8Array(5000)
      let next = 0
      for (let i = 0; i < 60; i++) {
        // Half of the writes follow the one before.
        const offset = pick(2) === 0 ? next : pick(4000)
        const length = Math.min(1 + pick(300), 5000 - offset)
        written.fill(1, offset, offset + length)
        if (pick(4) === 0) {
          buffer.zero(offset, length)
          model.fill(0, offset, offset + length)
        } else {
          const data = Uint8Array.from({ length }, () => 1 + pick(255))
          buffer.write(offset, data)
          model.set(data, offset)
          data.fill(0)
        }
        next = offset + length === 5000 ? 0 : offset + length
      }
      const read = new Uint8Array(5000)
      buffer.readInto(0, read)
      assert.deepStrictEqual(read, model, `seed ${seed}`)
      const covered = new Uint8Array(5000)
      let end = 0
      for (const { bytes, length, start } of buffer.segments) {
        assert.isTrue(start >= end && length > 0, `seed ${seed}: segments ascend`)
        if (bytes !== undefined) assert.strictEqual(bytes.length, length)
        covered.fill(1, start, start + length)
        end = start + length
      }
      assert.deepStrictEqual(covered, written, `seed ${seed}`)
      for (let i = 0; i < 20; i++) {
        const from = pick(5000)
        const to = from + pick(5000 - from)
        assert.strictEqual(buffer.covers(from, to), written.subarray(from, to).every((byte) => byte === 1))
      }
    }
  })

  it("puts the bytes of a later one over its own", () => {
    const [first, later] = [new WriteBuffer(none), new WriteBuffer(none)]
    first.write(0, new Uint8Array(10).fill(1))
    later.write(5, new Uint8Array(10).fill(2))
    later.zero(2, 2)
    first.add(later)
    const read = new Uint8Array(15)
    first.readInto(0, read)
    assert.deepStrictEqual(Array.from(read), [1, 1, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
  })

  it("counts its memory, so that neither bytes nor tiny parts are free", () => {
    const buffer = new WriteBuffer(none)
    buffer.write(0, new Uint8Array(3 * mebibyte))
    assert.isAtLeast(buffer.used, 3 * mebibyte)
    const before = buffer.used
    for (let i = 0; i < 1000; i++) buffer.zero(10 * i, 1)
    assert.isAtLeast(buffer.used - before, 64 * 1000)
  })

  it("takes small writes that follow each other into few segments", () => {
    const buffer = new WriteBuffer(none)
    for (let i = 0; i < 10_000; i++) buffer.write(i * 100, new Uint8Array(100))
    assert.isBelow(buffer.segments.length, 20)
  })

  it("gives its memory to the next one when it is released, but not while it is read", () => {
    const blocks = new Blocks(4 * mebibyte)
    const filled = () => {
      const buffer = new WriteBuffer(blocks)
      buffer.write(0, new Uint8Array(mebibyte).fill(1))
      return buffer
    }
    const memory = (buffer: WriteBuffer) => buffer.segments[0]!.bytes!.buffer
    const first = filled()
    const firstMemory = memory(first)
    first.release()
    const second = filled()
    assert.strictEqual(memory(second), firstMemory)
    second.readers++
    second.release()
    const third = filled()
    assert.notStrictEqual(memory(third), firstMemory)
    // Nor the memory of one that was read when it was put over another.
    second.readers = 1
    third.add(second)
    third.release()
    filled()
    assert.notStrictEqual(memory(filled()), firstMemory)
  })
})

describe("extents", () => {
  it("have the bytes of a plain array after random replacements, and count the references of each chunk", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const pick = random(seed * 31)
      const chunks = new Map<string, Uint8Array>()
      let extents: ReadonlyArray<Extents.Extent> = []
      const model = new Uint8Array(2000)
      const references = new Map<string, number>()
      for (let i = 0; i < 40; i++) {
        const start = pick(1500)
        const length = 1 + pick(400)
        const chunk = `chunk ${i}`
        const bytes = Uint8Array.from({ length: length + 10 }, () => 1 + pick(255))
        chunks.set(chunk, bytes)
        const isZero = pick(4) === 0
        const size = pick(6) === 0 ? pick(2000) : 2000
        const changed = Extents.replace(extents, [{
          start,
          length,
          extent: isZero ? undefined : { start, length, chunk, skip: 7, inline: false }
        }], size)
        model.set(isZero ? new Uint8Array(length) : bytes.subarray(7, 7 + length), start)
        model.fill(0, size)
        for (const [name, by] of Extents.references(changed)) references.set(name, (references.get(name) ?? 0) + by)
        assert.deepStrictEqual(
          changed.extents,
          [...extents.filter((extent) => !changed.removed.includes(extent)), ...changed.added].toSorted((a, b) =>
            a.start - b.start
          )
        )
        extents = changed.extents
      }
      const read = new Uint8Array(2000)
      for (const { chunk, length, skip, start } of extents) {
        read.set(chunks.get(chunk)!.subarray(skip, skip + length), start)
      }
      assert.deepStrictEqual(read, model, `seed ${seed}`)
      const counted = new Map<string, number>()
      for (const { chunk } of extents) counted.set(chunk, (counted.get(chunk) ?? 0) + 1)
      assert.deepStrictEqual(new Map(Array.from(references).filter(([, count]) => count !== 0)), counted)
    }
  })

  it("within a range are cut at its ends", () => {
    const extent = { start: 10, length: 10, chunk: "c", skip: 5, inline: false }
    assert.deepStrictEqual(Extents.within([extent], 12, 15), [{ ...extent, start: 12, length: 3, skip: 7 }])
    assert.deepStrictEqual(Extents.within([extent], 0, 100), [extent])
    assert.deepStrictEqual(Extents.within([extent], 20, 30), [])
    assert.deepStrictEqual(Extents.within([extent], 15, 15), [])
  })
})

describe("uploads", () => {
  it("have every written byte once, in chunks that end at multiples of the size", () => {
    const buffer = new WriteBuffer(none)
    const data = Uint8Array.from({ length: 10_000 }, (_, i) => i % 251)
    buffer.write(3000, data)
    buffer.write(13_000, Uint8Array.of(1, 2, 3))
    buffer.zero(20_000, 50)
    buffer.write(30_000, Uint8Array.of(4))
    const { uploads, zeros } = planned(buffer.segments, { chunk: 4096, inline: 1100 })
    assert.deepStrictEqual(zeros, [{ start: 20_000, length: 50, extent: undefined }])
    assert.deepStrictEqual(
      uploads.map(({ extent }) => [extent.start, extent.length, extent.inline]),
      [[3000, 1096, true], [4096, 4096, false], [8192, 4096, false], [12_288, 715, true], [30_000, 1, true]]
    )
    const whole = Buffer.concat(uploads.flatMap(({ pieces }) => pieces))
    assert.deepStrictEqual(new Uint8Array(whole), Uint8Array.from([...data, 1, 2, 3, 4]))
    assert.strictEqual(new Set(uploads.map(({ extent }) => extent.chunk)).size, uploads.length)
  })
})
