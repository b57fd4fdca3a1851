/**
 * Proves which CompletionFilter hears of which change, and with which action (MS-SMB2 2.2.35, MS-FSCC 2.4.42, MS-FSA
 * 2.1.5): one watch for each bit of the filter, and each request that changes something.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec, FileInformation } from "effect-smb/Codec"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import {
  AccessMask as A,
  CompletionFilter as N,
  CreateDisposition as D,
  CreateOptions as O
} from "../../src/Smb2/Message/Constants.ts"
import type * as Message from "../../src/Smb2/Message/Message.ts"
import { type Client, descriptor, encode, everything, link, people, rename, sids } from "./people.ts"
import { statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const host = "127.0.43.36"

/** Actions of FILE_NOTIFY_INFORMATION (MS-FSCC 2.7.1). */
const [ADDED, REMOVED, MODIFIED, OLD_NAME, NEW_NAME, ADDED_STREAM, REMOVED_STREAM, MODIFIED_STREAM] = [
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  8
] as const

const isPending = (answer: Buffer) => statusOf(answer) === 0x103

/** The actions and names of a CHANGE_NOTIFY response. */
const actionsOf = (answer: Buffer): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (let at = 64 + 8;;) {
    const length = answer.readUInt32LE(at + 8)
    const name = answer.subarray(at + 12, at + 12 + length).toString("utf16le")
    found.push(`${answer.readUInt32LE(at + 4)} ${name}`)
    const next = answer.readUInt32LE(at)
    if (next === 0) return found
    at += next
  }
}

/** A watch of the root with all that is below it, for each bit of the filter. */
const watches = async (client: Client) => {
  const bits = Object.values(N)
  const folders = new Map<number, FileId>()
  for (const bit of bits) folders.set(bit, await client.must("", Requests.directory))
  const asked = new Map<number, number>()
  const found = new Map<number, ReadonlyArray<string>>()
  const take = (answer: Buffer): void => {
    if (isPending(answer)) return
    const bit = asked.get(answer.readUInt32LE(24))
    if (bit === undefined) return
    assert.strictEqual(statusOf(answer), 0)
    found.set(bit, actionsOf(answer))
    asked.delete(answer.readUInt32LE(24))
  }
  /** Waits for the response to a later request: the earlier ones are under way by then. */
  const settle = async (): Promise<void> => {
    const messageId = client.messageId
    client.say(Requests.echo)
    for (;;) {
      const answer = (await client.next())!
      if (answer.readUInt32LE(24) === messageId) return
      take(answer)
    }
  }
  const arm = async (): Promise<void> => {
    for (const bit of bits) {
      if ([...asked.values()].includes(bit)) continue
      asked.set(client.messageId, bit)
      client.say({
        _tag: "CHANGE_NOTIFY",
        body: { flags: 1, outputBufferLength: 65_536, fileId: folders.get(bit)!, completionFilter: bit }
      })
    }
    await settle()
  }
  /** What each bit has heard, after as many bits as are expected have heard something. */
  const heard = async (count: number): Promise<Record<string, ReadonlyArray<string>>> => {
    const until = Date.now() + 2000
    while (found.size < count && Date.now() < until) {
      const answer = await client.next(Math.max(1, until - Date.now()))
      if (answer !== undefined) take(answer)
    }
    await settle()
    const all = Object.fromEntries([...found].map(([bit, actions]) => [nameOf(bit), actions]))
    found.clear()
    await arm()
    return all
  }
  await arm()
  return heard
}

const nameOf = (bit: number): string => Object.entries(N).find(([, one]) => one === bit)![0].slice(19)

const times = { creationTime: 0n, lastAccessTime: 0n, lastWriteTime: 0n, changeTime: 0n, fileAttributes: 0 }
const basic = (changes: Partial<typeof times>) =>
  Codec.encode(FileInformation.FileBasicInformation)({ ...times, ...changes })
const time = 133_000_000_000_000_000n

