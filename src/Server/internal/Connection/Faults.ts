/**
 * Faults of stores that clients are told of, for the log.
 */
import * as Effect from "effect/Effect"
import * as Message from "../../../Smb2/Message/Message.ts"
import * as Events from "../../Events.ts"
import type { StoreError } from "../../ShareStore.ts"
import type { Incoming } from "./Incoming.ts"

/** Milliseconds in which the log hears of one fault: a disk that fails, fails for each request. */
const pause = 1000

/** Writes a fault to the log, with how many came since the last one that was written. */
export const tell = ({ header, open, server: { faults }, tree }: Incoming, fault: StoreError): Effect.Effect<void> =>
  Effect.suspend(() => {
    const now = performance.now()
    if (now - faults.told < pause) {
      faults.untold++
      return Effect.void
    }
    const more = faults.untold
    faults.told = now
    faults.untold = 0
    return Events.storeFailed(
      Message.commandName(header.command) ?? "",
      tree?.share?.name,
      open?._tag === "File" ? open.path : undefined,
      fault,
      more
    )
  })
