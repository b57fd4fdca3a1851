/**
 * Proves that values of a store which no field of the protocol can hold are shown as the nearest possible value, in all
 * responses alike, and that other files are shown unchanged.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import { Credentials } from "effect-smb/Auth"
import { Codec, DirectoryInformation, FileInformation } from "effect-smb/Codec"
import type { ShareStore, StoreNode } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import * as Header from "../../src/Smb2/Header.ts"
import { CloseFlags } from "../../src/Smb2/Message/Constants.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import { RawClient } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const host = "127.0.43.37"
const largest = (1n << 63n) - 1n
const [year1500, year40000] = [-31_872_960_000_000_000n, 1n << 63n]

const odd = (node: StoreNode): StoreNode =>
  node.name !== "odd" ? node : {
    ...node,
    creationTime: year1500,
    lastAccessTime: -1n,
    lastWriteTime: year40000,
    changeTime: 1n << 64n,
    size: 1n << 63n,
    allocationSize: -1n,
    numberOfLinks: 2 ** 32 + 1
  }

const strange = (store: ShareStore): ShareStore => ({
  ...store,
  stat: (path) => Effect.map(store.stat(path), odd),
  list: (path, options) => Stream.map(store.list(path, options), odd),
  open: (path, how) =>
    Effect.map(store.open(path, how), (opened) => ({
      ...opened,
      node: odd(opened.node),
      file: { ...opened.file, stat: Effect.map(opened.file.stat, odd) }
    }))
})

const right = {
  creationTime: 0n,
  lastAccessTime: 0n,
  lastWriteTime: largest,
  changeTime: largest,
  allocationSize: 0n,
  endOfFile: largest
}
const times = ["creationTime", "lastAccessTime", "lastWriteTime", "changeTime"] as const

const decode = <A>(codec: Codec.Codec<A>, bytes: Uint8Array): any => {
  const decoded = Codec.decode("answer", codec)(bytes)
  if (decoded._tag === "Failure") throw decoded.failure
  return decoded.success
}

it.live("a server shows times, sizes and counts that no field can hold as the nearest possible value", () =>
  Effect.gen(function*() {
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ joe: Redacted.make("secret") }),
      shares: { data: Effect.map(MemoryStore.make(), strange) },
      signing: "enabled"
    })
    yield* Effect.promise(async () => {
      const client = new RawClient(host, port)
      assert.isTrue(await client.logOn("data", Credentials.password("joe", Redacted.make("secret"))))
      const plain = await client.open("plain")
      assert(typeof plain !== "number")
      const answer = (await client.ask(Requests.create("odd")))!
      const created = decode(Codec.at(Header.size, Message.messages.CREATE.response), answer)
      assert.deepInclude(created, right)
      const { fileId } = created
      const query = async (number: number): Promise<Uint8Array> => {
        const response = (await client.ask(Requests.query(fileId, "file", number)))!
        return decode(Codec.at(Header.size, Message.messages.QUERY_INFO.response), response).buffer
      }
      const all = decode(FileInformation.FileAllInformation, await query(18))
      for (const time of times) assert.strictEqual(all.basicInformation[time], right[time], time)
      assert.deepInclude(all.standardInformation, {
        allocationSize: 0n,
        endOfFile: largest,
        numberOfLinks: 2 ** 32 - 1
      })
      assert.deepInclude(decode(FileInformation.FileNetworkOpenInformation, await query(34)), right)
      assert.strictEqual(
        decode(FileInformation.FileStandardLinkInformation, await query(54)).totalNumberOfLinks,
        2 ** 32 - 1
      )
      assert.deepInclude(decode(FileInformation.FileStreamInformation, await query(22))[0], {
        streamSize: largest,
        streamAllocationSize: 0n
      })
      const root = await client.open("", Requests.directory)
      assert(typeof root !== "number")
      const listed = decode(
        Codec.at(Header.size, Message.messages.QUERY_DIRECTORY.response),
        (await client.ask(Requests.list(root)))!
      )
      const entries: Array<any> = decode(DirectoryInformation.byNumber(37)!.codec, listed.buffer)
      assert.deepInclude(entries.find(({ fileName }) => fileName === "odd"), right)
      assert.isAbove(Number(entries.find(({ fileName }) => fileName === "plain").lastWriteTime), 0)
      client.say({ _tag: "CLOSE", body: { flags: CloseFlags.SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB, fileId } })
      assert.deepInclude(decode(Codec.at(Header.size, Message.messages.CLOSE.response), (await client.next())!), right)
      client.close()
    })
  }).pipe(Effect.scoped))
