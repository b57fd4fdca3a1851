/**
 * Proves that the session of a guest works for a client that marks its requests as signed (MS-SMB2 3.3.5.2.4): the
 * session has no key, so the server has nothing to check a signature with, and signs nothing.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Credentials } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { Command, HeaderFlags } from "../../src/Smb2/Message/Constants.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import { secret } from "./people.ts"
import { RawClient, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"
import { isSigned } from "./SigningClient.ts"

const { NtStatus } = Status
/** No user has this name: a guest. */
const eve = Credentials.password("eve", secret)
const host = "127.0.43.67"

it.live("requests with a signature are carried out in the session of a guest, and their responses are not signed", () =>
  Effect.scoped(Effect.gen(function*() {
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({}),
      shares: { data: MemoryStore.make() },
      signing: "enabled",
      guest: "unknown"
    })
    const client = new RawClient(host, port)
    yield* Effect.addFinalizer(() => Effect.sync(() => client.close()))
    const marked = (request: Message.Request) => {
      const packet = Buffer.from(client.packet(Command[request._tag], Message.encodeRequest(request)))
      packet.writeUInt32LE(HeaderFlags.SMB2_FLAGS_SIGNED, 16)
      packet.fill(9, 48, 64)
      return packet
    }
    yield* Effect.promise(async () => {
      assert.isTrue(await client.logOn("data", eve))
      client.frame(marked(Requests.create("", Requests.directory)))
      const opened = (await client.next())!
      assert.deepStrictEqual([statusOf(opened), isSigned(opened)], [0, false])
      const fileId = { persistent: opened.readBigUInt64LE(128), volatile: opened.readBigUInt64LE(136) }
      client.frame(marked(Requests.notify(fileId)))
      const waits = (await client.next())!
      assert.strictEqual(statusOf(waits), NtStatus.STATUS_PENDING)
      // A CANCEL has the AsyncId of the request that waits.
      const cancel = marked({ _tag: "CANCEL", body: {} })
      client.messageId--
      cancel.writeUInt32LE(HeaderFlags.SMB2_FLAGS_SIGNED | HeaderFlags.SMB2_FLAGS_ASYNC_COMMAND, 16)
      waits.copy(cancel, 24, 24, 40)
      client.frame(cancel)
      const cancelled = (await client.next())!
      assert.deepStrictEqual([statusOf(cancelled), isSigned(cancelled)], [NtStatus.STATUS_CANCELLED, false])
      // A further logon to the session, which only an anonymous user can do without a password.
      const { sessionId } = client
      const status = await client.setup(Credentials.anonymous, {
        sessionId,
        ask: (request) => {
          client.frame(marked(request))
          return client.next()
        }
      })
      assert.strictEqual(status, 0)
    })
  })))
