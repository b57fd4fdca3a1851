/**
 * Proves that an open file outlives its connection: with the own server on loopback and a line that the test cuts. What
 * the server has kept is reclaimed with its locks; otherwise the file is opened again, and only if it is the same.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenMode } from "effect-smb"
import { world } from "./cutting.ts"

const bytes = (length: number, seed = 7) => Uint8Array.from({ length }, (_, i) => (i * seed + (i >> 8)) & 0xff)
const content = bytes(3_000_000)

describe("an open file whose connection is cut", () => {
  it.live("reads on from the open that the server gives back", () =>
    Effect.scoped(Effect.gen(function*() {
      const { base, line, smb, told } = yield* world()
      yield* smb.writeFile(`${base}/f`, content)
      const file = yield* smb.open(`${base}/f`)
      assert.deepStrictEqual(yield* file.read(0, 10), content.subarray(0, 10))
      line.cut()
      assert.deepStrictEqual(yield* file.read(100, 10), content.subarray(100, 110))
      assert.deepStrictEqual(told(), ["Lost", "Trying", "Back", "Reclaimed"])
      assert.strictEqual(line.connections, 2)
    })))

  it.live("writes on, and its close says that the data is kept", () =>
    Effect.scoped(Effect.gen(function*() {
      const { base, line, other, smb, told } = yield* world()
      const file = yield* smb.open(`${base}/f`, OpenMode.readWrite)
      yield* file.write(0, content.subarray(0, 100_000))
      line.cut()
      yield* file.write(100_000, content.subarray(100_000, 200_000))
      line.cut()
      yield* file.close
      assert.deepStrictEqual(yield* other.readFile(`${base}/f`), content.subarray(0, 200_000))
      assert.deepStrictEqual(told().filter((tag) => tag !== "Trying"), [
        "Lost",
        "Back",
        "Reclaimed",
        "Lost",
        "Back",
        "Reclaimed"
      ])
    })))
})
