import { Console, Effect, Layer, Redacted } from "effect"
import { SmbServer, UserStore } from "effect-smb"
import { BlobStore, Store } from "effect-smb/Server"

const { ObjectStore, SqliteClient } = Store

/** Serves a folder that has a database and chunks: nothing to install. */
export const server = Effect.gen(function*() {
  const store = yield* ObjectStore.inFolder("/srv/objects", { label: "Projects" })
  return yield* SmbServer.make({
    port: 4455,
    users: UserStore.inMemory({ joe: Redacted.make("secret") }),
    shares: { projects: Effect.succeed(store) }
  })
})

/** The same parts by themselves: another database, or another place for chunks. */
export const parts = Effect.gen(function*() {
  const store = yield* ObjectStore.make({ label: "Projects" })
  const { problems } = yield* store.check
  if (problems.length === 0) yield* store.collect
  return problems
}).pipe(
  Effect.provide(Layer.merge(
    SqliteClient.layer({ filename: "/srv/database/files.db", exclusive: true }),
    BlobStore.layerFolder("/srv/chunks")
  ))
)

/** How many files there are, by SQL. */
export const count = Effect.gen(function*() {
  const sql = yield* SqliteClient.make({ filename: "/srv/projects/files.db" })
  const [row] = yield* sql`SELECT count(*) AS files FROM smb_node`
  yield* Console.log(row)
})
