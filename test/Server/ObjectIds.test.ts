/**
 * Proves what a server answers about the object ids of files, directories and volumes (MS-FSA 2.1.5.10.1, .2, .13, .35,
 * .36, 2.1.5.13.8 and 2.1.5.16.8): who can make, set and remove them, that they are unique, and what they stay with.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { NtStatus as Status } from "effect-smb/Codec"
import type { ShareStore } from "../../src/Server/ShareStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { AccessMask as A, CreateDisposition as D, CreateOptions as O } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl as C } from "../../src/Smb2/Message/Fsctl.ts"
import { type Client, everything, link, type People, people, rename } from "./people.ts"
import { statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
/** MS-FSCC 2.5.1. */
const FILE_SUPPORTS_OBJECT_IDS = 0x1_0000
const host = "127.0.43.62"

const cases = (name: string, run: (among: People) => Promise<void>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(people(host), (among) => Effect.promise(() => run(among)))))

const folder = { createOptions: O.FILE_DIRECTORY_FILE }
const backup = { createOptions: O.FILE_OPEN_FOR_BACKUP_INTENT }
const nothing = new Uint8Array(0)
const zeros = Buffer.alloc(16)

/** The status of a control, or its output in hexadecimal. */
const control = async (client: Client, file: FileId, code: number, input: Uint8Array = nothing, room = 4096) => {
  const request = Requests.fsctl(file, code, input)
  assert(request._tag === "IOCTL")
  const answer = (await client.ask({ ...request, body: { ...request.body, maxOutputResponse: room } }))!
  const status = statusOf(answer)
  const output = status === 0 ? Buffer.from(answer.subarray(answer.readUInt32LE(96))) : nothing
  return { status: status ?? -1, output }
}

const createOrGet = async (client: Client, file: FileId): Promise<Buffer> => {
  const { output, status } = await control(client, file, C.FSCTL_CREATE_OR_GET_OBJECT_ID)
  assert.strictEqual(status, 0)
  assert.strictEqual(output.length, 64)
  return output as Buffer
}

const get = async (client: Client, file: FileId): Promise<Uint8Array | number> => {
  const { output, status } = await control(client, file, C.FSCTL_GET_OBJECT_ID)
  return status === 0 ? output : status
}

const statusOfControl = async (client: Client, file: FileId, code: number, input?: Uint8Array, room?: number) =>
  (await control(client, file, code, input, room)).status

/** A FILE_OBJECTID_BUFFER whose id has this byte, and whose extended information has another one. */
const buffer = (id: number, extended = 0xee) => Buffer.concat([Buffer.alloc(16, id), Buffer.alloc(48, extended)])

const withoutObjectIds = (store: ShareStore): ShareStore => ({
  ...store,
  volume: Effect.map(store.volume, (volume) => ({ ...volume, supports: { ...volume.supports, objectIds: false } }))
})

/** Whether FileFsAttributeInformation and FileFsVolumeInformation (MS-FSCC 2.5.1, 2.5.9) say that there are object ids. */
const announces = async (client: Client, file: FileId): Promise<ReadonlyArray<boolean>> => {
  const attributes = (await client.ask(Requests.query(file, "fileSystem", "FileFsAttributeInformation")))!
  const volume = (await client.ask(Requests.query(file, "fileSystem", "FileFsVolumeInformation")))!
  return [(attributes.readUInt32LE(72) & FILE_SUPPORTS_OBJECT_IDS) !== 0, volume[72 + 16] === 1]
}

describe("a volume", () => {
  cases("whose store keeps object ids announces them", async ({ ann }) => {
    assert.deepStrictEqual(await announces(ann, await ann.must("f")), [true, true])
  })

  it.live("whose store keeps none refuses them, and announces nothing", () =>
    Effect.scoped(Effect.flatMap(people(host, withoutObjectIds), ({ ann }) =>
      Effect.promise(async () => {
        const file = await ann.must("f")
        assert.deepStrictEqual(await announces(ann, file), [false, false])
        for (
          const [code, input] of [
            [C.FSCTL_CREATE_OR_GET_OBJECT_ID, nothing],
            [C.FSCTL_GET_OBJECT_ID, nothing],
            [C.FSCTL_SET_OBJECT_ID, buffer(1)],
            [C.FSCTL_SET_OBJECT_ID_EXTENDED, Buffer.alloc(48)],
            [C.FSCTL_DELETE_OBJECT_ID, nothing]
          ] as const
        ) {
          assert.strictEqual(
            await statusOfControl(ann, file, code, input),
            NtStatus.STATUS_INVALID_DEVICE_REQUEST,
            code.toString(16)
          )
        }
        const query = Requests.query(file, "fileSystem", "FileFsObjectIdInformation")
        assert.strictEqual(await ann.status(query), NtStatus.STATUS_INVALID_PARAMETER)
        const set = Requests.set(file, "fileSystem", 8, Buffer.alloc(64, 1))
        assert.strictEqual(await ann.status(set), NtStatus.STATUS_INVALID_PARAMETER)
      }))))
})

