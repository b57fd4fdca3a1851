/**
 * The modules that a user of SMB needs, each under its own name. What is below them has its own subpaths:
 * `effect-smb/Codec`, `/Auth`, `/Protocol`, `/Smb1`, `/Smb2`, `/Client`, `/Dfs`, `/Layers`, `/FileSystem`, `/Smb`,
 * `/Server`, `/Testing`, `/Transfer`; and `/promise` is the client for programs without Effect.
 */
export { AuthenticationError } from "./Auth/AuthenticationError.ts"
export * as Authenticator from "./Auth/Authenticator.ts"
export * as Credentials from "./Auth/Credentials.ts"
export * as Kerberos from "./Auth/Kerberos.ts"
export * as KerberosKeys from "./Auth/KerberosKeys.ts"
export { type ClientError, isNotFound, isPermission, isTransient } from "./Client/ClientError.ts"
export type { Entry } from "./Client/Entry.ts"
export { FileShortened } from "./Client/FileShortened.ts"
export { FileTooLarge } from "./Client/FileTooLarge.ts"
export * as OpenMode from "./Client/OpenMode.ts"
export * as Permissions from "./Client/Permissions.ts"
export * as SmbClient from "./Client/SmbClient.ts"
export type { SmbFile } from "./Client/SmbFile.ts"
export * as UncPath from "./Client/UncPath.ts"
export * as FileTime from "./Codec/FileTime.ts"
export { Malformed } from "./Codec/Malformed.ts"
export * as NtStatus from "./Codec/NtStatus.ts"
export * as Sddl from "./Codec/Sddl.ts"
export * as DfsAdapter from "./Dfs/DfsAdapter.ts"
export * as DfsPolicy from "./Dfs/DfsPolicy.ts"
export * as DfsResolver from "./Dfs/DfsResolver.ts"
export * as DomainControllers from "./Dfs/DomainControllers.ts"
export * as Namespace from "./Dfs/Namespace.ts"
export * as SiteFinder from "./Dfs/SiteFinder.ts"
export * as SmbFileSystem from "./FileSystem/SmbFileSystem.ts"
export * as TcpTransport from "./Layers/TcpTransport.ts"
export {
  DfsError,
  DfsLoop,
  NamespaceNotFound,
  NoDomainController,
  NoTargetLeft,
  NotDfsCapable,
  Overflow,
  ReferralRefused,
  ReferralUnavailable,
  TargetDiffers,
  Unencodable,
  Unsupported
} from "./Protocol/DfsError.ts"
export { ProtocolError, SmbError, TransportError } from "./Protocol/Errors.ts"
export * as Transport from "./Protocol/Transport.ts"
export * as IdentityStore from "./Server/IdentityStore.ts"
export * as OpenStore from "./Server/OpenStore.ts"
export * as ShareStore from "./Server/ShareStore.ts"
export * as SmbServer from "./Server/SmbServer.ts"
export * as SqliteOpenStore from "./Server/SqliteOpenStore.ts"
export * as FileSystemStore from "./Server/Store/FileSystemStore.ts"
export * as LocalStore from "./Server/Store/LocalStore.ts"
export * as MemoryStore from "./Server/Store/MemoryStore.ts"
export * as UserStore from "./Server/UserStore.ts"
export * as Smb from "./Smb/Smb.ts"
export * as RecordedTransport from "./Testing/RecordedTransport.ts"
export * as StoreConformance from "./Testing/StoreConformance.ts"
export * as TestNamespace from "./Testing/TestNamespace.ts"
export * as TestTransport from "./Testing/TestTransport.ts"
export * as VirtualTime from "./Testing/VirtualTime.ts"
export * as Transfer from "./Transfer/Transfer.ts"
