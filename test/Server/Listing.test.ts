/**
 * Proves that a listing asks the store for little more than it shows, ends the store's stream, and reports a failure of
 * the store. This project's client lists directories of a server with a scripted store.
 */
import { assert, it } from "@effect/vitest"
import { Cause, Context, Effect, type Exit, Layer, Option, Redacted, type Scope, Stream } from "effect"
import { Credentials, SmbClient, TcpTransport } from "effect-smb"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { type ShareStore, type StoreError, storeError, type StoreNode } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"

const host = "127.0.29.38"
const users = UserStore.inMemory({ joe: Redacted.make("secret") })

const client: Effect.Effect<SmbClient.Client, never, Scope.Scope> = Effect.map(
  Layer.build(
    SmbClient.layer().pipe(
      Layer.provide([TcpTransport.layer(), Credentials.layer(Credentials.password("joe", Redacted.make("secret")))])
    )
  ),
  (context) => Context.get(context, SmbClient.SmbClient)
)

/** A store in memory whose root lists `nodes` instead of its entries. */
const listing = (nodes: (root: StoreNode) => Stream.Stream<StoreNode, StoreError>) =>
  Effect.map(MemoryStore.make(), (store): ShareStore => ({
    ...store,
    list: (path) => path.length > 0 ? store.list(path) : Stream.unwrap(Effect.map(store.stat([]), nodes))
  }))

const server = (
  nodes: (root: StoreNode) => Stream.Stream<StoreNode, StoreError>
) =>
  Effect.map(SmbServer.make({ host, port: 0, users, shares: { data: listing(nodes) } }), ({ port, ...rest }) => ({
    ...rest,
    base: `\\\\${host}:${port}\\data`
  }))

const named = (root: StoreNode, number: number): StoreNode => ({
  ...root,
  name: `entry-${number}`,
  id: BigInt(1000 + number)
})

it.live("a listing of an endless directory shows its first entries, and asks the store for few more", () =>
  Effect.gen(function*() {
    let given = 0
    let ended = 0
    const { base } = yield* server((root) =>
      Stream.paginate(0, (from) =>
        Effect.sync(() => {
          given = from + 10
          return [Array.from({ length: 10 }, (_, i) => named(root, from + i)), Option.some(given)] as const
        })).pipe(Stream.ensuring(Effect.sync(() => ended++)))
    )
    const smb = yield* client
    for (let round = 1; round <= 2; round++) {
      const some = yield* Stream.runCollect(Stream.take(smb.list(base), 25))
      assert.deepStrictEqual(some.map(({ name }) => name), Array.from({ length: 25 }, (_, i) => `entry-${i}`))
      // The number of entries that a few responses hold.
      assert.isBelow(given, 100_000)
      const atTheEnd: Effect.Effect<void> = Effect.suspend(() =>
        ended === round ? Effect.void : Effect.andThen(Effect.sleep(5), atTheEnd)
      )
      yield* Effect.timeout(atTheEnd, "5 seconds")
    }
  }).pipe(Effect.scoped))

it.live("a listing during which the store fails shows the entries before, then fails, and the next one starts again", () =>
  Effect.gen(function*() {
    let turn = 0
    const { base } = yield* server((root) =>
      turn++ === 0
        ? Stream.fail(storeError("Busy"))
        : turn === 2
        ? Stream.concat(Stream.make(named(root, 1), named(root, 2)), Stream.fail(storeError("Failed")))
        : Stream.make(named(root, 3))
    )
    const smb = yield* client
    const seen: Array<string> = []
    const all = Stream.runForEach(smb.list(base), ({ name }) => Effect.sync(() => seen.push(name)))
    const status = (exit: Exit.Exit<unknown, unknown>) =>
      exit._tag === "Failure" ? (Cause.squash(exit.cause) as { readonly status?: number }).status : 0
    assert.strictEqual(status(yield* Effect.exit(all)), NtStatus.STATUS_SHARING_VIOLATION)
    assert.deepStrictEqual(seen, [])
    assert.strictEqual(status(yield* Effect.exit(all)), NtStatus.STATUS_UNEXPECTED_IO_ERROR)
    assert.deepStrictEqual(seen, ["entry-1", "entry-2"])
    yield* all
    assert.deepStrictEqual(seen, ["entry-1", "entry-2", "entry-3"])
  }).pipe(Effect.scoped))

it.live("a listing has no file that was removed while the store listed it", () =>
  Effect.gen(function*() {
    const store = yield* MemoryStore.make()
    const smb = yield* client
    let remove: Effect.Effect<void> = Effect.void
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users,
      shares: {
        data: Effect.succeed<ShareStore>({
          ...store,
          // The store has described the file, and it is gone before the server has the entry.
          list: (path) => Stream.tap(Stream.rechunk(store.list(path), 1000), () => Effect.suspend(() => remove))
        })
      }
    })
    const base = `\\\\${host}:${port}\\data`
    for (const name of ["a", "b", "c"]) yield* smb.writeFile(`${base}\\${name}`, name)
    remove = Effect.suspend(() => {
      remove = Effect.void
      return Effect.orDie(smb.remove(`${base}\\B`))
    })
    const all = yield* Stream.runCollect(smb.list(base))
    assert.deepStrictEqual(all.map(({ name }) => name).toSorted(), ["a", "c"])
  }).pipe(Effect.scoped))
