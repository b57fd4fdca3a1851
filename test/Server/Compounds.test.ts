/**
 * Proves how the server runs compounds of related requests (MS-SMB2 3.3.5.2.7.2): which file a request has, and that no
 * request in the middle holds up the others without end. A client without the client library sends each compound.
 */
import { assert, describe, it } from "@effect/vitest"
import { NtStatus as Status } from "effect-smb/Codec"
import { anyFileId, type FileId } from "../../src/Smb2/Message/Common.ts"
import { HANDLE, lease, LeaseClient, READ } from "./LeaseClient.ts"
import { joe, withServer } from "./LeaseServer.ts"
import { RawClient, responses, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.38.2"

const begin = async (port: number): Promise<RawClient> => {
  const client = new RawClient(host, port)
  assert.isTrue(await client.logOn("data", joe))
  return client
}

const opened = async (client: RawClient, name: string, how = {}): Promise<FileId> => {
  const fileId = await client.open(name, how)
  if (typeof fileId === "number") throw new Error(`the open of ${name} failed with ${fileId}`)
  return fileId
}

const statuses = (frame: Buffer | undefined) => frame === undefined ? undefined : responses(frame).map(statusOf)

const standardInformation = "FileStandardInformation"

describe("a compound of related requests", () => {
  it("has the file of its first request, even if a later request names another FileId", () =>
    withServer(host, async (port) => {
      const client = await begin(port)
      const [one, two] = [await opened(client, "one"), await opened(client, "two")]
      assert.strictEqual(statusOf(await client.ask(Requests.write(one, Buffer.from("text")))), 0)
      client.sayRelated([
        Requests.query(one, "file", standardInformation),
        Requests.query(two, "file", standardInformation),
        Requests.query({ persistent: 0n, volatile: 12_345n }, "file", standardInformation)
      ])
      const all = responses((await client.next())!)
      // FileStandardInformation (MS-FSCC 2.4.41): the end of the file is at byte 8, after 8 bytes of the response.
      assert.deepStrictEqual(all.map((one) => [statusOf(one), one.readBigUInt64LE(64 + 8 + 8)]), [
        [0, 4n],
        [0, 4n],
        [0, 4n]
      ])
      client.close()
    }))

  it("uses the FileId of a request if no request before it has a file", () =>
    withServer(host, async (port) => {
      const client = await begin(port)
      const one = await opened(client, "one")
      client.sayRelated([Requests.echo, Requests.query(one, "file", standardInformation)])
      assert.deepStrictEqual(statuses(await client.next()), [0, 0])
      client.close()
    }))

  it("gets STATUS_INTERNAL_ERROR for a CHANGE_NOTIFY that is not the last, and its other requests run at once", () =>
    withServer(host, async (port) => {
      const client = await begin(port)
      const folder = await opened(client, "d", Requests.directory)
      client.sayRelated([Requests.notify(folder), Requests.query(anyFileId, "file", standardInformation)])
      assert.strictEqual(statuses(await client.next())?.[0], NtStatus.STATUS_INTERNAL_ERROR)
      assert.strictEqual(statusOf(await client.ask(Requests.close(folder))), 0)
      client.close()
    }))

  it("is answered as a whole when its rename waits for a break, without an interim response", () =>
    withServer(host, async (port) => {
      const [holder, client] = [new LeaseClient(host, port, 1), await begin(port)]
      assert.isTrue(await holder.begin("data", joe))
      const held = await holder.create("f", [lease(1, READ | HANDLE)])
      assert.strictEqual(held.leaseState, READ | HANDLE)
      const file = await opened(client, "f")
      const name = Buffer.from("g", "utf16le")
      // FileRenameInformation (MS-FSCC 2.4.42.2): the length of the name is at byte 16, the name at byte 20.
      const rename = Buffer.alloc(20 + name.length)
      rename.writeUInt32LE(name.length, 16)
      name.copy(rename, 20)
      client.sayRelated([
        Requests.query(file, "file", standardInformation),
        Requests.set(anyFileId, "file", "FileRenameInformation", rename),
        Requests.close(anyFileId)
      ])
      const told = await holder.nextBreak()
      assert.deepInclude(told, { currentLeaseState: READ | HANDLE, newLeaseState: READ })
      assert.deepStrictEqual(client.frames, [])
      assert.strictEqual(await holder.acknowledge(told!), 0)
      assert.deepStrictEqual(statuses(await client.next()), [0, 0, 0])
      client.close()
      holder.close()
    }))
})
