/**
 * Proves that CREATE with FILE_DELETE_ON_CLOSE needs the right to delete the file on each way to it (MS-FSA
 * 2.1.5.1.2.1): the file's descriptor grants that right, or FILE_DELETE_CHILD of the folder that holds the name. Raw
 * clients of several users ask a server with a memory store.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec, FileInformation, NtStatus as Status } from "effect-smb/Codec"
import * as Access from "../../src/Server/internal/State/Access.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import {
  AccessMask as A,
  CreateDisposition as D,
  CreateOptions as O,
  FileAttributes as F,
  OplockLevel
} from "../../src/Smb2/Message/Constants.ts"
import type * as Create from "../../src/Smb2/Message/Create.ts"
import { type Client, everything, keepRoot, link, type People, people, place, read, rename } from "./people.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.34"
const denied = NtStatus.STATUS_ACCESS_DENIED
const notDeleted = NtStatus.STATUS_CANNOT_DELETE
const invalid = NtStatus.STATUS_INVALID_PARAMETER

const cases = (name: string, run: (among: People) => Promise<void>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(people(host), (among) => Effect.promise(() => run(among)))))

/** Opens the file to delete it on close, and closes it. Returns the status. */
const deleting = async (client: Client, name: string, how: Partial<Create.Request> = {}): Promise<number> => {
  const file = await client.open(name, {
    createDisposition: D.FILE_OPEN,
    desiredAccess: A.DELETE,
    ...how,
    createOptions: O.FILE_DELETE_ON_CLOSE | (how.createOptions ?? 0)
  })
  if (typeof file === "number") return file
  return client.status(Requests.close(file))
}

const isThere = async (client: Client, name: string): Promise<boolean> => {
  const file = await client.open(name, { createDisposition: D.FILE_OPEN, desiredAccess: A.FILE_READ_ATTRIBUTES })
  if (typeof file === "number") {
    assert.strictEqual(file, NtStatus.STATUS_OBJECT_NAME_NOT_FOUND, name)
    return false
  }
  await client.status(Requests.close(file))
  return true
}

const basic = Codec.encode(FileInformation.FileBasicInformation)
const readOnly = async (client: Client, name: string): Promise<void> => {
  const file = await client.must(name, { createDisposition: D.FILE_OPEN, desiredAccess: A.FILE_WRITE_ATTRIBUTES })
  const of = {
    creationTime: 0n,
    lastAccessTime: 0n,
    lastWriteTime: 0n,
    changeTime: 0n,
    fileAttributes: F.FILE_ATTRIBUTE_READONLY
  }
  assert.strictEqual(await client.status(Requests.set(file, "file", "FileBasicInformation", basic(of))), 0)
  await client.status(Requests.close(file))
}

const access = {
  DELETE: A.DELETE,
  GENERIC_ALL: A.GENERIC_ALL,
  MAXIMUM_ALLOWED: A.MAXIMUM_ALLOWED
} as const

