/**
 * Proves which users can make a file or a folder a reparse point, and of which data, with the statuses of MS-FSA
 * 2.1.5.10.3, 2.1.5.10.37 and MS-FSCC 2.3.6, 2.3.82.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec, NtStatus as Status, Reparse } from "effect-smb/Codec"
import { AccessMask as A, CreateOptions as O } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import { type Client, everything, type People, people } from "./people.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.31"

const cases = (name: string, run: (among: People) => Promise<void>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(people(host), (among) => Effect.promise(() => run(among)))))

const encode = Codec.encode(Reparse.ReparseDataBuffer)
const symlink = (target: string) =>
  encode({ _tag: "SymbolicLink", substituteName: target, printName: target, flags: Reparse.SYMLINK_FLAG_RELATIVE })
const mountPoint = encode({ _tag: "MountPoint", substituteName: "\\??\\C:\\x", printName: "C:\\x" })
const guid = "11111111-2222-3333-4444-555555555555"
const others = (reparseGuid = guid, text = "data") =>
  encode({ _tag: "Guid", reparseTag: 0x1234, reparseGuid, data: Buffer.from(text) })

/** A buffer without data, as FSCTL_DELETE_REPARSE_POINT takes it. */
const bare = (tag: number, of?: string) => {
  const buffer = Buffer.alloc(of === undefined ? 8 : 24)
  buffer.writeUInt32LE(tag)
  if (of !== undefined) buffer.set(others(of).subarray(8, 24), 8)
  return buffer
}

const folder = { createOptions: O.FILE_DIRECTORY_FILE | O.FILE_OPEN_REPARSE_POINT }
const leaf = { createOptions: O.FILE_OPEN_REPARSE_POINT }

const set = (at: Parameters<typeof Requests.fsctl>[0], input: Uint8Array) =>
  Requests.fsctl(at, Fsctl.FSCTL_SET_REPARSE_POINT, input)
const remove = (at: Parameters<typeof Requests.fsctl>[0], input: Uint8Array) =>
  Requests.fsctl(at, Fsctl.FSCTL_DELETE_REPARSE_POINT, input)

const isLink = async (client: Client, name: string, how: Parameters<Client["open"]>[1]): Promise<boolean> => {
  const file = await client.must(name, how)
  const status = await client.status(Requests.fsctl(file, Fsctl.FSCTL_GET_REPARSE_POINT, Buffer.alloc(0)))
  await client.status(Requests.close(file))
  return status === 0
}

