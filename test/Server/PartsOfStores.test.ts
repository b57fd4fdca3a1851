/**
 * Proves what a CREATE makes of a new file's security descriptor if the part of the store that gets the file keeps none
 * (a medium that is mounted in a folder): the server loses no descriptor that a client asks for.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Credentials } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import { type ShareStore, storeError, type StorePath } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { AccessMask as A, CreateDisposition as D, CreateOptions as O } from "../../src/Smb2/Message/Constants.ts"
import { Client, descriptor, encode, everything, people, secret, sids } from "./people.ts"
import * as Requests from "./requests.ts"

const host = "127.0.43.64"
const notSupported = Status.NtStatus.STATUS_NOT_SUPPORTED

const isStick = (path: StorePath): boolean => path[0] === "stick"

/** A store whose folder `stick` keeps no descriptors. Its other folders do. */
const withStick = (store: ShareStore): ShareStore => ({
  ...store,
  open: (path, how) => {
    if (!isStick(path)) return store.open(path, how)
    if (how.mode !== "existing" && how.initial?.securityDescriptor !== undefined) {
      return Effect.fail(storeError("Unsupported"))
    }
    return Effect.map(store.open(path, how), (opened) => ({
      ...opened,
      file: {
        ...opened.file,
        getBlob: (blob) =>
          blob === "SecurityDescriptor" ? Effect.fail(storeError("Unsupported")) : opened.file.getBlob(blob)
      }
    }))
  }
})

describe("a new file in a part of the store without descriptors", () => {
  it.live("is made with the default descriptor only if neither the client nor its folder has another one", () =>
    Effect.scoped(Effect.gen(function*() {
      const memory = yield* MemoryStore.make()
      yield* Effect.scoped(memory.open(["stick"], { mode: "new", type: "directory" }))
      const { port } = yield* SmbServer.make({
        host,
        port: 0,
        users: UserStore.inMemory({ ann: { password: secret, sid: sids.ann } }),
        shares: { data: Effect.succeed(withStick(memory)) },
        signing: "enabled"
      })
      const ann = new Client(host, port)
      yield* Effect.addFinalizer(() => Effect.sync(() => ann.close()))
      yield* Effect.promise(async () => {
        assert.isTrue(await ann.logOn("data", Credentials.password("ann", secret)))
        const sdBuffer = encode(descriptor(sids.ann, { ann: everything }))
        const own = { createDisposition: D.FILE_CREATE, createContexts: [{ _tag: "SdBuffer" as const, sdBuffer }] }
        for (const createOptions of [0, O.FILE_DIRECTORY_FILE]) {
          const name = `stick\\new${createOptions}`
          assert.strictEqual(await ann.open(name, { ...own, createOptions }), notSupported)
          const missing = await ann.open(name, { createDisposition: D.FILE_OPEN })
          assert.strictEqual(missing, Status.NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
          const made = await ann.must(name, { createDisposition: D.FILE_CREATE, createOptions, fileAttributes: 2 })
          // The attributes are kept: HIDDEN, and ARCHIVE of a file.
          const answer = (await ann.ask(Requests.query(made, "file", "FileNetworkOpenInformation")))!
          assert.strictEqual(answer.readUInt32LE(72 + 48), createOptions === 0 ? 0x22 : 0x12)
        }
        // Elsewhere the descriptor is kept.
        await ann.must("new", own)
      })
    })))
})

it.live("an administrator may make a file with ACCESS_SYSTEM_SECURITY", () =>
  Effect.scoped(Effect.flatMap(people(host), ({ root }) =>
    Effect.promise(async () => {
      const file = await root.must("new", {
        createDisposition: D.FILE_CREATE,
        desiredAccess: A.FILE_READ_DATA | A.ACCESS_SYSTEM_SECURITY
      })
      const answer = (await root.ask(Requests.query(file, "file", "FileAccessInformation")))!
      assert.strictEqual(answer.readUInt32LE(72), A.FILE_READ_DATA | A.ACCESS_SYSTEM_SECURITY)
    }))))