it.live("each change is reported to the filters that the documents name, with its action, and to no others", () =>
  Effect.scoped(Effect.flatMap(people(host), ({ ann, joe }) =>
    Effect.promise(async () => {
      const heard = await watches(ann)
      const open = new Map<string, FileId>()
      const opens = async (name: string, how: Parameters<Client["open"]>[1] = {}) => {
        open.set(name, await joe.must(name, how))
      }
      const sends = async (name: string, request: (file: FileId) => Message.Request) =>
        assert.strictEqual(await joe.status(request(open.get(name)!)), 0)
      const shuts = (name: string) => sends(name, Requests.close)
      const set = (name: string, information: Requests.InformationClass, buffer: Uint8Array) =>
        sends(name, (file) => Requests.set(file, "file", information, buffer))
      const u64 = (value: bigint) => {
        const bytes = Buffer.alloc(8)
        bytes.writeBigUInt64LE(value)
        return bytes
      }
      const folder = { createOptions: O.FILE_DIRECTORY_FILE }
      const overwrite = { createDisposition: D.FILE_OVERWRITE, desiredAccess: A.FILE_READ_DATA }
      const modified = (name: string) => [`${MODIFIED} ${name}`]
      const steps: ReadonlyArray<
        readonly [what: string, run: () => Promise<void>, expected: Record<string, ReadonlyArray<string>>]
      > = [
        ["a new file", () => opens("f"), { FILE_NAME: [`${ADDED} f`] }],
        ["a new directory", async () => {
          await opens("d", folder)
          await shuts("d")
        }, { DIR_NAME: [`${ADDED} d`] }],
        ["an open of an existing file", async () => {
          await opens("again")
          await shuts("again")
        }, { FILE_NAME: [`${ADDED} again`] }],
        ["an open of an existing file once more", () => opens("again"), {}],
        ["a new stream", () => opens("f:s"), { STREAM_NAME: [`${ADDED_STREAM} f:s`] }],
        ["a new stream of a new file", async () => {
          await opens("fresh:s")
          await shuts("fresh:s")
        }, { FILE_NAME: [`${ADDED} fresh`], STREAM_NAME: [`${ADDED_STREAM} fresh:s`] }],
        [
          "a WRITE",
          () => sends("f", (file) => Requests.write(file, Buffer.from("x"))),
          { SIZE: modified("f"), LAST_WRITE: modified("f") }
        ],
        ["an empty WRITE", () => sends("f", (file) => Requests.write(file, Buffer.alloc(0))), {}],
        [
          "a WRITE to a stream",
          () => sends("f:s", (file) => Requests.write(file, Buffer.from("x"))),
          { STREAM_SIZE: [`${MODIFIED_STREAM} f:s`], STREAM_WRITE: [`${MODIFIED_STREAM} f:s`] }
        ],
        [
          "FileEndOfFileInformation",
          () => set("f", "FileEndOfFileInformation", u64(5n)),
          { SIZE: modified("f"), LAST_WRITE: modified("f") }
        ],
        [
          "a smaller FileAllocationInformation",
          () => set("f", "FileAllocationInformation", u64(1n)),
          { SIZE: modified("f"), LAST_WRITE: modified("f") }
        ],
        ["a larger FileAllocationInformation", () => set("f", "FileAllocationInformation", u64(10_000n)), {}],
        [
          "attributes",
          () => set("f", "FileBasicInformation", basic({ fileAttributes: 0x22 })),
          { ATTRIBUTES: modified("f") }
        ],
        [
          "a creation time",
          () => set("f", "FileBasicInformation", basic({ creationTime: time })),
          { CREATION: modified("f") }
        ],
        [
          "a time of the last access",
          () => set("f", "FileBasicInformation", basic({ lastAccessTime: time })),
          { LAST_ACCESS: modified("f") }
        ],
        [
          "a time of the last write",
          () => set("f", "FileBasicInformation", basic({ lastWriteTime: time })),
          { LAST_WRITE: modified("f") }
        ],
        ["no change", () => set("f", "FileBasicInformation", basic({})), {}],
        [
          "an extended attribute",
          () =>
            set(
              "f",
              "FileFullEaInformation",
              Codec.encode(FileInformation.FileFullEaInformation)([{
                flags: 0,
                eaName: "A",
                eaValue: Uint8Array.of(1)
              }])
            ),
          { EA: modified("f") }
        ],
        [
          "a security descriptor",
          () =>
            sends(
              "f",
              (file) =>
                Requests.set(file, "security", 0, encode(descriptor(sids.joe, { ann: everything, joe: everything })))
            ),
          { SECURITY: modified("f") }
        ],
        ["the end of a stream's open", () => shuts("f:s"), {}],
        [
          "an overwritten file",
          async () => {
            const file = await joe.must("f", { ...overwrite, fileAttributes: 2 })
            assert.strictEqual(await joe.status(Requests.close(file)), 0)
          },
          { ATTRIBUTES: modified("f"), SIZE: modified("f"), LAST_WRITE: modified("f") }
        ],
        [
          "a rename in a directory",
          () => sends("f", (file) => rename(file, "g")),
          { FILE_NAME: [`${OLD_NAME} f`, `${NEW_NAME} g`], ATTRIBUTES: modified("g"), CREATION: modified("g") }
        ],
        [
          "a rename to another directory",
          () => sends("f", (file) => rename(file, "d\\g")),
          { FILE_NAME: [`${REMOVED} g`, `${ADDED} d\\g`], ATTRIBUTES: modified("d\\g"), CREATION: modified("d\\g") }
        ],
        ["a link", () => sends("f", (file) => link(file, "h")), { FILE_NAME: [`${ADDED} h`] }],
        ["a deleted stream", async () => {
          const stream = await joe.must("h:s")
          await joe.status(Requests.set(stream, "file", "FileDispositionInformation", Uint8Array.of(1)))
          await joe.status(Requests.close(stream))
        }, { STREAM_NAME: [`${REMOVED_STREAM} h:s`] }],
        ["a deleted file", async () => {
          await set("f", "FileDispositionInformation", Uint8Array.of(1))
          await shuts("f")
        }, { FILE_NAME: [`${REMOVED} d\\g`] }],
        [
          "a renamed directory",
          async () => {
            await opens("d", folder)
            await sends("d", (file) => rename(file, "e"))
          },
          { DIR_NAME: [`${OLD_NAME} d`, `${NEW_NAME} e`] }
        ],
        ["a deleted directory", async () => {
          await set("d", "FileDispositionInformation", Uint8Array.of(1))
          await shuts("d")
        }, { DIR_NAME: [`${REMOVED} e`] }]
      ]
      for (const [what, run, expected] of steps) {
        await run()
        assert.deepStrictEqual(await heard(Object.keys(expected).length), expected, what)
      }
    }))))