describe("a reparse point", () => {
  cases(
    "cannot be made of the share's root by any user, through the folder or through a stream",
    async ({ changes, joe, root }) => {
      for (const client of [joe, root]) {
        for (const [name, how] of [["", folder], [":stream", leaf]] as const) {
          const file = await client.must(name, how)
          changes.length = 0
          assert.strictEqual(await client.status(set(file, symlink("elsewhere"))), NtStatus.STATUS_ACCESS_DENIED, name)
          assert.deepStrictEqual(changes, [])
        }
      }
      await joe.must("still open")
    }
  )

  cases("can be made of an empty folder, and not of a folder with entries", async ({ joe }) => {
    const empty = await joe.must("empty", folder)
    assert.strictEqual(await joe.status(set(empty, symlink("elsewhere"))), 0)
    const full = await joe.must("full", folder)
    await joe.status(Requests.close(await joe.must("full\\entry")))
    const stream = await joe.must("full:stream", leaf)
    for (const file of [full, stream]) {
      for (const data of [symlink("elsewhere"), mountPoint, others()]) {
        assert.strictEqual(await joe.status(set(file, data)), NtStatus.STATUS_DIRECTORY_NOT_EMPTY)
      }
    }
    assert.isFalse(await isLink(joe, "full", folder))
    assert.strictEqual(typeof await joe.open("full\\entry"), "object")
  })

  cases(
    "needs the right to write a folder's attributes; the right to add files to it is not enough",
    async ({ ann, joe }) => {
      await ann.make("drop", { joe: A.FILE_ADD_FILE | A.FILE_READ_ATTRIBUTES | A.SYNCHRONIZE }, O.FILE_DIRECTORY_FILE)
      const dropped = await joe.must("drop", { ...folder, desiredAccess: A.FILE_ADD_FILE })
      assert.strictEqual(await joe.status(set(dropped, symlink("mine"))), NtStatus.STATUS_ACCESS_DENIED)
      assert.strictEqual(
        await joe.status(remove(dropped, bare(Reparse.ReparseTag.IO_REPARSE_TAG_SYMLINK))),
        NtStatus.STATUS_ACCESS_DENIED
      )
      // For a file either right suffices.
      await ann.make("shared", { joe: everything })
      for (const desiredAccess of [A.FILE_WRITE_DATA, A.FILE_WRITE_ATTRIBUTES]) {
        const file = await joe.must("shared", { ...leaf, desiredAccess })
        assert.strictEqual(await joe.status(set(file, symlink("mine"))), 0)
        await joe.status(Requests.close(file))
      }
    }
  )

  cases("is replaced or removed only by a request with the same tag and the same GUID", async ({ joe }) => {
    const { IO_REPARSE_TAG_MOUNT_POINT, IO_REPARSE_TAG_SYMLINK } = Reparse.ReparseTag
    const link = await joe.must("link", leaf)
    assert.strictEqual(
      await joe.status(remove(link, bare(IO_REPARSE_TAG_SYMLINK))),
      NtStatus.STATUS_NOT_A_REPARSE_POINT
    )
    assert.strictEqual(await joe.status(set(link, symlink("one"))), 0)
    const mismatch = NtStatus.STATUS_IO_REPARSE_TAG_MISMATCH
    assert.strictEqual(await joe.status(set(link, others())), mismatch)
    assert.strictEqual(await joe.status(remove(link, bare(IO_REPARSE_TAG_MOUNT_POINT))), mismatch)
    assert.strictEqual(await joe.status(remove(link, bare(0x1234, guid))), mismatch)
    assert.isTrue(await isLink(joe, "link", leaf))
    assert.strictEqual(await joe.status(set(link, symlink("two"))), 0)
    assert.strictEqual(await joe.status(remove(link, bare(IO_REPARSE_TAG_SYMLINK))), 0)
    assert.isFalse(await isLink(joe, "link", leaf))
    const other = await joe.must("other", leaf)
    const another = "99999999-2222-3333-4444-555555555555"
    const conflict = NtStatus.STATUS_REPARSE_ATTRIBUTE_CONFLICT
    assert.strictEqual(await joe.status(set(other, others())), 0)
    assert.strictEqual(await joe.status(set(other, others(another))), conflict)
    assert.strictEqual(await joe.status(remove(other, bare(0x1234, another))), conflict)
    assert.strictEqual(await joe.status(set(other, others(guid, "new"))), 0)
    assert.strictEqual(await joe.status(remove(other, bare(0x1234, guid))), 0)
  })

  cases(
    "is refused with STATUS_IO_REPARSE_DATA_INVALID for data that is incomplete, too long or inconsistent",
    async ({ changes, joe }) => {
      const invalid = NtStatus.STATUS_IO_REPARSE_DATA_INVALID
      const file = await joe.must("file", leaf)
      changes.length = 0
      const good = symlink("target")
      for (
        const [what, input, status] of [
          ["nothing", new Uint8Array(0), invalid],
          ["a part of its head", good.subarray(0, 7), invalid],
          ["less than its length", good.subarray(0, good.length - 1), invalid],
          ["more than its length", Buffer.concat([good, Buffer.alloc(1)]), invalid],
          ["a name outside of it", Buffer.concat([good.subarray(0, 8), Buffer.alloc(good.length - 8, 0xff)]), invalid],
          ["a link without a place for its names", bare(Reparse.ReparseTag.IO_REPARSE_TAG_SYMLINK), invalid],
          ["another's tag without a GUID", bare(0x1234), invalid],
          ["a reserved tag", bare(1, guid), invalid],
          ["too much", Buffer.alloc(16_385, 0xff), invalid],
          ["a mount point, of a file", mountPoint, NtStatus.STATUS_NOT_A_DIRECTORY]
        ] as const
      ) assert.strictEqual(await joe.status(set(file, input)), status, what)
      assert.strictEqual(await joe.status(remove(file, bare(0, guid))), NtStatus.STATUS_IO_REPARSE_TAG_INVALID)
      assert.strictEqual(await joe.status(remove(file, good)), invalid)
      assert.strictEqual(await joe.status(remove(file, bare(0x1234))), invalid)
      assert.deepStrictEqual(changes, [])
    }
  )

  cases("has at most 16 KiB, and is given only to a client with room for all of it", async ({ joe }) => {
    const file = await joe.must("file", leaf)
    // 24 bytes of a head with a GUID (MS-FSCC 2.1.2.3), and the data.
    const sized = (size: number) => others(guid, "x".repeat(size - 24))
    assert.strictEqual(await joe.status(set(file, sized(16_385))), NtStatus.STATUS_IO_REPARSE_DATA_INVALID)
    assert.strictEqual(await joe.status(set(file, sized(16_384))), 0)
    const get = async (maxOutputResponse: number) => {
      const request = Requests.fsctl(file, Fsctl.FSCTL_GET_REPARSE_POINT, Buffer.alloc(0))
      assert(request._tag === "IOCTL")
      return (await joe.ask({ ...request, body: { ...request.body, maxOutputResponse } }))!
    }
    assert.strictEqual((await get(16_383)).readUInt32LE(8), NtStatus.STATUS_BUFFER_TOO_SMALL)
    const answer = await get(16_384)
    assert.deepStrictEqual(answer.subarray(112), Buffer.from(sized(16_384)))
    // A reserved tag of either kind.
    for (const tag of [0, 1]) {
      assert.strictEqual(await joe.status(set(file, bare(tag, guid))), NtStatus.STATUS_IO_REPARSE_DATA_INVALID)
      assert.strictEqual(await joe.status(remove(file, bare(tag, guid))), NtStatus.STATUS_IO_REPARSE_TAG_INVALID)
    }
    for (const size of [0, 3, 4, 7, 23]) {
      const status = await joe.status(remove(file, bare(0x1234, guid).subarray(0, size)))
      assert.strictEqual(status, NtStatus.STATUS_IO_REPARSE_DATA_INVALID, `${size}`)
    }
  })
})
