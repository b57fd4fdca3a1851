/** What responses to operations mean when a status or a count has an unusual meaning (MS-SMB2 2.2.22, 2.2.32). */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import * as Commands from "../../src/Smb2/Commands.ts"
import * as Header from "../../src/Smb2/Header.ts"
import { Command } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import { response } from "./peer.ts"

const decode = (operation: Operation.Any, command: number, status: number, body: Uint8Array) => {
  const packet = response({ command, status }, body)
  return Commands.decode(operation, { header: Header.read(Header.view(packet)), packet }, "\\\\server\\share\\file")
}

const reasonOf = (
  result: Result.Result<unknown, { readonly _tag: string; readonly reason?: { readonly _tag: string } }>
) => Result.isFailure(result) ? result.failure.reason?._tag : result.success

describe("a WRITE response", () => {
  /** MS-SMB2 2.2.22: StructureSize, Reserved, Count, Remaining, WriteChannelInfo. */
  const written = (count: number) => {
    const body = new Uint8Array(16)
    body[0] = 17
    body[4] = count
    return body
  }
  const write = (length: number): Operation.Write => ({ _tag: "Write", offset: 0n, data: new Uint8Array(length) })

  it("with a count of 0 for a WRITE with data is DiskFull", () => {
    assert.strictEqual(reasonOf(decode(write(5), Command.WRITE, 0, written(0))), "DiskFull")
    assert.strictEqual(reasonOf(decode(write(5), Command.WRITE, 0, written(3))), 3)
    assert.strictEqual(reasonOf(decode(write(0), Command.WRITE, 0, written(0))), 0)
  })
})

describe("an IOCTL response", () => {
  /** MS-SMB2 2.2.32, with three bytes of output. */
  const output = (ctlCode: number) => {
    const body = new Uint8Array(51)
    const view = new DataView(body.buffer)
    body[0] = 49
    view.setUint32(4, ctlCode, true)
    view.setUint32(24, Header.size + 48, true)
    view.setUint32(32, Header.size + 48, true)
    view.setUint32(36, 3, true)
    body.set([1, 2, 3], 48)
    return body
  }
  const ioctl = (ctlCode: number) =>
    decode(
      { _tag: "Ioctl", ctlCode, input: new Uint8Array(0), maximum: 3 },
      Command.IOCTL,
      NtStatus.STATUS_BUFFER_OVERFLOW,
      output(ctlCode)
    )

  it("with STATUS_BUFFER_OVERFLOW is a part of a pipe's message, and an error for other controls", () => {
    const part = ioctl(Fsctl.FSCTL_PIPE_TRANSCEIVE)
    assert.deepStrictEqual(Buffer.from(Result.getOrThrow(part)), Buffer.of(1, 2, 3))
    assert.strictEqual(reasonOf(ioctl(Fsctl.FSCTL_DFS_GET_REFERRALS)), "BufferOverflow")
  })
})
