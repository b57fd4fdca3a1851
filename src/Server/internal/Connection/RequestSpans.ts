/**
 * The spans of requests: `SmbServer` and the command. Only a server that was made with a tracer in its context makes
 * them, and READ and WRITE have none: they are most of the requests, and metrics show what there is to see
 * (docs/adr/0025).
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import * as NtStatus from "../../../Codec/NtStatus.ts"
import * as Spans from "../../../Protocol/Spans.ts"
import * as Dialects from "../../../Smb2/Dialects.ts"
import { Command } from "../../../Smb2/Message/Constants.ts"
import * as Message from "../../../Smb2/Message/Message.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { Reply } from "../Wire/Reply.ts"

const { Attribute } = Spans

/** Whether an app has set a tracer. Effect's default tracer sends its spans nowhere. */
export const hasTracer = (context: Context.Context<never>): boolean => context.mapUnsafe.has(Tracer.Tracer.key)

/** `SmbServer.queryInfo` for QUERY_INFO. */
const nameOf = (command: string): string =>
  `SmbServer.${command.toLowerCase().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())}`

const names = new Map<number, string>(
  Object.values(Command).flatMap((command) => {
    const name = Message.commandName(command)
    const isHot = command === Command.READ || command === Command.WRITE
    return name === undefined || isHot ? [] : [[command, nameOf(name)] as const]
  })
)

/** MORE_PROCESSING_REQUIRED has the severity of an error, and only says that a logon goes on. */
const isFailure = (status: number): boolean =>
  NtStatus.isError(status) && status !== NtStatus.NtStatus.STATUS_MORE_PROCESSING_REQUIRED

/** What is known at the end: the share, the file of the request or of its CREATE, and the status. */
const ofReply = (incoming: Incoming, reply: Reply | undefined): Spans.Attributes => {
  const { session, tree } = incoming
  const open = incoming.open ?? (reply?.fileId === undefined ? undefined : session?.opens.get(reply.fileId.volatile))
  const status = reply?.status ?? 0
  return {
    [Attribute.dialect]: Dialects.nameOf(incoming.connection.dialect),
    ...(tree === undefined ? {} : { [Attribute.share]: tree.share?.name ?? "IPC$" }),
    ...(open?._tag === "File" ? { [Attribute.path]: open.path.join("\\") } : {}),
    ...(reply === undefined ? {} : { [Attribute.status]: NtStatus.name(status) }),
    ...(isFailure(status) ? { [Attribute.errorType]: NtStatus.reason(status) } : {})
  }
}

/** The request in its span, if it has one. The span has no parent: a client's own spans are not known here. */
export const spanned = (
  incoming: Incoming,
  answer: Effect.Effect<Reply | undefined>
): Effect.Effect<Reply | undefined> => {
  const { connection, header, server } = incoming
  const name = server.traced ? names.get(header.command) : undefined
  if (name === undefined) return answer
  return Effect.withSpan(
    Effect.tap(answer, (reply) => Spans.annotate(ofReply(incoming, reply))),
    name,
    {
      root: true,
      kind: "server",
      captureStackTrace: false,
      attributes: {
        [Attribute.clientAddress]: connection.address,
        [Attribute.clientPort]: connection.port,
        ...Spans.ofServer({ server: connection.localAddress, port: connection.localPort }),
        [Attribute.networkTransport]: "tcp",
        [Attribute.command]: Message.commandName(header.command)
      }
    }
  )
}
