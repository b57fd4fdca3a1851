/** A server with the share `data` for the user joe, which does not require signing, as `LeaseClient` needs it. */
import { Effect, Exit, Redacted, Scope } from "effect"
import { Credentials } from "effect-smb/Auth"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { LeaseClient } from "./LeaseClient.ts"

const secret = Redacted.make("secret")

/** The user that the server lets in. */
export const joe = Credentials.password("joe", secret)

/** Runs a test with the port of a new server, and stops the server after it. */
export const withServer = async (
  host: string,
  use: (port: number) => Promise<void>,
  store: SmbServer.Share<unknown, Scope.Scope> = MemoryStore.make({ capacity: 1024 * 1024 })
): Promise<void> => {
  const scope = Scope.makeUnsafe()
  const server = await Effect.runPromise(
    Scope.provide(
      SmbServer.make({
        host,
        port: 0,
        users: UserStore.inMemory({ joe: secret }),
        shares: { data: store },
        signing: "enabled"
      }),
      scope
    )
  )
  try {
    await use(server.port)
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** Clients by their ClientGuid, each on its own connection to a server that has no other clients. */
export const withClients = (
  host: string,
  use: (connect: (guid: number) => Promise<LeaseClient>) => Promise<void>,
  store?: SmbServer.Share<unknown, Scope.Scope>
): Promise<void> =>
  withServer(host, (port) =>
    use(async (guid) => {
      const client = new LeaseClient(host, port, guid)
      if (!await client.begin("data", joe)) throw new Error("the logon of joe failed")
      return client
    }), store)
