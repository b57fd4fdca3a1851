/**
 * Proves that the server refuses each action that a user has no right to: raw clients of several users ask for more
 * than the descriptors, the share or the handle allow (MS-FSA 2.1.5).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec, NtStatus as Status } from "effect-smb/Codec"
import * as Access from "../../src/Server/internal/State/Access.ts"
import { AccessMask as A, CreateDisposition as D, CreateOptions as O } from "../../src/Smb2/Message/Constants.ts"
import * as Fsctl from "../../src/Smb2/Message/Fsctl.ts"
import { descriptor, encode, everything, keepRoot, link, type People, people, read, rename, sids } from "./people.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.1"
const refused = NtStatus.STATUS_ACCESS_DENIED
const invalid = NtStatus.STATUS_INVALID_PARAMETER

describe("a user without the right", () => {
  const cases = (name: string, run: (among: People) => Promise<void>) =>
    it.live(name, () => Effect.scoped(Effect.flatMap(people(host), (among) => Effect.promise(() => run(among)))))

  cases("cannot delete a file with MAXIMUM_ALLOWED and FILE_DELETE_ON_CLOSE", async ({ ann, fixed, joe }) => {
    await ann.make("theirs", { joe: read })
    const how = {
      createDisposition: D.FILE_OPEN,
      desiredAccess: A.MAXIMUM_ALLOWED,
      createOptions: O.FILE_DELETE_ON_CLOSE
    }
    await keepRoot(ann)
    assert.strictEqual(await joe.open("theirs", how), refused)
    assert.strictEqual(await fixed.open("theirs", how), refused)
    assert.strictEqual(await ann.text("theirs"), "theirs")
  })

  cases(
    "cannot delete a file in a read-only share, although the file's descriptor allows it",
    async ({ ann, fixed }) => {
      await ann.make("theirs", { joe: everything })
      const how = {
        createDisposition: D.FILE_OPEN,
        desiredAccess: A.MAXIMUM_ALLOWED,
        createOptions: O.FILE_DELETE_ON_CLOSE
      }
      const file = await fixed.open("theirs", how)
      if (typeof file !== "number") await fixed.status(Requests.close(file))
      assert.strictEqual(file, refused)
      assert.strictEqual(await ann.text("theirs"), "theirs")
    }
  )

  cases(
    "cannot create a stream in a file that the user can only read, or get more rights by a stream",
    async ({ ann, joe }) => {
      await ann.make("theirs", { joe: read })
      for (const createDisposition of [D.FILE_CREATE, D.FILE_OPEN_IF, D.FILE_OVERWRITE_IF, D.FILE_SUPERSEDE]) {
        for (const desiredAccess of [A.WRITE_DAC | A.WRITE_OWNER, A.FILE_WRITE_DATA, A.FILE_READ_DATA]) {
          assert.strictEqual(
            await joe.open("theirs:mine", { createDisposition, desiredAccess }),
            refused,
            `${createDisposition} ${desiredAccess}`
          )
        }
      }
      const own = await ann.must("theirs")
      const streams = (await ann.ask(Requests.query(own, "file", "FileStreamInformation")))!
      assert.notInclude(streams.toString("utf16le"), "mine")
      // A user who may write gets the rights of the file, and no more.
      await ann.make("shared", { joe: Access.generic.read | Access.generic.write })
      assert.strictEqual(await joe.open("shared:mine", { desiredAccess: A.FILE_READ_DATA | A.WRITE_DAC }), refused)
      const stream = await joe.must("shared:mine", { desiredAccess: A.MAXIMUM_ALLOWED })
      assert.strictEqual(
        await joe.status(Requests.set(stream, "security", 0, encode(descriptor(sids.joe, { joe: everything })))),
        refused
      )
      assert.strictEqual(await joe.status(Requests.write(stream, Buffer.from("a note"))), 0)
    }
  )

  cases(
    "cannot rename or link a file into a folder where the user may not add files, or over a file of another user",
    async ({ ann, joe }) => {
      await ann.make("closed", { joe: read | Access.generic.execute }, O.FILE_DIRECTORY_FILE)
      await ann.make("theirs", { joe: read })
      await keepRoot(ann)
      const mine = await joe.must("mine")
      assert.strictEqual(await joe.status(Requests.write(mine, Buffer.from("mine"))), 0)
      for (const [, give] of [["rename", rename], ["link", link]] as const) {
        assert.strictEqual(await joe.status(give(mine, "closed\\mine")), refused)
        assert.strictEqual(await joe.status(give(mine, "theirs", true)), refused)
      }
      assert.strictEqual(await ann.text("theirs"), "theirs")
      // A file that the user may only read gets no further name. A file that the user may write does, by any handle.
      const looked = await joe.must("theirs", { createDisposition: D.FILE_OPEN, desiredAccess: read })
      assert.strictEqual(await joe.status(link(looked, "another")), refused)
      await ann.make("shared", { joe: Access.generic.read | Access.generic.write })
      const attributes = { createDisposition: D.FILE_OPEN, desiredAccess: A.FILE_READ_ATTRIBUTES }
      const shared = await joe.must("shared", attributes)
      assert.strictEqual(await joe.status(link(shared, "another")), 0)
      assert.strictEqual(await joe.status(link(shared, "closed\\another")), refused)
      assert.strictEqual(await joe.status(link(await joe.must("mine:stream"), "yet another")), invalid)
      // A name that is to be deleted gets no link either.
      const going = await joe.must("going", { createOptions: O.FILE_DELETE_ON_CLOSE })
      assert.strictEqual(
        await joe.status(Requests.set(going, "file", "FileDispositionInformation", Uint8Array.of(1))),
        0
      )
      assert.strictEqual(await joe.status(link(going, "yet another")), refused)
      assert.strictEqual(await joe.status(link(mine, "more")), 0)
      assert.strictEqual(await joe.status(rename(mine, "other")), 0)
      assert.strictEqual(await joe.text("other"), "mine")
    }
  )

  cases("cannot overwrite by a server-side copy a file that the user can only append to", async ({ ann, joe }) => {
    const source = await joe.must("source")
    assert.strictEqual(await joe.status(Requests.write(source, Buffer.from("XXXXXX"))), 0)
    await ann.make("log", { joe: A.FILE_APPEND_DATA | A.FILE_READ_ATTRIBUTES | A.SYNCHRONIZE })
    const target = await joe.must("log", { createDisposition: D.FILE_OPEN, desiredAccess: A.FILE_APPEND_DATA })
    const key = (await joe.ask(Requests.fsctl(source, Fsctl.Fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, Buffer.alloc(0))))!
    const at = key.readUInt32LE(64 + 32)
    const copy = (targetOffset: bigint) =>
      joe.status(Requests.fsctl(
        target,
        Fsctl.Fsctl.FSCTL_SRV_COPYCHUNK_WRITE,
        Codec.encode(Fsctl.SrvCopychunkCopy)({
          sourceKey: Uint8Array.from(key.subarray(at, at + 24)),
          chunks: [{ sourceOffset: 0n, targetOffset, length: 6 }]
        })
      ))
    // The copy is appended, like a write.
    assert.strictEqual(await copy(0n), 0)
    assert.strictEqual(await ann.text("log"), "theirsXXXXXX")
  })

  cases("cannot copy with the resume key of another user's open", async ({ ann, joe }) => {
    await ann.make("theirs", {})
    const own = await ann.must("theirs")
    const key = (await ann.ask(Requests.fsctl(own, Fsctl.Fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, Buffer.alloc(0))))!
    const at = key.readUInt32LE(64 + 32)
    const target = await joe.must("mine")
    assert.strictEqual(
      await joe.status(Requests.fsctl(
        target,
        Fsctl.Fsctl.FSCTL_SRV_COPYCHUNK,
        Codec.encode(Fsctl.SrvCopychunkCopy)({
          sourceKey: Uint8Array.from(key.subarray(at, at + 24)),
          chunks: [{ sourceOffset: 0n, targetOffset: 0n, length: 6 }]
        })
      )),
      NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
    )
  })

  cases("cannot lock a file that the user can neither read nor write", async ({ ann, joe }) => {
    await ann.make("theirs", { joe: A.FILE_READ_ATTRIBUTES | A.SYNCHRONIZE })
    const file = await joe.must("theirs", { createDisposition: D.FILE_OPEN, desiredAccess: A.FILE_READ_ATTRIBUTES })
    assert.strictEqual(await joe.status(Requests.lock(file, 0)), refused)
  })

  cases("cannot delete a stream of a file by a name that the user gave it in another folder", async ({ ann, joe }) => {
    await ann.make("theirs", { joe: read | A.FILE_WRITE_ATTRIBUTES })
    const stream = await ann.must("theirs:stream")
    assert.strictEqual(await ann.status(Requests.close(stream)), 0)
    await joe.status(Requests.close(await joe.must("his", { createOptions: O.FILE_DIRECTORY_FILE })))
    const file = await joe.must("theirs", { createDisposition: D.FILE_OPEN, desiredAccess: A.FILE_READ_ATTRIBUTES })
    assert.strictEqual(await joe.status(link(file, "his\\theirs")), 0)
    const taken = { createDisposition: D.FILE_OPEN, desiredAccess: A.DELETE }
    assert.strictEqual(await joe.open("his\\theirs:stream", taken), refused)
    assert.isObject(await ann.open("theirs:stream", { createDisposition: D.FILE_OPEN }))
    // The user may delete the name itself.
    assert.isObject(await joe.open("his\\theirs", taken))
  })

  cases("cannot create a file with ACCESS_SYSTEM_SECURITY", async ({ joe }) => {
    assert.strictEqual(
      await joe.open("watched", { desiredAccess: A.FILE_READ_DATA | A.ACCESS_SYSTEM_SECURITY }),
      NtStatus.STATUS_PRIVILEGE_NOT_HELD
    )
  })

  cases("cannot do with a handle what the handle was not opened for", async ({ ann, joe }) => {
    await ann.make("theirs", { joe: everything })
    const reader = await joe.must("theirs", { createDisposition: D.FILE_OPEN, desiredAccess: read })
    const basic = Buffer.alloc(40)
    basic.writeUInt32LE(1, 32)
    const size = Buffer.alloc(8)
    for (
      const [what, request] of Object.entries({
        write: Requests.write(reader, Buffer.from("x")),
        times: Requests.set(reader, "file", "FileBasicInformation", basic),
        size: Requests.set(reader, "file", "FileEndOfFileInformation", size),
        allocation: Requests.set(reader, "file", "FileAllocationInformation", size),
        deletion: Requests.set(reader, "file", "FileDispositionInformation", Uint8Array.of(1)),
        deletionEx: Requests.set(reader, "file", "FileDispositionInformationEx", Uint8Array.of(1, 0, 0, 0)),
        rename: rename(reader, "elsewhere"),
        security: Requests.set(reader, "security", 0, encode(descriptor(sids.joe, {}))),
        flush: Requests.flush(reader),
        zero: Requests.fsctl(reader, Fsctl.Fsctl.FSCTL_SET_ZERO_DATA, Buffer.alloc(16)),
        sparse: Requests.fsctl(reader, Fsctl.Fsctl.FSCTL_SET_SPARSE, Buffer.alloc(1)),
        reparse: Requests.fsctl(reader, Fsctl.Fsctl.FSCTL_SET_REPARSE_POINT, Buffer.alloc(16)),
        noReparse: Requests.fsctl(reader, Fsctl.Fsctl.FSCTL_DELETE_REPARSE_POINT, Buffer.alloc(16))
      })
    ) assert.strictEqual(await joe.status(request), refused, what)
    const looker = await joe.must("theirs", { createDisposition: D.FILE_OPEN, desiredAccess: A.SYNCHRONIZE })
    for (
      const [what, request] of Object.entries({
        read: Requests.read(looker, 1),
        attributes: Requests.query(looker, "file", "FileBasicInformation"),
        all: Requests.query(looker, "file", "FileAllInformation"),
        network: Requests.query(looker, "file", "FileNetworkOpenInformation"),
        tag: Requests.query(looker, "file", "FileAttributeTagInformation"),
        extended: Requests.query(looker, "file", "FileFullEaInformation"),
        security: Requests.query(looker, "security"),
        ranges: Requests.fsctl(looker, Fsctl.Fsctl.FSCTL_QUERY_ALLOCATED_RANGES, Buffer.alloc(16))
      })
    ) assert.strictEqual(await joe.status(request), refused, what)
    const folder = await joe.must("", { createDisposition: D.FILE_OPEN, desiredAccess: A.FILE_READ_ATTRIBUTES })
    assert.strictEqual(await joe.status(Requests.list(folder)), refused)
    assert.strictEqual(await joe.status(Requests.notify(folder)), refused)
    assert.strictEqual(await ann.text("theirs"), "theirs")
  })
})
