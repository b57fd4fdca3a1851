/** A client and a server whose settings are in the configuration, such as variables of the environment. */
import { NodeDns } from "@effect/platform-node"
import { Layer } from "effect"
import {
  Credentials,
  DfsAdapter,
  DomainControllers,
  LocalStore,
  SiteFinder,
  SmbClient,
  SmbServer,
  TcpTransport
} from "effect-smb"

export const ConfiguredClient = DfsAdapter.layerConfig().pipe(
  Layer.provide([SmbClient.layerConfig(), DomainControllers.layerDns(), SiteFinder.layerLdap()]),
  Layer.provide([TcpTransport.layerConfig(), Credentials.layerConfig(), NodeDns.layer])
)

export const ConfiguredServer = SmbServer.layerConfig({ shares: { data: LocalStore.make("/srv/data") } })
