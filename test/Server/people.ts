/**
 * A server with users, an administrator and a guest for tests of rights, and files with the rights that a test gives.
 */
import { assert } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import { Credentials } from "effect-smb/Auth"
import { Codec, FileInformation, SecurityDescriptor as Sd } from "effect-smb/Codec"
import * as Access from "../../src/Server/internal/State/Access.ts"
import type { ShareStore } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { AccessMask as A, CreateDisposition as D } from "../../src/Smb2/Message/Constants.ts"
import { RawClient, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

export const secret = Redacted.make("secret")
export const sids = { ann: "S-1-5-21-1-2-3-1001", joe: "S-1-5-21-1-2-3-1002", root: "S-1-5-21-1-2-3-1003" } as const
export type Name = keyof typeof sids

/** The rights of each user. Other users have none. */
export type Rights = Partial<Record<Name, number>>

export const descriptor = (owner: string, rights: Rights): Sd.SecurityDescriptor => ({
  sbz1: 0,
  control: Sd.Control.SE_DACL_PRESENT | Sd.Control.SE_SELF_RELATIVE,
  owner,
  group: undefined,
  sacl: undefined,
  dacl: {
    aclRevision: 2,
    aces: Object.entries(rights).map(([name, mask]) => ({
      _tag: "Basic",
      aceType: Sd.AceType.ACCESS_ALLOWED_ACE_TYPE,
      aceFlags: 0,
      mask,
      sid: sids[name as Name]
    }))
  }
})

export const encode = Codec.encode(Sd.SecurityDescriptor)

export class Client extends RawClient {
  async status(request: Parameters<RawClient["ask"]>[0]): Promise<number> {
    return statusOf(await this.ask(request)) ?? -1
  }

  /** Opens a file; the open must succeed. */
  async must(name: string, how: Parameters<RawClient["open"]>[1] = {}): Promise<FileId> {
    const file = await this.open(name, how)
    if (typeof file === "number") return assert.fail(`${name}: ${file.toString(16)}`)
    return file
  }

  /** Creates a file or a folder for ann, who has all rights, and for the users of `rights`. */
  async make(name: string, rights: Rights, options = 0): Promise<void> {
    const file = await this.must(name, { createDisposition: D.FILE_CREATE, createOptions: options })
    if (options === 0) assert.strictEqual(await this.status(Requests.write(file, Buffer.from("theirs"))), 0)
    const all = { ann: Access.generic.all, ...rights }
    assert.strictEqual(
      await this.status(Requests.set(file, "security", 0, encode(descriptor(sids.ann, all)))),
      0
    )
    await this.status(Requests.close(file))
  }

  async text(name: string): Promise<string | number> {
    const file = await this.open(name, { createDisposition: D.FILE_OPEN, desiredAccess: A.FILE_READ_DATA })
    if (typeof file === "number") return file
    const answer = (await this.ask(Requests.read(file, 100)))!
    await this.status(Requests.close(file))
    return answer.subarray(64 + 16).toString()
  }
}

/** A store that adds the name of each operation that changes it to `changes`. */
const watched = (store: ShareStore, changes: Array<string>): ShareStore => {
  const told = <A extends ReadonlyArray<any>, B, E>(name: string, run: (...args: A) => Effect.Effect<B, E>) =>
  (
    ...args: A
  ): Effect.Effect<B, E> =>
    Effect.suspend(() => {
      changes.push(name)
      return run(...args)
    })
  return {
    ...store,
    open: (path, options) =>
      Effect.map(store.open(path, options), (opened) => {
        const { file } = opened
        if (opened.created) changes.push("created")
        return {
          ...opened,
          file: {
            ...file,
            write: told("write", file.write),
            truncate: told("truncate", file.truncate),
            set: told("set", file.set),
            setBlob: told("setBlob", file.setBlob),
            zero: told("zero", file.zero)
          }
        }
      }),
    remove: told("remove", store.remove),
    rename: told("rename", store.rename),
    ...store.link === undefined ? {} : { link: told("link", store.link) }
  }
}

/** A server with an empty share, and clients of its users. `over` changes the share's store. */
export const place = Effect.fnUntraced(function*(
  host: string,
  over: (store: ShareStore) => ShareStore = (store) => store
) {
  const changes: Array<string> = []
  const store = over(watched(yield* MemoryStore.make(), changes))
  const { port } = yield* SmbServer.make({
    host,
    port: 0,
    users: UserStore.inMemory({
      ann: { password: secret, sid: sids.ann },
      joe: { password: secret, sid: sids.joe },
      root: { password: secret, sid: sids.root, administrator: true }
    }),
    shares: { data: { store }, fixed: { store, readOnly: true } },
    signing: "enabled",
    guest: "anonymous"
  })
  const client = (user: Name, share = "data"): Effect.Effect<Client, never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.promise(async () => {
        const made = new Client(host, port)
        assert.isTrue(await made.logOn(share, Credentials.password(user, secret)))
        return made
      }),
      (made) => Effect.sync(() => made.close())
    )
  return { client, changes }
})

export const rename = (file: FileId, fileName: string, replaceIfExists = false) =>
  Requests.set(
    file,
    "file",
    10,
    Codec.encode(FileInformation.FileRenameInformation)({ replaceIfExists, rootDirectory: 0n, fileName })
  )

export const link = (file: FileId, fileName: string, replaceIfExists = false) =>
  Requests.set(
    file,
    "file",
    11,
    Codec.encode(FileInformation.FileLinkInformation)({ replaceIfExists, rootDirectory: 0n, fileName })
  )

export const read = Access.generic.read
export const everything = Access.generic.all

export interface People {
  readonly ann: Client
  readonly joe: Client
  /** An administrator. */
  readonly root: Client
  /** Joe, in a read-only share of the same files. */
  readonly fixed: Client
  /** The administrator, in that share. */
  readonly fixedRoot: Client
  /** The operations that have changed the store. */
  readonly changes: Array<string>
}

export const people = Effect.fnUntraced(function*(host: string, over?: (store: ShareStore) => ShareStore) {
  const { changes, client } = yield* place(host, over)
  const among: People = {
    ann: yield* client("ann"),
    joe: yield* client("joe"),
    root: yield* client("root"),
    fixed: yield* client("joe", "fixed"),
    fixedRoot: yield* client("root", "fixed"),
    changes
  }
  return among
})

/** Gives joe the right to create files in the root, and to delete his own files only. */
export const keepRoot = async (ann: Client): Promise<void> => {
  const root = await ann.must("")
  const kept = encode(descriptor(sids.ann, { ann: everything, joe: everything & ~A.FILE_DELETE_CHILD }))
  assert.strictEqual(await ann.status(Requests.set(root, "security", 0, kept)), 0)
  assert.strictEqual(await ann.status(Requests.close(root)), 0)
}