describe("CREATE with FILE_DELETE_ON_CLOSE", () => {
  cases(
    "needs the right to delete with every disposition, and is invalid with an access without DELETE",
    async ({ ann, fixed, joe }) => {
      await keepRoot(ann)
      await ann.make("theirs", { joe: read | Access.generic.write })
      await ann.make("theirs:stream", {})
      for (const [what, desiredAccess] of Object.entries(access)) {
        for (
          const [name, createDisposition] of [
            ["theirs", D.FILE_OPEN],
            ["theirs", D.FILE_OPEN_IF],
            ["theirs", D.FILE_OVERWRITE],
            ["theirs", D.FILE_OVERWRITE_IF],
            ["theirs", D.FILE_SUPERSEDE],
            ["theirs:stream", D.FILE_OPEN],
            ["theirs:stream", D.FILE_OVERWRITE_IF],
            ["theirs:new", D.FILE_CREATE],
            ["theirs:new", D.FILE_OPEN_IF]
          ] as const
        ) {
          assert.strictEqual(
            await deleting(joe, name, { desiredAccess, createDisposition }),
            denied,
            `${what}: ${name}`
          )
          assert.strictEqual(
            await deleting(fixed, name, { desiredAccess, createDisposition }),
            denied,
            `${what}: ${name}`
          )
        }
      }
      // No right that the access could be granted includes DELETE.
      for (const desiredAccess of [A.GENERIC_READ, A.GENERIC_WRITE, A.GENERIC_EXECUTE, A.FILE_READ_DATA, A.WRITE_DAC]) {
        for (const name of ["theirs", "theirs:stream", "new"]) {
          assert.strictEqual(
            await deleting(joe, name, { desiredAccess, createDisposition: D.FILE_OPEN_IF }),
            invalid,
            `${name} ${desiredAccess.toString(16)}`
          )
        }
      }
      assert.strictEqual(await ann.text("theirs"), "theirs")
      assert.isTrue(await isThere(ann, "theirs:stream"))
      assert.isFalse(await isThere(ann, "theirs:new"))
      assert.isFalse(await isThere(ann, "new"))
    }
  )

  for (const [what, desiredAccess] of Object.entries(access)) {
    cases(
      `is granted by the file's descriptor, or by the folder that holds the name, with access ${what}`,
      async ({ ann, joe }) => {
        await ann.make("closed", { joe: everything & ~A.FILE_DELETE_CHILD }, O.FILE_DIRECTORY_FILE)
        await ann.make("open", { joe: everything }, O.FILE_DIRECTORY_FILE)
        await ann.make("closed\\granted", { joe: everything })
        assert.strictEqual(await deleting(joe, "closed\\granted", { desiredAccess }), 0)
        assert.isFalse(await isThere(ann, "closed\\granted"))
        // One file with two names: the folder of each name decides.
        await ann.make("closed\\one", { joe: everything & ~A.DELETE })
        const file = await ann.must("closed\\one")
        assert.strictEqual(await ann.status(link(file, "open\\two")), 0)
        await ann.status(Requests.close(file))
        assert.strictEqual(await deleting(joe, "closed\\one", { desiredAccess }), denied)
        assert.strictEqual(await deleting(joe, "open\\two", { desiredAccess }), 0)
        assert.isFalse(await isThere(ann, "open\\two"))
        assert.strictEqual(await ann.text("closed\\one"), "theirs")
        // The creator of a file may delete it.
        assert.strictEqual(await deleting(joe, "closed\\mine", { desiredAccess, createDisposition: D.FILE_CREATE }), 0)
        assert.isFalse(await isThere(ann, "closed\\mine"))
      }
    )
  }

  cases("deletes a stream only, if the name names a stream", async ({ ann, joe }) => {
    await ann.make("file", { joe: everything })
    await ann.make("file:stream", { joe: everything })
    assert.strictEqual(await deleting(joe, "file:stream"), 0)
    assert.isFalse(await isThere(ann, "file:stream"))
    assert.strictEqual(await ann.text("file"), "theirs")
    assert.strictEqual(await deleting(joe, "file:new", { createDisposition: D.FILE_CREATE }), 0)
    assert.isTrue(await isThere(ann, "file"))
  })

  cases(
    "is refused with STATUS_CANNOT_DELETE for a read-only file or folder and for the stream of a read-only file",
    async ({ ann, joe, root }) => {
      await ann.make("file", { joe: everything, root: everything })
      await ann.make("file:stream", { joe: everything, root: everything })
      await ann.make("folder", { joe: everything, root: everything }, O.FILE_DIRECTORY_FILE)
      for (const name of ["file", "folder"]) await readOnly(ann, name)
      for (const client of [joe, root]) {
        for (const name of ["file", "file:stream", "folder"]) {
          for (const desiredAccess of [A.DELETE, A.MAXIMUM_ALLOWED]) {
            assert.strictEqual(await deleting(client, name, { desiredAccess }), notDeleted, name)
          }
          assert.strictEqual(
            await deleting(client, name, { createDisposition: D.FILE_OPEN_IF }),
            notDeleted,
            name
          )
        }
        // The server refuses write access first.
        for (const createDisposition of [D.FILE_OVERWRITE, D.FILE_SUPERSEDE]) {
          assert.strictEqual(await deleting(client, "file", { createDisposition }), denied)
        }
        assert.strictEqual(
          await deleting(client, "new", {
            createDisposition: D.FILE_CREATE,
            fileAttributes: F.FILE_ATTRIBUTE_READONLY
          }),
          notDeleted
        )
        assert.strictEqual(
          await deleting(client, "new", {
            createDisposition: D.FILE_CREATE,
            fileAttributes: F.FILE_ATTRIBUTE_READONLY,
            createOptions: O.FILE_DIRECTORY_FILE
          }),
          notDeleted
        )
      }
      assert.strictEqual(await ann.text("file"), "theirs")
      for (const name of ["file:stream", "folder"]) assert.isTrue(await isThere(ann, name), name)
      assert.isFalse(await isThere(ann, "new"))
    }
  )

  cases(
    "is refused for the share's root for each user, and other users can still open files",
    async ({ ann, root }) => {
      await ann.make("file", {})
      const looking = await ann.must("", { createDisposition: D.FILE_OPEN, desiredAccess: A.FILE_READ_ATTRIBUTES })
      for (const client of [ann, root]) {
        for (const createOptions of [0, O.FILE_DIRECTORY_FILE]) {
          for (const desiredAccess of Object.values(access)) {
            assert.strictEqual(await deleting(client, "", { createOptions, desiredAccess }), notDeleted)
          }
        }
      }
      assert.isTrue(await isThere(ann, "file"))
      await ann.make("more", {})
      await ann.status(Requests.close(looking))
    }
  )
})

