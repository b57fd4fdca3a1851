/** Every error that an operation of the client can fail with. The compiler knows each by its tag. */
import type { AuthenticationError } from "../Auth/AuthenticationError.ts"
import type { ResolutionError } from "../Protocol/DfsError.ts"
import type { RequestError } from "../Protocol/Errors.ts"
import type { FileShortened } from "./FileShortened.ts"
import type { FileTooLarge } from "./FileTooLarge.ts"
import type { RemovalError } from "./RemovalError.ts"
import type { PathError } from "./UncPath.ts"

/**
 * - `SmbError`: the server refused the request; `reason` is its NTSTATUS.
 * - `TransportError`: no server answered, or the connection broke.
 * - `ProtocolError`: the peer broke the protocol or a security promise.
 * - `Malformed`: the peer's bytes cannot be decoded.
 * - `AuthenticationError`: the logon could not be completed.
 * - `FileShortened`: a file became shorter while it was read.
 * - `FileTooLarge`: a file has more bytes than the `maximum` of `readFile`.
 * - `PathError`: the path does not name a place on a share, or the operation would need two shares.
 * - `RemovalError`: the path to remove or rename is a whole share or a link, or part of a tree could not be removed.
 * - `DfsError`: a DFS path leads to no file; `Overflow`, `Unsupported`, `NotDfsCapable`: other failures of DFS. Only a
 *   client with DFS has these.
 *
 * @category errors
 * @since 0.1.0
 */
export type ClientError =
  | RequestError
  | FileShortened
  | AuthenticationError
  | FileTooLarge
  | PathError
  | RemovalError
  | ResolutionError
