/**
 * A server with a continuously available share that a test can let crash and start again over the same files and the
 * same opens, with clients that ask for persistent opens.
 */
import { Effect, Exit, Redacted, Scope } from "effect"
import { Credentials } from "effect-smb/Auth"
import * as IdentityStore from "../../src/Server/IdentityStore.ts"
import { type Change, type Entry, type OpenStore, OpenStoreError } from "../../src/Server/OpenStore.ts"
import { type ShareStore, storeError } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type * as Context from "../../src/Smb2/Message/CreateContext.ts"
import { key, LeaseClient, type Opened } from "./LeaseClient.ts"

const secret = Redacted.make("secret")

export const joe = Credentials.password("joe", secret)
export const ann = Credentials.password("ann", secret)

/** SMB2_GLOBAL_CAP_PERSISTENT_HANDLES. */
export const PERSISTENT_HANDLES = 0x10

/** What a test can do to the place that keeps the opens. */
export interface Opens {
  /** By open and part. */
  readonly entries: Map<string, Entry>
  /** Every commit that was made. */
  readonly commits: Array<ReadonlyArray<Change>>
  /** Runs before each commit. */
  before: (changes: ReadonlyArray<Change>) => Effect.Effect<void, OpenStoreError>
  /** Runs after each commit, before the server knows that it is done. */
  after: (changes: ReadonlyArray<Change>) => Effect.Effect<void>
}

const nameOf = (open: bigint, part: string): string => `${open} ${part}`

export const failed = (cause: unknown = new Error("no space left on device")) =>
  new OpenStoreError({ reason: { _tag: "Failed", store: "test", cause } })

const makeOpens = (entries: Iterable<[string, Entry]> = []): Opens => ({
  entries: new Map(entries),
  commits: [],
  before: () => Effect.void,
  after: () => Effect.void
})

const storeOf = (opens: Opens): OpenStore["Service"] => ({
  claim: Effect.sync(() => ({
    place: "test",
    entries: [...opens.entries.values()],
    commit: (changes) =>
      Effect.andThen(
        Effect.suspend(() => opens.before(changes)),
        Effect.sync(() => {
          opens.commits.push(changes)
          for (const { open, part, value } of changes) {
            if (part === undefined) {
              for (const [name, entry] of opens.entries) if (entry.open === open) opens.entries.delete(name)
            } else if (value === undefined) opens.entries.delete(nameOf(open, part))
            else opens.entries.set(nameOf(open, part), { open, part, value })
          }
        })
      ).pipe(Effect.andThen(Effect.suspend(() => opens.after(changes))))
  }))
})

export interface As {
  readonly share?: string
  readonly user?: Credentials.Credential
  /** Default: PERSISTENT_HANDLES. */
  readonly capabilities?: number
}

export interface Place {
  /** The opens that the present server keeps. */
  readonly opens: () => Opens
  readonly files: ShareStore
  readonly port: () => number
  /** A client with this ClientGuid. */
  readonly connect: (guid: number, as?: As) => Promise<LeaseClient>
  /**
   * Ends the server as SIGKILL does: nothing that it does from now on reaches the files or the opens. Another one
   * starts. `change` is what happens between the two.
   */
  readonly crash: (change?: (files: ShareStore, opens: Opens) => Promise<void>) => Promise<void>
  /** Stops the server, and starts another one. `change` is what happens between the two. */
  readonly restart: (change?: () => void) => Promise<void>
  readonly statistics: () => Promise<Effect.Success<SmbServer.SmbServer["Service"]["statistics"]>>
}

type How = Omit<Partial<SmbServer.Options>, "shares" | "users" | "openStore"> & {
  readonly files?: ShareStore | undefined
}

/** Runs a test against a server whose share `data` is continuously available, and whose share `other` is not. */
export const withRestarts = async (host: string, use: (place: Place) => Promise<void>, { files, ...how }: How = {}) => {
  const store = files ?? await Effect.runPromise(MemoryStore.make())
  const identity = IdentityStore.inMemory()
  let opens = makeOpens()
  let server: SmbServer.SmbServer["Service"] | undefined
  let scope = Scope.makeUnsafe()
  let alive = { is: true }
  const clients: Array<LeaseClient> = []
  const start = async () => {
    const life = { is: true }
    alive = life
    scope = Scope.makeUnsafe()
    const served: ShareStore = {
      ...store,
      remove: (...of) => Effect.suspend(() => life.is ? store.remove(...of) : Effect.fail(storeError("Failed"))),
      rename: (...of) => Effect.suspend(() => life.is ? store.rename(...of) : Effect.fail(storeError("Failed")))
    }
    server = await Effect.runPromise(Scope.provide(
      SmbServer.make({
        host,
        port: 0,
        users: UserStore.inMemory({ joe: secret, ann: secret }),
        signing: "enabled",
        guest: "anonymous",
        ...how,
        identity,
        openStore: storeOf(opens),
        shares: { data: { store: served, continuousAvailability: true }, other: served }
      }),
      scope
    ))
  }
  const stop = async () => {
    for (const client of clients) client.close()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
  await start()
  try {
    await use({
      opens: () => opens,
      files: store,
      port: () => server!.port,
      connect: async (guid, { capabilities = PERSISTENT_HANDLES, share = "data", user = joe } = {}) => {
        const client = new LeaseClient(host, server!.port, guid)
        clients.push(client)
        client.capabilities = capabilities
        // Many clients of one test wait for each other.
        client.patience = 15_000
        if (!await client.begin(share, user)) throw new Error("the logon failed")
        return client
      },
      crash: async (change) => {
        alive.is = false
        opens = makeOpens(opens.entries)
        await stop()
        await change?.(store, opens)
        await start()
      },
      restart: async (change) => {
        await stop()
        change?.()
        await start()
      },
      statistics: () => Effect.runPromise(server!.statistics)
    })
  } finally {
    await stop()
  }
}

/** SMB2_DHANDLE_FLAG_PERSISTENT. */
export const PERSISTENT = 2

/** Asks for a persistent open. */
export const request = (guid: number, timeout = 0, flags = PERSISTENT): Context.Request => ({
  _tag: "DurableHandleRequestV2",
  timeout,
  flags,
  createGuid: key(guid)
})

/** Asks for a persistent open again, after a lost connection. */
export const reconnect = ({ fileId }: Pick<Opened, "fileId">, guid: number, flags = PERSISTENT): Context.Request => ({
  _tag: "DurableHandleReconnectV2",
  fileId,
  createGuid: key(guid),
  flags
})

/** The durable context of a response. */
export const granted = ({ contexts }: Opened): { readonly timeout: number; readonly flags: number } | undefined => {
  const found = contexts.find((context) => context._tag === "DurableHandleResponseV2")
  return found === undefined || !("timeout" in found)
    ? undefined
    : { timeout: found.timeout as number, flags: (found as { readonly flags: number }).flags }
}
