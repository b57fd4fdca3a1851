/**
 * Proves that a rename asks other clients for the handles that they only cache before it refuses (MS-SMB2 3.3.1.4,
 * MS-FSA 2.1.4.12, 2.1.5.15.11): for files below the directory, for the file that is replaced, and for the directory that
 * gets or loses the entry.
 */
import { assert, describe, it } from "@effect/vitest"
import { NtStatus as Status } from "effect-smb/Codec"
import { AccessMask, CreateOptions } from "../../src/Smb2/Message/Constants.ts"
import type * as Create from "../../src/Smb2/Message/Create.ts"
import { type Break, durable, HANDLE, lease, type LeaseClient, type Opened, READ, WRITE } from "./LeaseClient.ts"
import * as LeaseServer from "./LeaseServer.ts"
import { link, rename } from "./people.ts"
import { RawClient } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const { STATUS_ACCESS_DENIED: DENIED, STATUS_SHARING_VIOLATION: VIOLATION } = NtStatus
const host = "127.0.38.23"
const BATCH = 9

const withClients = (use: Parameters<typeof LeaseServer.withClients>[1]) => LeaseServer.withClients(host, use)

const directory = {
  createOptions: CreateOptions.FILE_DIRECTORY_FILE,
  desiredAccess: AccessMask.FILE_LIST_DIRECTORY | AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE
}
const removal = { ...directory, desiredAccess: AccessMask.DELETE | AccessMask.SYNCHRONIZE }

const made = async (client: LeaseClient, name: string, how: Partial<Create.Request> = {}): Promise<void> => {
  const { fileId, status } = await client.create(name, [], how)
  assert.strictEqual(status, 0)
  await client.shut(fileId)
}

interface Scene {
  /** Puts a handle that a client can only cache in the way. */
  readonly cached: (client: LeaseClient, state: number) => Promise<Opened>
  /** Renames, and gives the final status. */
  readonly renamed: (client: LeaseClient) => Promise<number>
  readonly refusal: number
}

/** The places where a handle can be in the way. Before each, `d\e\f`, `d\g` and `t\x` exist. */
const scenes: Readonly<Record<string, Scene>> = {
  "a file in the directory": {
    cached: (client, state) => client.create("d\\g", [lease(1, state)]),
    renamed: async (client) => client.status(rename((await client.create("d", [], removal)).fileId, "moved")),
    refusal: DENIED
  },
  "a file further below": {
    cached: (client, state) => client.create("d\\e\\f", [lease(1, state)]),
    renamed: async (client) => client.status(rename((await client.create("d", [], removal)).fileId, "moved")),
    refusal: DENIED
  },
  "a directory below": {
    cached: (client, state) => client.create("d\\e", [lease(1, state & ~WRITE)], directory),
    renamed: async (client) => client.status(rename((await client.create("d", [], removal)).fileId, "moved")),
    refusal: DENIED
  },
  "the file that is replaced": {
    cached: (client, state) => client.create("t\\x", [lease(1, state)]),
    renamed: async (client) => client.status(rename((await client.create("d\\g")).fileId, "t\\x", true)),
    refusal: DENIED
  },
  "the new directory, open for deletion": {
    cached: (client, state) => client.create("t", [lease(1, state & ~WRITE)], removal),
    renamed: async (client) => client.status(rename((await client.create("d\\g")).fileId, "t\\g")),
    refusal: VIOLATION
  },
  "the old directory, open for deletion": {
    cached: (client, state) => client.create("d", [lease(1, state & ~WRITE)], removal),
    renamed: async (client) => client.status(rename((await client.create("d\\g")).fileId, "t\\g")),
    refusal: VIOLATION
  }
}

const withScene = (use: (owner: LeaseClient, mover: LeaseClient) => Promise<void>) =>
  withClients(async (connect) => {
    const [owner, mover] = [await connect(1), await connect(2)]
    for (const name of ["d", "d\\e", "t"]) await made(owner, name, directory)
    for (const name of ["d\\e\\f", "d\\g", "t\\x"]) await made(owner, name)
    await use(owner, mover)
  })

/** The next break, which takes HANDLE caching and nothing else. */
const handleBreak = async (client: LeaseClient): Promise<Break> => {
  const told = await client.nextBreak()
  if (told === undefined) return assert.fail("no break")
  assert.strictEqual(told.newLeaseState, told.currentLeaseState & ~HANDLE)
  assert.notStrictEqual(told.newLeaseState, told.currentLeaseState)
  return told
}

