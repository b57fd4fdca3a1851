/**
 * Symbolic links that clients have made (MS-SMB2 3.3.5.9, MS-FSCC 2.1.2.4). The server follows no link: its response
 * says where it stopped and what the link says, and the client decides where to go from there.
 */
import * as Effect from "effect/Effect"
import * as Codec from "../../../Codec/Codec.ts"
import { has } from "../../../Codec/Flags.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import * as Reparse from "../../../Codec/Reparse.ts"
import { CreateOptions, Dialect } from "../../../Smb2/Message/Constants.ts"
import type { Request } from "../../../Smb2/Message/Create.ts"
import * as ErrorResponse from "../../../Smb2/Message/ErrorResponse.ts"
import type { StoreFile, StoreNode } from "../../ShareStore.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { Share } from "../State/Model.ts"
import { kept, Refusal, refuse, stored } from "../Wire/Reply.ts"
import type { Name } from "./Pathname.ts"

const decode = Codec.decode("REPARSE_DATA_BUFFER", Reparse.ReparseDataBuffer)
const encode = Codec.encode(ErrorResponse.SymbolicLinkErrorResponse)
const encodeContext = Codec.encode(ErrorResponse.errorContexts(1))

/** Whether a file is a link, by its tag. */
export const isLink = (node: StoreNode): boolean => node.reparseTag === Reparse.ReparseTag.IO_REPARSE_TAG_SYMLINK

/** Refuses a CREATE that reached a link; `unparsed` is the part of its name after the link. */
export const stop = Effect.fnUntraced(function*(
  incoming: Incoming,
  file: StoreFile,
  unparsed: string
): Effect.fn.Return<never, Refusal> {
  const bytes = yield* stored(kept(file, "ReparsePoint"))
  const decoded = bytes === undefined ? undefined : decode(bytes)
  if (decoded?._tag !== "Success" || decoded.success._tag !== "SymbolicLink") {
    return yield* refuse(NtStatus.STATUS_IO_REPARSE_DATA_INVALID)
  }
  const { flags, printName, substituteName } = decoded.success
  const link = encode({ unparsedPathLength: unparsed.length * 2, flags, substituteName, printName })
  const status = NtStatus.STATUS_STOPPED_ON_SYMLINK
  return yield* Effect.fail(
    incoming.connection.dialect >= Dialect.SMB_3_1_1
      ? new Refusal(
        status,
        encodeContext([{ errorId: ErrorResponse.ErrorId.SMB2_ERROR_ID_DEFAULT, errorContextData: link }]),
        undefined,
        1
      )
      : new Refusal(status, link)
  )
})

const isMissing = ({ status }: Refusal): boolean =>
  status === NtStatus.STATUS_OBJECT_NAME_NOT_FOUND || status === NtStatus.STATUS_OBJECT_PATH_NOT_FOUND

/**
 * Runs a CREATE. If it does not find its name, and the deepest existing file above that is a link, fails with that
 * link. A named stream is below its file in this sense, unless the CREATE opens the link itself (`opensLink`).
 */
export const onTheWay = <A>(
  incoming: Incoming,
  share: Share,
  { path, rests, stream }: Name,
  opensLink: boolean,
  create: Effect.Effect<A, Refusal>
): Effect.Effect<A, Refusal> => {
  const deepest = stream === undefined || opensLink ? path.length - 1 : path.length
  return !share.volume.supports.reparsePoints || deepest < 1 ? create : Effect.catch(
    create,
    Effect.fnUntraced(function*(refusal): Effect.fn.Return<never, Refusal> {
      if (!isMissing(refusal)) return yield* Effect.fail(refusal)
      for (let depth = deepest; depth > 0; depth--) {
        const above = path.slice(0, depth)
        const node = yield* Effect.orElseSucceed(share.store.stat(above), () => undefined)
        if (node === undefined) continue
        if (!isLink(node)) break
        return yield* Effect.scoped(Effect.flatMap(
          stored(share.store.open(above, { mode: "existing", type: "file" })),
          ({ file }) => stop(incoming, file, rests[depth - 1]!)
        ))
      }
      return yield* Effect.fail(refusal)
    })
  )
}

/** Fails with the link, if the name of a CREATE stands for one and the CREATE does not open the link itself. */
export const stopAt = Effect.fnUntraced(function*(
  { body, incoming, name: { path, rests }, share }: {
    readonly body: Pick<Request, "createOptions">
    readonly incoming: Incoming
    readonly name: Name
    readonly share: Share
  }
): Effect.fn.Return<void, Refusal> {
  if (!share.volume.supports.reparsePoints || has(body.createOptions, CreateOptions.FILE_OPEN_REPARSE_POINT)) return
  const node = yield* Effect.orElseSucceed(share.store.stat(path), () => undefined)
  if (node === undefined || !isLink(node)) return
  yield* Effect.scoped(Effect.flatMap(
    stored(share.store.open(path, { mode: "existing", type: "file" })),
    ({ file }) => stop(incoming, file, rests.at(-1) ?? "")
  ))
})
