/**
 * The hand-written reader and writer of the SMB 2 header agree with the table of MS-SMB2 2.2.1, on recorded packets of
 * real programs and on random bytes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fs from "node:fs"
import * as Codec from "../../src/Codec/Codec.ts"
import * as Header from "../../src/Smb2/Header.ts"
import { HeaderDefinition } from "../../src/Smb2/Message/HeaderDefinition.ts"
import { random } from "../random.ts"

const decode = Codec.decode("SMB2 Packet Header", HeaderDefinition)

const captured: ReadonlyArray<{ readonly packet: string }> = fs
  .readFileSync(new URL("fixtures/captured.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .slice(1)
  .map((line) => JSON.parse(line))

const agree = (packet: Uint8Array) => {
  const defined = Result.getOrThrow(decode(packet.subarray(0, 64)))
  const header = Header.read(Header.view(packet))
  assert.strictEqual(header.creditCharge, defined.creditCharge)
  assert.strictEqual(header.status, defined.status)
  assert.strictEqual(header.command, defined.command)
  assert.strictEqual(header.credits, defined.credits)
  assert.strictEqual(header.flags, defined.flags)
  assert.strictEqual(header.nextCommand, defined.nextCommand)
  assert.strictEqual(header.sessionId, defined.sessionId)
  assert.strictEqual(header.asyncId, defined._tag === "AsyncHeader" ? defined.asyncId : 0n)
  assert.strictEqual(header.treeId, defined._tag === "SyncHeader" ? defined.treeId : 0)
  if (defined.messageId >> 32n === 0xffffffffn) assert.strictEqual(header.messageId, Header.unsolicited)
  else assert.strictEqual(BigInt(header.messageId), BigInt(Number(defined.messageId)))
  return { defined, header }
}

describe("the SMB 2 header", () => {
  it("is read as the table says, and written back, for every recorded packet", () => {
    assert(captured.length > 300)
    for (const { packet } of captured) {
      const bytes = new Uint8Array(Buffer.from(packet, "hex"))
      const { defined, header } = agree(bytes)
      if (header.messageId === Header.unsolicited) continue
      const written = new Uint8Array(64)
      Header.write(Header.view(written), 0, header)
      const again = Result.getOrThrow(decode(written))
      const plain = { ...defined, signature: new Uint8Array(16), ...("reserved" in defined ? { reserved: 0 } : {}) }
      assert.deepStrictEqual({ ...again, signature: new Uint8Array(again.signature) }, plain)
    }
  })

  it("is read as the table says for random bytes", () => {
    const next = random(1)
    for (let i = 0; i < 5000; i++) {
      const bytes = Uint8Array.from({ length: 64 }, () => next(256))
      bytes.set([0xfe, 0x53, 0x4d, 0x42, 64, 0])
      if (i % 10 === 0) bytes.fill(0xff, 24, 32)
      // A connection never gives MessageIds beyond 2^53.
      else bytes[31] = 0
      if (i % 10 !== 0) bytes[30] = next(32)
      agree(bytes)
    }
  })
})
