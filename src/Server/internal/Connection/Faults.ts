/** Writes faults of stores that clients are told of to the log. A broken disk fails each request. */
import type * as Effect from "effect/Effect"
import * as Message from "../../../Smb2/Message/Message.ts"
import * as Events from "../../Events.ts"
import type { StoreError } from "../../ShareStore.ts"
import type { Incoming } from "../State/Incoming.ts"

/** Writes a fault to the log, with the number of faults since the last one in the log. */
export const tell = ({ header, open, server: { logRates }, tree }: Incoming, fault: StoreError): Effect.Effect<void> =>
  logRates.faults.tell((more) =>
    Events.storeFailed(
      Message.commandName(header.command) ?? "",
      tree?.share?.name,
      open?._tag === "File" ? open.path : undefined,
      fault,
      more
    )
  )
