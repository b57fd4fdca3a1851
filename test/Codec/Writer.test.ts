/** Each write of a Writer that makes its buffer grow puts the bytes into the new buffer. */
import { assert, it } from "@effect/vitest"
import { Writer } from "../../src/Codec/Cursor.ts"

// The write that makes the buffer grow must write into the new one.
it.each<[string, (writer: Writer) => void, string]>([
  ["u8", (w) => w.u8(0x12), "12"],
  ["u16", (w) => w.u16(0x1234), "3412"],
  ["u32", (w) => w.u32(0x12345678), "78563412"],
  ["i32", (w) => w.i32(-2), "feffffff"],
  ["u64", (w) => w.u64(0x1234n), "3412000000000000"],
  ["i64", (w) => w.i64(-2n), "feffffffffffffff"],
  ["put", (w) => w.put(Uint8Array.of(1, 2)), "0102"],
  ["zeros", (w) => w.zeros(2), "0000"]
])("a Writer whose buffer grows in the middle of a write keeps all bytes: %s", (_, write, hex) => {
  const writer = new Writer(1)
  writer.u8(0xff)
  write(writer)
  assert.strictEqual(Buffer.from(writer.finish()).toString("hex"), `ff${hex}`)
})
