/**
 * The client of SMB 1, by a hostile server: a scripted server that agrees to everything, and whose answers are recorded
 * ones of smbd, or its own, with changes. The promises are those of `HostileServer`.
 */
import { Layer, Redacted } from "effect"
import * as Credentials from "../../../src/Auth/Credentials.ts"
import * as SmbClient from "../../../src/Client/SmbClient.ts"
import { packets } from "../../Smb1/Message/packets.ts"
import * as Peer from "../../Smb1/peer.ts"
import type { Target } from "../Engine.ts"
import { change, Decisions } from "./Decisions.ts"
import { isModest, run, seeds, statuses, times } from "./HostileServer.ts"

const headerSize = 32

/** Recorded responses by command. */
const recorded = new Map<number, ReadonlyArray<Uint8Array>>()
for (const { command, packet, way } of packets) {
  if (way === "response") recorded.set(command, [...recorded.get(command) ?? [], packet.subarray(headerSize)])
}

const credentials = Credentials.layer(Credentials.password("joe", Redacted.make("secret")))

/** Programs that run at one time: most of the time they wait for answers that the client refused. */
const lanes = 12

export const smb1Client: Target = {
  name: "smb1-client",
  seeds,
  most: 600,
  lanes,
  open: () => {
    let answers = 0
    return {
      run: async (input) => {
        const decisions = new Decisions(input)
        const operations = 2 + decisions.next(6)
        let untouched = decisions.pick([3, 0, 1, 2, 5, 9])
        const half = Math.min(2 + operations * 4, input.length >> 1)
        const lies = new Decisions(input.subarray(half))
        const peer = Peer.make((request) => {
          answers++
          const usual = Peer.agreeing(request)
          if (untouched-- > 0 || lies.isOver) return usual
          const bodies = recorded.get(request.header.command) ?? []
          const status = lies.usually([usual?.status ?? 0], statuses)
          if (bodies.length === 0 || lies.next(4) === 0) return { ...usual, status }
          const body = lies.pick(bodies).slice()
          change(lies, body, 0, 4)
          const cut = lies.usually([body.length], [0, 1, body.length >> 1])
          return lies.usually<Peer.Reaction>([{ status, body: body.subarray(0, cut) }], ["hang up"])
        })
        const client = SmbClient.layer({ dialects: ["NT1"], signing: "if-required", ...times }).pipe(
          Layer.provide([peer.layer, credentials])
        )
        await run(new Decisions(input.subarray(2, half)), operations, client)
        isModest()
      },
      packets: () => answers
    }
  }
}
