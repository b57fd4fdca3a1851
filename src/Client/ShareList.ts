/**
 * The shares of a server, by the remote procedure call NetrShareEnum over the named pipe `srvsvc` (MS-SRVS 3.1.4.8).
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Srvsvc from "../Codec/Rpc/Srvsvc.ts"
import type { RequestError } from "../Protocol/Errors.ts"
import type * as Share from "../Protocol/Share.ts"
import * as RpcPipe from "./internal/RpcPipe.ts"
import type { ShareEntry } from "./Operations.ts"

const types: Record<number, ShareEntry["type"]> = { 0: "disk", 1: "printer", 2: "device", 3: "ipc" }

const srvsvc = { name: Srvsvc.pipeName, id: Srvsvc.interfaceId, endless: "the list of shares has no end" }

const shareEnum = {
  name: "NetrShareEnum",
  operation: Srvsvc.Operation.NetrShareEnum,
  request: Srvsvc.ShareEnumRequest,
  response: Srvsvc.ShareEnumResponse
}

/**
 * Lists the shares of the server of an IPC$ tree.
 *
 * @since 0.1.0
 */
export const shares = Effect.fnUntraced(function*(
  ipc: Share.Share
): Effect.fn.Return<ReadonlyArray<ShareEntry>, RequestError, Scope.Scope> {
  const refuse = (detail: string) => RpcPipe.unexpected(ipc.server, detail)
  const answer = yield* Effect.flatMap(RpcPipe.bind(ipc, srvsvc), (call) =>
    call(shareEnum, {
      serverName: `\\\\${ipc.server}`,
      info: { level: 1, value: [] },
      preferredMaximumLength: 0xffff_ffff,
      resumeHandle: 0
    })).pipe(
      Effect.catchTag("RpcRefused", ({ fault }) =>
        refuse(
          fault === undefined
            ? "the server does not tell its shares: it refused the srvsvc interface"
            : `the server failed to list its shares (fault ${fault})`
        ))
    )
  if (answer.returnValue !== Srvsvc.NERR_Success) {
    return yield* refuse(`the server did not list its shares (error ${answer.returnValue})`)
  }
  return (answer.info.level === 1 ? answer.info.value ?? [] : []).flatMap((share): ReadonlyArray<ShareEntry> =>
    share.netName === undefined ? [] : [{
      name: share.netName,
      type: types[share.type & 0xff] ?? "disk",
      special: (share.type & 0x8000_0000) !== 0,
      comment: share.remark ?? ""
    }]
  )
})
