/** Namespaces of a domain, with only the DNS and a ticket of `kinit`. */
import { NodeDns } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { Credentials, DfsAdapter, DomainControllers, Kerberos, SiteFinder, SmbClient, TcpTransport } from "effect-smb"

const Client = SmbClient.layerWithAuthenticator().pipe(
  Layer.provide([Kerberos.layer(), TcpTransport.layer(), Credentials.layer(Credentials.kerberos())])
)

export const Smb = DfsAdapter.layer().pipe(
  Layer.provide([
    Client,
    DomainControllers.layerDns().pipe(Layer.provide(NodeDns.layer)), // who knows the domain's namespaces
    SiteFinder.layerLdap() // where this machine is, for near targets
  ])
)

export const read = Effect.gen(function*() {
  const smb = yield* SmbClient.SmbClient
  return yield* smb.readFileString("//corp.test/public/plans/readme.txt")
}).pipe(Effect.provide(Smb))
