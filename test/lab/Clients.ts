/** Clients for lab tests: each has its own TCP connections and logs on as the lab's user. */
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
import { Credentials, DfsAdapter, DfsResolver, SmbClient, TcpTransport } from "effect-smb"
import * as Lab from "./Lab.ts"

/** The lab's user as a credential. */
export const labCredential: Credentials.Credential = Credentials.password(
  Lab.user.name,
  Redacted.make(Lab.user.password)
)

/** How a client connects, and whether it follows DFS. */
export interface ClientOptions extends SmbClient.Options {
  readonly dfs?: DfsAdapter.DfsAdapterOptions
  readonly credential?: Credentials.Credential
}

const base = ({ credential, dfs: _, ...options }: ClientOptions) =>
  SmbClient.layer(options).pipe(
    Layer.provide([TcpTransport.layer(), Credentials.layer(credential ?? labCredential)])
  )

/** A new client, until the scope closes. */
export const client = (options: ClientOptions = {}): Effect.Effect<SmbClient.Client, never, Scope.Scope> =>
  Effect.map(
    Layer.build(
      options.dfs === undefined
        ? base(options)
        : DfsAdapter.layerWithoutDiscovery(options.dfs).pipe(Layer.provide(base(options)))
    ),
    (context) => Context.get(context as Context.Context<SmbClient.SmbClient>, SmbClient.SmbClient)
  )

/** A client with DFS, and the resolver that it uses. */
export const dfsClient = (options: ClientOptions = {}): Effect.Effect<
  { readonly smb: SmbClient.Client; readonly resolver: DfsResolver.DfsResolver["Service"] },
  never,
  Scope.Scope
> =>
  Effect.map(
    Layer.build(DfsAdapter.layerWithoutDiscovery(options.dfs ?? {}).pipe(Layer.provide(base(options)))),
    (context) => ({
      smb: Context.get(context, SmbClient.SmbClient),
      resolver: Context.get(context, DfsResolver.DfsResolver)
    })
  )