describe("the object id of a file", () => {
  for (const [kind, how] of [["file", {}], ["directory", folder]] as const) {
    cases(`is made on request for a ${kind}, with the place of its birth, and stays`, async ({ ann, joe }) => {
      await ann.make("it", { joe: A.FILE_READ_DATA | A.READ_CONTROL }, how === folder ? O.FILE_DIRECTORY_FILE : 0)
      const file = await ann.must("it", { createDisposition: D.FILE_OPEN, ...how })
      assert.strictEqual(await get(ann, file), NtStatus.STATUS_OBJECTID_NOT_FOUND)
      // A client that may only read can ask for one.
      const reader = await joe.must("it", { createDisposition: D.FILE_OPEN, desiredAccess: A.FILE_READ_DATA, ...how })
      const made = await createOrGet(joe, reader)
      const [id, birthVolume, birthObject, domain] = [0, 16, 32, 48].map((at) => made.subarray(at, at + 16))
      assert.isFalse(id!.equals(zeros))
      assert.isTrue(birthObject!.equals(id!))
      assert.isTrue(domain!.equals(zeros))
      const volume = (await ann.ask(Requests.query(file, "fileSystem", "FileFsObjectIdInformation")))!
      assert.isTrue(volume.subarray(72, 88).equals(birthVolume!))
      assert.isTrue(volume.subarray(88, 136).equals(Buffer.alloc(48)))
      assert.isFalse(birthVolume!.equals(zeros))
      assert.deepStrictEqual(await get(ann, file), made)
      assert.deepStrictEqual(await createOrGet(ann, file), made)
      // A reader cannot take it away, nor change it.
      for (const code of [C.FSCTL_DELETE_OBJECT_ID, C.FSCTL_SET_OBJECT_ID_EXTENDED]) {
        assert.strictEqual(
          await statusOfControl(joe, reader, code, code === C.FSCTL_DELETE_OBJECT_ID ? nothing : Buffer.alloc(48)),
          NtStatus.STATUS_ACCESS_DENIED
        )
      }
      const other = await createOrGet(ann, await ann.must("other", how))
      assert.isFalse(other.subarray(0, 16).equals(id!))
      assert.isTrue(other.subarray(16, 32).equals(birthVolume!))
    })
  }

  cases("needs room for 64 bytes, and inputs of their exact lengths", async ({ root }) => {
    const file = await root.must("f", backup)
    const rows: ReadonlyArray<readonly [code: number, input: Uint8Array, room: number]> = [
      [C.FSCTL_CREATE_OR_GET_OBJECT_ID, nothing, 63],
      [C.FSCTL_SET_OBJECT_ID, buffer(1).subarray(1), 0],
      [C.FSCTL_SET_OBJECT_ID, Buffer.alloc(65, 1), 0],
      [C.FSCTL_SET_OBJECT_ID, Buffer.alloc(64), 0],
      [C.FSCTL_SET_OBJECT_ID_EXTENDED, Buffer.alloc(47), 0],
      [C.FSCTL_SET_OBJECT_ID_EXTENDED, Buffer.alloc(64), 0]
    ]
    for (const [code, input, room] of rows) {
      assert.strictEqual(
        await statusOfControl(root, file, code, input, room),
        NtStatus.STATUS_INVALID_PARAMETER,
        `${code.toString(16)} ${input.length}`
      )
    }
    assert.strictEqual(await get(root, file), NtStatus.STATUS_OBJECTID_NOT_FOUND)
    await createOrGet(root, file)
    assert.strictEqual(
      await statusOfControl(root, file, C.FSCTL_GET_OBJECT_ID, nothing, 63),
      NtStatus.STATUS_INVALID_PARAMETER
    )
  })

  cases(
    "is set by an administrator with backup intent alone, once, and no two files have it",
    async ({ ann, root }) => {
      await ann.make("f", { root: everything })
      await ann.make("g", { root: everything })
      const mine = await ann.must("f", { createDisposition: D.FILE_OPEN, ...backup })
      const set = (client: Client, file: FileId, bytes: Uint8Array) =>
        statusOfControl(client, file, C.FSCTL_SET_OBJECT_ID, bytes)
      assert.strictEqual(await set(ann, mine, buffer(1)), NtStatus.STATUS_ACCESS_DENIED)
      const plain = await root.must("f", { createDisposition: D.FILE_OPEN })
      assert.strictEqual(await set(root, plain, buffer(1)), NtStatus.STATUS_ACCESS_DENIED)
      const f = await root.must("f", { createDisposition: D.FILE_OPEN, ...backup })
      const g = await root.must("g", { createDisposition: D.FILE_OPEN, ...backup })
      assert.strictEqual(await set(root, f, buffer(1)), 0)
      assert.deepStrictEqual(await get(ann, mine), buffer(1))
      assert.strictEqual(await set(root, f, buffer(2)), NtStatus.STATUS_OBJECT_NAME_COLLISION)
      // The id itself has to differ: the bytes after it do not count.
      assert.strictEqual(await set(root, g, buffer(1, 0x77)), NtStatus.STATUS_DUPLICATE_NAME)
      assert.strictEqual(await get(root, g), NtStatus.STATUS_OBJECTID_NOT_FOUND)
      assert.strictEqual(await set(root, g, buffer(2)), 0)
      // An id that was removed, or whose file was, is free again.
      assert.strictEqual(await statusOfControl(ann, mine, C.FSCTL_DELETE_OBJECT_ID), 0)
      assert.strictEqual(await statusOfControl(ann, mine, C.FSCTL_DELETE_OBJECT_ID), 0)
      assert.strictEqual(await get(ann, mine), NtStatus.STATUS_OBJECTID_NOT_FOUND)
      assert.strictEqual(await set(root, f, buffer(2)), NtStatus.STATUS_DUPLICATE_NAME)
      assert.strictEqual(await root.status(Requests.set(g, "file", 13, Uint8Array.of(1))), 0)
      assert.strictEqual(await root.status(Requests.close(g)), 0)
      assert.strictEqual(await set(root, f, buffer(2)), 0)
    }
  )

  cases("has extended information that is changed alone, if there is an id", async ({ ann }) => {
    const file = await ann.must("f")
    const change = () => statusOfControl(ann, file, C.FSCTL_SET_OBJECT_ID_EXTENDED, Buffer.alloc(48, 9))
    assert.strictEqual(await change(), NtStatus.STATUS_OBJECTID_NOT_FOUND)
    const made = await createOrGet(ann, file)
    assert.strictEqual(await change(), 0)
    assert.deepStrictEqual(await get(ann, file), Buffer.concat([made.subarray(0, 16), Buffer.alloc(48, 9)]))
    assert.deepStrictEqual<Uint8Array | number>(await get(ann, file), await createOrGet(ann, file))
  })

  cases("that was set without a birth gets one when a client asks for an id", async ({ root }) => {
    const file = await root.must("f", backup)
    assert.strictEqual(await statusOfControl(root, file, C.FSCTL_SET_OBJECT_ID, buffer(5, 0)), 0)
    const found = await createOrGet(root, file)
    assert.deepStrictEqual(found.subarray(0, 16), Buffer.alloc(16, 5))
    assert.deepStrictEqual(found.subarray(32, 48), Buffer.alloc(16, 5))
    assert.isFalse(found.subarray(16, 32).equals(zeros))
  })

  cases("stays with the file under other names, and belongs to its streams too", async ({ ann }) => {
    const file = await ann.must("f")
    const made = await createOrGet(ann, file)
    assert.strictEqual(await ann.status(link(file, "linked")), 0)
    assert.strictEqual(await ann.status(rename(file, "g")), 0)
    for (const name of ["g", "linked"]) {
      assert.deepStrictEqual(await get(ann, await ann.must(name, { createDisposition: D.FILE_OPEN })), made, name)
    }
    assert.deepStrictEqual(await get(ann, await ann.must("g:stream")), made)
    // A file that takes the old name has none.
    assert.strictEqual(await get(ann, await ann.must("f")), NtStatus.STATUS_OBJECTID_NOT_FOUND)
  })

  cases("cannot be changed in a read-only share, which shows it", async ({ ann, fixedRoot }) => {
    const file = await ann.must("f")
    const open = () => fixedRoot.must("f", { createDisposition: D.FILE_OPEN, desiredAccess: A.FILE_READ_DATA })
    const fixed = await open()
    for (
      const [code, input] of [
        [C.FSCTL_CREATE_OR_GET_OBJECT_ID, nothing],
        [C.FSCTL_SET_OBJECT_ID, buffer(1)],
        [C.FSCTL_SET_OBJECT_ID_EXTENDED, Buffer.alloc(48)],
        [C.FSCTL_DELETE_OBJECT_ID, nothing]
      ] as const
    ) {
      assert.strictEqual(
        await statusOfControl(fixedRoot, fixed, code, input),
        NtStatus.STATUS_MEDIA_WRITE_PROTECTED,
        code.toString(16)
      )
    }
    const made = await createOrGet(ann, file)
    assert.deepStrictEqual(await createOrGet(fixedRoot, fixed), made)
  })
})
