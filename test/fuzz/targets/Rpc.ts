/** DCE/RPC: PDUs, fragments, and the stubs of all calls of srvsvc, wkssvc and lsarpc. */
import { Result } from "effect"
import { readFileSync } from "node:fs"
import * as Codec from "../../../src/Codec/Codec.ts"
import * as DceRpc from "../../../src/Codec/Rpc/DceRpc.ts"
import * as Lsad from "../../../src/Codec/Rpc/Lsad.ts"
import * as Lsat from "../../../src/Codec/Rpc/Lsat.ts"
import * as Srvsvc from "../../../src/Codec/Rpc/Srvsvc.ts"
import * as SrvsvcLists from "../../../src/Codec/Rpc/SrvsvcLists.ts"
import * as Wkssvc from "../../../src/Codec/Rpc/Wkssvc.ts"
import { codec, family, holds, isJustified, type Member } from "../Promises.ts"

const fixture = <A>(name: string): A =>
  JSON.parse(readFileSync(new URL(`../../Codec/fixtures/${name}`, import.meta.url), "utf8")) as A

const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, "hex"))

export const pdus = fixture<{ readonly samples: ReadonlyArray<{ readonly bytes: string }> }>("rpc.json").samples
  .map(({ bytes }) => hex(bytes))

const { calls } = fixture<{ readonly calls: ReadonlyArray<{ readonly request: string; readonly response: string }> }>(
  "rpc-calls.json"
)

const isCodec = (value: unknown): value is Codec.Codec<any> =>
  typeof value === "object" && value !== null && "minimumSize" in value

const stubs: ReadonlyArray<readonly [string, Codec.Codec<any>]> = Object.entries({
  Lsad,
  Lsat,
  Srvsvc,
  SrvsvcLists,
  Wkssvc
}).flatMap(([module, exports]) =>
  Object.entries(exports).flatMap(([name, value]) => isCodec(value) ? [[`${module}.${name}`, value] as const] : [])
)

/** Recorded stubs that this codec reads. A stub says nowhere which call it belongs to. */
const seedsOf = (name: string, structure: Codec.Codec<any>): ReadonlyArray<Uint8Array> =>
  calls.map(({ request, response }) => hex(name.endsWith("Request") ? request : response))
    .filter((bytes) => Result.isSuccess(Codec.decode(name, structure)(bytes))).slice(0, 6)

const limit = 4096

/** The fragments that come by a pipe, one after the other, as both sides put them together. */
const stream: Member = {
  name: "fragments",
  run: (input) => {
    let state: DceRpc.Collected | undefined
    for (let at = 0; at < input.length;) {
      const length = DceRpc.frameLength(input.subarray(at))
      if (length === undefined) return
      holds(length >= DceRpc.headerLength, `a PDU of ${length} bytes would not end`)
      const pdu = Codec.decode("PDU", DceRpc.Pdu)(input.slice(at, at + length))
      if (Result.isFailure(pdu)) return
      isJustified(pdu.success, input)
      if (pdu.success._tag === "Request" || pdu.success._tag === "Response") {
        const collected = DceRpc.collect(state, pdu.success, limit)
        if (Result.isFailure(collected)) return
        state = collected.success.state
        const { complete } = collected.success
        holds(complete === undefined || complete.stub.length <= limit, "a call is longer than its limit")
      }
      at += length
    }
  },
  seeds: [...pdus, ...pdus.slice(1).map((pdu, i) => new Uint8Array(Buffer.concat([pdus[i]!, pdu])))]
}

export const rpc = family("rpc", [
  codec("PDU", DceRpc.Pdu, pdus),
  stream,
  ...stubs.map(([name, structure]) => codec(name, structure, seedsOf(name, structure)))
])