it.live("a renamed file is reported as modified to those alone that do not wait for names", () =>
  Effect.scoped(Effect.flatMap(people(host), ({ ann, joe }) =>
    Effect.promise(async () => {
      const file = await joe.must("f", { desiredAccess: A.DELETE | A.FILE_READ_ATTRIBUTES })
      const folder = await ann.must("", Requests.directory)
      const asks = () =>
        ann.ask({
          _tag: "CHANGE_NOTIFY",
          body: {
            flags: 0,
            outputBufferLength: 4096,
            fileId: folder,
            completionFilter: N.FILE_NOTIFY_CHANGE_FILE_NAME | N.FILE_NOTIFY_CHANGE_ATTRIBUTES |
              N.FILE_NOTIFY_CHANGE_CREATION
          }
        })
      assert.isTrue(isPending((await asks())!))
      const name = Codec.encode(FileInformation.FileRenameInformation)({
        replaceIfExists: false,
        rootDirectory: 0n,
        fileName: "g"
      })
      assert.strictEqual(await joe.status(Requests.set(file, "file", "FileRenameInformation", name)), 0)
      assert.deepStrictEqual(actionsOf((await ann.next())!), [`${OLD_NAME} f`, `${NEW_NAME} g`])
      // No further change is kept.
      assert.isTrue(isPending((await asks())!))
    }))))
