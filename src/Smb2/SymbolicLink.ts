/**
 * The data of STATUS_STOPPED_ON_SYMLINK (MS-SMB2 2.2.2.2.1), read without trusting it. The client decides where to go
 * from there.
 */
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import type * as Errors from "../Protocol/Errors.ts"
import type { Reply } from "./Connection.ts"
import * as Header from "./Header.ts"
import * as ErrorResponse from "./Message/ErrorResponse.ts"

const relativeFlag = 1

const decodeBody = Codec.decode("SMB2 ERROR Response", Codec.at(Header.size, ErrorResponse.ErrorResponse))
const decodeLink = Codec.decode("Symbolic Link Error Response", ErrorResponse.SymbolicLinkErrorResponse)

/** The data for the status: in an error context in SMB 3.1.1, by itself in earlier dialects. */
const dataOf = (body: ErrorResponse.ErrorResponse): Uint8Array | undefined => {
  if (body.errorContextCount === 0) return body.errorData
  const contexts = Codec.decode("SMB2 ERROR Context", ErrorResponse.errorContexts(body.errorContextCount))(
    body.errorData
  )
  return Result.isFailure(contexts)
    ? undefined
    : contexts.success.find(({ errorId }) => errorId === ErrorResponse.ErrorId.SMB2_ERROR_ID_DEFAULT)?.errorContextData
}

/**
 * The link that a CREATE of `path` stopped at; `undefined` if the server's data makes no sense, so that only the status
 * is known.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (reply: Reply, path: string): Errors.SymbolicLink | undefined => {
  const body = decodeBody(reply.packet)
  const data = Result.isFailure(body) ? undefined : dataOf(body.success)
  const link = data === undefined ? undefined : decodeLink(data)
  if (link === undefined || Result.isFailure(link)) return undefined
  const { flags, substituteName, unparsedPathLength } = link.success
  const unparsed = unparsedPathLength / 2
  if (!Number.isInteger(unparsed) || unparsed > path.length || substituteName === "") return undefined
  return { path, unparsed, target: substituteName, relative: (flags & relativeFlag) !== 0 }
}
