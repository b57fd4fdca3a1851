/**
 * FSCTL_VALIDATE_NEGOTIATE_INFO (MS-SMB2 3.2.5.5): before 3.1.1 nothing protects the negotiation itself. The client
 * therefore asks the server afterwards, under the session's signature, which values it received. A difference means
 * that an attacker changed them.
 *
 * MS-SMB2 3.2.5.14.12 defines the meaning of the response. A server that does not know the control code refuses it with
 * some status, under its signature. That proves as much: an attacker between client and server could not have signed
 * it, and a server that does know the code would have answered it.
 */
import * as Effect from "effect/Effect"
import * as Codec from "../Codec/Codec.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import type { RequestError } from "../Protocol/Errors.ts"
import * as Connection from "./Connection.ts"
import * as Header from "./Header.ts"
import { anyFileId } from "./Message/Common.ts"
import { Command, Dialect, IoctlFlags } from "./Message/Constants.ts"
import * as Fsctl from "./Message/Fsctl.ts"
import * as Ioctl from "./Message/Ioctl.ts"
import type { Session } from "./Session.ts"

/**
 * Asks once for each session, on its first tree. Fails with `ProtocolError` of reason `Downgrade`.
 *
 * @since 0.1.0
 */
export const validate = Effect.fnUntraced(function*(
  session: Session,
  treeId: number,
  encrypted: boolean
): Effect.fn.Return<void, RequestError> {
  const { connection, negotiated } = session
  const { asked } = negotiated
  if (session.validated || session.security.sign === undefined) return
  // An offer of nothing newer than 2.1 cannot be downgraded.
  if (!asked.dialects.some((dialect) => dialect >= Dialect.SMB_3_0)) return
  const tampered = connection.protocolError(
    "Downgrade",
    "the negotiation was changed on the way: the server did not hear what was said, or did not say what was heard"
  )
  const reply = yield* Connection.request(connection, {
    command: Command.IOCTL,
    body: Codec.encode(Ioctl.Request)({
      ctlCode: Fsctl.Fsctl.FSCTL_VALIDATE_NEGOTIATE_INFO,
      fileId: anyFileId,
      maxInputResponse: 0,
      maxOutputResponse: 24,
      flags: IoctlFlags.SMB2_0_IOCTL_IS_FSCTL,
      input: Codec.encode(Fsctl.ValidateNegotiateInfoRequest)({
        capabilities: asked.capabilities,
        guid: asked.clientGuid,
        securityMode: asked.securityMode,
        dialects: asked.dialects
      }),
      output: new Uint8Array(0)
    }),
    treeId,
    security: session.security,
    encrypted,
    mustSign: true
  }).pipe(
    // A server that received other values than those in this request closes the connection (MS-SMB2 3.3.5.15.12).
    Effect.catchIf(
      (error) => error._tag === "TransportError" && error.reason._tag === "ConnectionClosed",
      () => Effect.fail(tampered)
    )
  )
  const { status } = reply.header
  if (status === NtStatus.STATUS_ACCESS_DENIED) return yield* tampered
  // If the refusal had neither signature nor encryption, the connection has already ended.
  if (status !== 0) {
    session.validated = true
    return
  }
  const response = yield* Effect.fromResult(
    Codec.decode("SMB2 IOCTL Response", Codec.at(Header.size, Ioctl.Response))(reply.packet)
  )
  const heard = yield* Effect.fromResult(
    Codec.decode("VALIDATE_NEGOTIATE_INFO Response", Fsctl.ValidateNegotiateInfoResponse)(response.output)
  )
  if (
    heard.dialect !== negotiated.dialect || heard.capabilities !== negotiated.capabilities ||
    heard.securityMode !== negotiated.securityMode || Buffer.compare(heard.guid, negotiated.serverGuid) !== 0
  ) {
    return yield* tampered
  }
  session.validated = true
})