it.live("a file marked for deletion is deleted when the connection of its durable handle is lost", () =>
  Effect.scoped(Effect.gen(function*() {
    const { client } = yield* place(host)
    const joe = yield* client("joe")
    const ann = yield* client("ann")
    yield* Effect.promise(async () => {
      const how = (context: unknown) => ({
        requestedOplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH,
        createContexts: [context] as never
      })
      const file = await joe.must("gone", how({ _tag: "DurableHandleRequest", data: {} }))
      assert.strictEqual(
        await joe.status(Requests.set(file, "file", "FileDispositionInformation", Uint8Array.of(1))),
        0
      )
      joe.close()
      let status: unknown
      for (let tries = 0; tries < 500; tries++) {
        status = await ann.open("gone", { createDisposition: D.FILE_OPEN, desiredAccess: A.FILE_READ_ATTRIBUTES })
        if (status !== NtStatus.STATUS_DELETE_PENDING) break
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      assert.strictEqual(status, NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
    })
  })))

describe("a read-only file", () => {
  const over = (file: FileId, how: typeof rename) => how(file, "kept", true)

  cases("is not replaced by a rename or a link, also of a user who may delete it", async ({ ann, joe, root }) => {
    await ann.make("kept", { joe: everything, root: everything })
    await readOnly(ann, "kept")
    for (const [client, name] of [[joe, "joe"], [root, "root"]] as const) {
      const file = await client.must(name)
      for (const how of [rename, link]) assert.strictEqual(await client.status(over(file, how)), denied)
      await client.status(Requests.close(file))
    }
    assert.strictEqual(await ann.text("kept"), "theirs")
  })

  cases("is not overwritten and not opened for writing, and its streams are not either", async ({ ann, joe }) => {
    await ann.make("kept", { joe: everything })
    await ann.make("kept:stream", { joe: everything })
    await readOnly(ann, "kept")
    for (const name of ["kept", "kept:stream"]) {
      for (const createDisposition of [D.FILE_OVERWRITE, D.FILE_OVERWRITE_IF, D.FILE_SUPERSEDE]) {
        assert.strictEqual(await joe.open(name, { createDisposition, desiredAccess: A.FILE_READ_DATA }), denied, name)
      }
      for (const desiredAccess of [A.FILE_WRITE_DATA, A.FILE_APPEND_DATA, A.GENERIC_WRITE, A.GENERIC_ALL]) {
        assert.strictEqual(await joe.open(name, { createDisposition: D.FILE_OPEN, desiredAccess }), denied, name)
      }
      const most = await joe.must(name, { createDisposition: D.FILE_OPEN, desiredAccess: A.MAXIMUM_ALLOWED })
      assert.strictEqual(await joe.status(Requests.write(most, Buffer.from("x"))), denied, name)
      await joe.status(Requests.close(most))
    }
    assert.strictEqual(await ann.text("kept"), "theirs")
  })
})
