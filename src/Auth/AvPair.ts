/**
 * AV_PAIR (MS-NLMP 2.2.2.1): the attributes of a target, which a CHALLENGE_MESSAGE and an NTLMv2_RESPONSE carry, both
 * ways. Decoded values are views of the input message.
 */
import * as Codec from "../Codec/Codec.ts"
import { unicode } from "./internal/NtlmText.ts"

/**
 * AvId values (MS-NLMP 2.2.2.1).
 *
 * @since 0.1.0
 */
export const AvId = {
  MsvAvEOL: 0x0000,
  MsvAvNbComputerName: 0x0001,
  MsvAvNbDomainName: 0x0002,
  MsvAvDnsComputerName: 0x0003,
  MsvAvDnsDomainName: 0x0004,
  MsvAvDnsTreeName: 0x0005,
  MsvAvFlags: 0x0006,
  MsvAvTimestamp: 0x0007,
  MsvAvSingleHost: 0x0008,
  MsvAvTargetName: 0x0009,
  MsvAvChannelBindings: 0x000a
} as const

/**
 * Bits of MsvAvFlags (MS-NLMP 2.2.2.1).
 *
 * @since 0.1.0
 */
export const AvFlags = {
  accountAuthenticationConstrained: 0x00000001,
  micProvided: 0x00000002,
  untrustedTargetName: 0x00000004
} as const

/**
 * One attribute of a target. The value stays as bytes, so that unknown attributes are passed on unchanged.
 *
 * @since 0.1.0
 */
export interface AvPair {
  readonly avId: number
  readonly value: Uint8Array
}

/**
 * AV_PAIRs up to and including MsvAvEOL, which is not part of the value (MS-NLMP 2.2.2.1).
 *
 * @category codecs
 * @since 0.1.0
 */
export const avPairs: Codec.Codec<ReadonlyArray<AvPair>> = Codec.make<ReadonlyArray<AvPair>>(
  0,
  (r) => {
    const pairs: Array<AvPair> = []
    while (r.remaining > 0) {
      const at = r.offset
      const avId = r.u16()
      const avLen = r.u16()
      if (avId === AvId.MsvAvEOL) {
        if (avLen !== 0) r.fail("an empty MsvAvEOL", at)
        return pairs
      }
      pairs.push({ avId, value: r.take(avLen) })
    }
    return r.fail("MsvAvEOL after the last AV_PAIR")
  },
  (w, pairs) => {
    for (const { avId, value } of pairs) {
      w.u16(avId)
      w.u16(value.length)
      w.put(value)
    }
    w.u32(AvId.MsvAvEOL)
  }
)

/**
 * The value of the first pair with an id.
 *
 * @since 0.1.0
 */
export const avValue = (pairs: ReadonlyArray<AvPair>, id: keyof typeof AvId): Uint8Array | undefined =>
  pairs.find((pair) => pair.avId === AvId[id])?.value

const number = (value: Uint8Array | undefined, length: 4 | 8): bigint | undefined => {
  if (value === undefined || value.length !== length) return undefined
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  return length === 4 ? BigInt(view.getUint32(0, true)) : view.getBigUint64(0, true)
}

/**
 * MsvAvTimestamp in 100 ns ticks since 1601, if it is present and has eight bytes.
 *
 * @since 0.1.0
 */
export const avTimestamp = (pairs: ReadonlyArray<AvPair>): bigint | undefined =>
  number(avValue(pairs, "MsvAvTimestamp"), 8)

/**
 * MsvAvFlags, 0 if it is absent.
 *
 * @since 0.1.0
 */
export const avFlags = (pairs: ReadonlyArray<AvPair>): number => Number(number(avValue(pairs, "MsvAvFlags"), 4) ?? 0n)

/**
 * The text of a pair whose value is a name.
 *
 * @since 0.1.0
 */
export const avText = (pairs: ReadonlyArray<AvPair>, id: keyof typeof AvId): string | undefined => {
  const value = avValue(pairs, id)
  return value === undefined ? undefined : unicode(value)
}

/**
 * A pair from a name.
 *
 * @since 0.1.0
 */
export const avName = (id: keyof typeof AvId, name: string): AvPair => ({
  avId: AvId[id],
  value: Codec.encode(Codec.utf16)(name)
})

/**
 * MsvAvTimestamp from 100 ns ticks since 1601.
 *
 * @since 0.1.0
 */
export const avTime = (ticks: bigint): AvPair => ({ avId: AvId.MsvAvTimestamp, value: Codec.encode(Codec.u64)(ticks) })
