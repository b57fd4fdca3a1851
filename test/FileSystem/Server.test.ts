/** The suite of `FileSystem` on a share of this project's server, over TCP, with its files in memory. */
import { Effect, Layer, Redacted } from "effect"
import { MemoryStore, Smb, SmbFileSystem, SmbServer, UserStore } from "effect-smb"
import { fileSystemSuite } from "./suite.ts"

const host = "127.0.49.1"
const password = Redacted.make("secret")

fileSystemSuite(
  "a share of the project's server",
  Layer.unwrap(Effect.map(
    SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ joe: password }),
      shares: { data: MemoryStore.make() }
    }),
    ({ port }) =>
      SmbFileSystem.layer(`//${host}:${port}/data`).pipe(Layer.provide(Smb.layer({ user: "joe", password })))
  )),
  { ignoresCase: true, hasNoOwners: true }
)
