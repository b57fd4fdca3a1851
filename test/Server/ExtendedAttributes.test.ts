/**
 * Proves the extended attributes of a file over SMB2: the EaBuffer of a CREATE, and setting and querying
 * FileFullEaInformation, with lists encoded by hand as MS-FSCC 2.4.16 says.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { NtStatus as Status } from "effect-smb/Codec"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { CreateDisposition } from "../../src/Smb2/Message/Constants.ts"
import { RawClient, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.7"
const FileFullEaInformation = 15

/** FILE_FULL_EA_INFORMATION (MS-FSCC 2.4.16), encoded by hand. By default it is the last entry. */
const entry = (name: string, value: string, next = 0): Buffer => {
  const bytes = Buffer.alloc(8 + name.length + 1 + value.length)
  bytes.writeUInt32LE(next, 0)
  bytes.writeUInt8(name.length, 5)
  bytes.writeUInt16LE(value.length, 6)
  bytes.write(name, 8, "latin1")
  bytes.write(value, 9 + name.length, "latin1")
  return bytes
}

/** FILE_GET_EA_INFORMATION (MS-FSCC 2.4.16.1). */
const nameOf = (name: string): Buffer => {
  const bytes = Buffer.alloc(4 + 1 + name.length + 1)
  bytes.writeUInt8(name.length, 4)
  bytes.write(name, 5, "latin1")
  return bytes
}

const query = (fileId: FileId, inputBuffer: Uint8Array = new Uint8Array(0)) => {
  const request = Requests.query(fileId, "file", FileFullEaInformation)
  return { ...request, body: { ...request.body, inputBuffer } } as typeof request
}

const bufferOf = (answer: Buffer | undefined): Buffer => {
  assert.strictEqual(statusOf(answer), 0)
  return answer!.subarray(answer!.readUInt16LE(66), answer!.readUInt16LE(66) + answer!.readUInt32LE(68))
}

it.live("a server sets, replaces, finds and deletes extended attributes by names without case, and refuses bad lists", () =>
  Effect.scoped(Effect.gen(function*() {
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ joe: Redacted.make("secret") }),
      shares: { data: MemoryStore.make() },
      signing: "enabled",
      guest: "anonymous"
    })
    const client = new RawClient(host, port)
    yield* Effect.addFinalizer(() => Effect.sync(() => client.close()))
    yield* Effect.promise(async () => {
      assert.isTrue(await client.logOn("data"))
      const make = (name: string, eaBuffer: Uint8Array) =>
        client.open(name, {
          createDisposition: CreateDisposition.FILE_CREATE,
          createContexts: [{ _tag: "EaBuffer", eaBuffer }]
        })
      // No file is created with bytes that are no list.
      for (const bytes of [Buffer.from("nonsense"), entry("A", "b", 400), entry("LONG", "x").subarray(0, 10)]) {
        assert.strictEqual(await make("bad", bytes), NtStatus.STATUS_EA_LIST_INCONSISTENT)
      }
      const file = await make("good", entry("Author", "joe"))
      assert.isObject(file)
      const id = file as FileId
      assert.deepStrictEqual(bufferOf(await client.ask(query(id))), entry("Author", "joe"))
      assert.strictEqual(
        statusOf(await client.ask(Requests.set(id, "file", "FileFullEaInformation", entry("Year", "2026")))),
        0
      )
      // Names are found without case and keep the case that they were first given: clients on Linux compare with case.
      assert.strictEqual(
        statusOf(await client.ask(Requests.set(id, "file", "FileFullEaInformation", entry("YEAR", "2027")))),
        0
      )
      assert.deepStrictEqual(bufferOf(await client.ask(query(id, nameOf("year")))), entry("Year", "2027"))
      assert.deepStrictEqual(bufferOf(await client.ask(query(id, nameOf("none")))), entry("none", ""))
      assert.strictEqual(
        statusOf(await client.ask(query(id, Buffer.from("x")))),
        NtStatus.STATUS_EA_LIST_INCONSISTENT
      )
      assert.strictEqual(
        statusOf(await client.ask(Requests.set(id, "file", "FileFullEaInformation", entry("year", "")))),
        0
      )
      assert.deepStrictEqual(bufferOf(await client.ask(query(id))), entry("Author", "joe"))
      assert.strictEqual(
        statusOf(await client.ask(Requests.set(id, "file", "FileFullEaInformation", entry("AUTHOR", "")))),
        0
      )
      assert.strictEqual(statusOf(await client.ask(query(id))), NtStatus.STATUS_NO_EAS_ON_FILE)
    })
  })))