/** A break so far: before the response to an ECHO. */
const breakSoFar = async (client: LeaseClient): Promise<Break | undefined> => {
  assert.strictEqual(await client.status(Requests.echo), 0)
  return client.nextBreak(20)
}

describe("a rename", () => {
  for (const [where, { cached, refusal, renamed }] of Object.entries(scenes)) {
    for (const state of [READ | HANDLE, READ | WRITE | HANDLE]) {
      const kind = (state & WRITE) === 0 ? "RH" : "RWH"
      it(`succeeds if the client closes the handle that it only caches (${kind}): ${where}`, () =>
        withScene(async (owner, mover) => {
          const open = await cached(owner, state)
          const result = renamed(mover)
          await handleBreak(owner)
          assert.strictEqual(await owner.shut(open.fileId), 0)
          assert.strictEqual(await result, 0)
        }))

      it(`is refused after the break if the client keeps its handle (${kind}), and then without a break: ${where}`, () =>
        withScene(async (owner, mover) => {
          const open = await cached(owner, state)
          const result = renamed(mover)
          assert.strictEqual(await owner.acknowledge(await handleBreak(owner)), 0)
          assert.strictEqual(await result, refusal)
          assert.strictEqual(await renamed(mover), refusal)
          assert.isUndefined(await breakSoFar(owner))
          await owner.shut(open.fileId)
        }))
    }
  }

  for (const [where, name] of [["a file further below", "d\\e\\f"], ["the file that is replaced", "t\\x"]] as const) {
    it(`closes a durable open of a client that is away: ${where}`, () =>
      withScene(async (owner, mover) => {
        await owner.create(name, [lease(1, READ | WRITE | HANDLE), durable(1)])
        owner.close()
        assert.strictEqual(await scenes[where]!.renamed(mover), 0)
      }))
  }

  it("asks no client for its handle if another open is in the way for good", () =>
    withScene(async (owner, mover) => {
      await owner.create("d\\g", [])
      await owner.create("d\\e\\f", [lease(1, READ | HANDLE)])
      await owner.create("t\\x", [lease(2, READ | HANDLE)])
      await owner.create("t\\x", [])
      const source = await mover.create("s")
      assert.strictEqual(await mover.status(rename(source.fileId, "t\\x", true)), DENIED)
      assert.isUndefined(await breakSoFar(owner))
    }))

  it("asks for the handles below its directory one after the other, and is refused for a file that is opened while it waits", () =>
    withScene(async (owner, mover) => {
      const [one, two] = [
        await owner.create("d\\g", [lease(1, READ | HANDLE)]),
        await owner.create("d\\e\\f", [lease(2, READ | HANDLE)])
      ]
      const opens = [one, two]
      const result = scenes["a file in the directory"]!.renamed(mover)
      for (let i = 0; i < 2; i++) {
        const told = await handleBreak(owner)
        assert.isUndefined(await breakSoFar(owner))
        if (i === 1) await owner.create("d\\h", [lease(3, READ | HANDLE)])
        assert.strictEqual(await owner.shut(opens[told.leaseKey[0]! - 1]!.fileId), 0)
      }
      assert.strictEqual(await result, DENIED)
      assert.isUndefined(await breakSoFar(owner))
    }))

  it("breaks a batch oplock below its directory, and waits for it", () =>
    withScene(async (owner, mover) => {
      const open = await owner.create("d\\g", [], { requestedOplockLevel: BATCH })
      const result = scenes["a file in the directory"]!.renamed(mover)
      const told = await RawClient.prototype.next.call(owner)
      assert.strictEqual(told?.readUInt16LE(12), 18)
      assert.strictEqual(await owner.shut(open.fileId), 0)
      assert.strictEqual(await result, 0)
    }))

  it("of a hard link's name onto an open file asks for the handle too", () =>
    withScene(async (owner, mover) => {
      const open = await owner.create("t\\x", [lease(1, READ | HANDLE)])
      const source = await mover.create("s")
      const result = mover.status(link(source.fileId, "t\\x", true))
      await handleBreak(owner)
      assert.strictEqual(await owner.shut(open.fileId), 0)
      assert.strictEqual(await result, 0)
    }))
})
