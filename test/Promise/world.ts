/** A client of promises with servers in memory. */
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import type { Client } from "../../src/Promise/Client.ts"
import { fromLayer } from "../../src/Promise/internal/Connecting.ts"

export interface World extends AsyncDisposable {
  readonly smb: Client
  /** The commands of all requests so far. */
  readonly commands: () => ReadonlyArray<string>
  /** The names of all CREATEs so far. */
  readonly created: () => ReadonlyArray<string>
  readonly connections: () => number
  /** The text of a file of the share `data`. */
  readonly text: (path: string) => string | undefined
  /** Waits until a request of this command has arrived. */
  readonly arrived: (command: string) => Promise<void>
  /** Waits until the server has a CLOSE for each CREATE. */
  readonly allClosed: () => Promise<void>
}

/** The share is `//nas/data`. */
export const world = async (
  files: TestTransport.Files = {},
  options: Omit<TestTransport.ServerOptions, "shares"> = {}
): Promise<World> => {
  const scope = Scope.makeUnsafe()
  const transport = TestTransport.layer({
    nas: { user: "joe", password: "secret", shares: { data: files }, ...options }
  })
  const context = await Effect.runPromise(Layer.buildWithScope(transport, scope))
  const servers = Context.get(context, TestTransport.TestServers)
  const smb = await fromLayer(
    SmbClient.layer().pipe(Layer.provide([
      Layer.succeedContext(context),
      Credentials.layer(Credentials.password("joe", Redacted.make("secret")))
    ]))
  )
  const commands = () => Effect.runSync(servers.commands)
  return {
    smb,
    commands,
    created: () =>
      Effect.runSync(servers.requests).flatMap(({ request }) => request._tag === "CREATE" ? [request.body.name] : []),
    connections: () => Effect.runSync(servers.connections()),
    text: (path) => {
      const bytes = Effect.runSync(servers.read("nas", "data", path))
      return bytes === undefined ? undefined : Buffer.from(bytes).toString()
    },
    arrived: async (command) => {
      while (!commands().includes(command as never)) await new Promise((resolve) => setImmediate(resolve))
    },
    allClosed: async () => {
      while (count(commands(), "CLOSE") < count(commands(), "CREATE")) {
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
    [Symbol.asyncDispose]: async () => {
      await smb.close()
      await Effect.runPromise(Scope.close(scope, Exit.void))
    }
  }
}

/** What a promise is rejected with. */
export const rejection = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error("the promise was not rejected")
}

/** How many requests of a command there are. */
export const count = (commands: ReadonlyArray<string>, command: string): number =>
  commands.filter((name) => name === command).length

/** All elements. */
export const collect = async <A>(source: AsyncIterable<A>): Promise<ReadonlyArray<A>> => {
  const all: Array<A> = []
  for await (const element of source) all.push(element)
  return all
}
