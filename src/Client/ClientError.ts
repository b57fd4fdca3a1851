/** Every error that an operation of the client can fail with. The compiler knows each by its tag. */
import type { AuthenticationError } from "../Auth/AuthenticationError.ts"
import type { ResolutionError } from "../Protocol/DfsError.ts"
import type { RequestError } from "../Protocol/Errors.ts"
import type { FileShortened } from "./FileShortened.ts"
import type { RemovalIncomplete, RootOrLink } from "./RemovalError.ts"
import type { AcrossShares, InvalidPath } from "./UncPath.ts"

/**
 * - `SmbError`: the server refused the request; `reason` is its NTSTATUS by name.
 * - `TransportError`: no server answered, or the connection broke.
 * - `ProtocolError`: the peer broke the protocol or a security promise.
 * - `Malformed`: the peer's bytes cannot be decoded.
 * - `AuthenticationError`: the logon could not be completed.
 * - `FileShortened`: a file became shorter while it was read.
 * - `InvalidPath`: the path does not name a place on a share.
 * - `AcrossShares`: a rename to another share, or the removal of a tree with a DFS link in it.
 * - `RootOrLink`: the path to remove or rename is a whole share, or a link to another place. Nothing was done.
 * - `RemovalIncomplete`: part of a tree could not be removed; the error says what is gone and what is still there.
 * - `DfsError`: a DFS path leads to no file; `Overflow`, `Unsupported`, `NotDfsCapable`: other failures of DFS. Only a
 *   client with DFS has these.
 *
 * @category errors
 */
export type ClientError =
  | RequestError
  | FileShortened
  | AuthenticationError
  | InvalidPath
  | AcrossShares
  | RootOrLink
  | RemovalIncomplete
  | ResolutionError
