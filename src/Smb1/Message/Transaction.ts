/**
 * TRANSACTION, TRANSACTION2 and NT_TRANSACT with their secondary requests (MS-CIFS 2.2.4.33, 2.2.4.46, 2.2.4.62): setup
 * words, parameters and data. A packet carries a part of them, or the whole.
 *
 * Parts are views of the packet. `Transaction` joins them.
 */
import * as Codec from "../../Codec/Codec.ts"
import type { Reader, Writer } from "../../Codec/Cursor.ts"
import { either, fromHeader, text } from "./Block.ts"

/**
 * The first packet of a request. `parameters` and `data` can be shorter than the totals.
 *
 * @since 0.1.0
 */
export interface Request {
  /** `\PIPE\` for TRANSACTION, empty for the others. */
  readonly name: string
  /** NT_TRANSACT's subcommand; the others have it in the setup. */
  readonly function: number
  /** Words. */
  readonly setup: ReadonlyArray<number>
  readonly totalParameterCount: number
  readonly totalDataCount: number
  readonly maxParameterCount: number
  readonly maxDataCount: number
  readonly maxSetupCount: number
  readonly parameters: Uint8Array
  readonly data: Uint8Array
}

/**
 * A further packet of a request or response, and where its parts belong.
 *
 * @since 0.1.0
 */
export interface Part {
  readonly totalParameterCount: number
  readonly totalDataCount: number
  readonly parameters: Uint8Array
  readonly parameterDisplacement: number
  readonly data: Uint8Array
  readonly dataDisplacement: number
}

/**
 * A secondary request.
 *
 * @since 0.1.0
 */
export interface Secondary extends Part {
  /** TRANSACTION2 only; all ones for none. */
  readonly fid: number
}

/**
 * One response; a request can have several.
 *
 * @since 0.1.0
 */
export interface Response extends Part {
  readonly setup: ReadonlyArray<number>
}

/**
 * Bytes of a first request without its name, setup, parameters and data, with the padding between them.
 *
 * @since 0.1.0
 */
export const requestOverhead = 32 + 3 + 38 + 16
/**
 * The same for a secondary request.
 *
 * @since 0.1.0
 */
export const secondaryOverhead = 32 + 3 + 36 + 8

const slice = (r: Reader, count: number, offset: number, what: string): Uint8Array => {
  if (count === 0) return r.bytes.subarray(0, 0)
  // No part may be in the header or in the words.
  if (offset < r.offset || offset + count > r.bytes.length) {
    r.fail(`${what} inside the packet, not ${count} bytes at ${offset}`)
  }
  return r.bytes.subarray(offset, offset + count)
}

interface Places {
  readonly parameterCount: number
  readonly parameterOffset: number
  readonly dataCount: number
  readonly dataOffset: number
}

/** Parameters and data, at the offsets in the words. */
const blocks = (r: Reader, at: Places): { readonly parameters: Uint8Array; readonly data: Uint8Array } => ({
  parameters: slice(r, at.parameterCount, at.parameterOffset, "parameters"),
  data: slice(r, at.dataCount, at.dataOffset, "data")
})

/** Totals, and where the blocks of this packet belong. */
const part = ({ dataDisplacement, parameterDisplacement, totalDataCount, totalParameterCount }: Omit<
  Part,
  "parameters" | "data"
>) => ({ totalParameterCount, totalDataCount, parameterDisplacement, dataDisplacement })

const words = (r: Reader, count: number): ReadonlyArray<number> => Array.from({ length: count }, () => r.u16())

const enter = (r: Reader, least: number): { readonly words: Reader; readonly end: number } => {
  const at = r.offset
  const count = r.u8()
  if (count < least) r.fail(`a WordCount of at least ${least}, not ${count}`, at)
  const from = r.claim(count * 2, "bytes of words")
  return { words: r.window(from, count * 2), end: r.claim(2, "bytes of ByteCount") + 2 }
}

/** Writes parameters and data behind the words, each at a multiple of four, and returns their offsets. */
const place = (
  w: Writer,
  parameters: Uint8Array,
  data: Uint8Array,
  before: () => void
): { readonly parameterOffset: number; readonly dataOffset: number } => {
  const at = w.offset
  w.u16(0)
  before()
  w.align(4)
  const parameterOffset = w.offset - fromHeader
  w.put(parameters)
  w.align(4)
  const dataOffset = w.offset - fromHeader
  w.put(data)
  const length = w.offset - at - 2
  w.patch(at, (patch) => patch.u16(length & 0xffff))
  return { parameterOffset, dataOffset }
}

/** Writes a count of words, the words, and the counts and offsets that are known only afterwards. */
const write = (
  w: Writer,
  wordCount: number,
  fields: (places: Places) => void,
  parameters: Uint8Array,
  data: Uint8Array,
  before: () => void = () => {}
): void => {
  w.u8(wordCount)
  const at = w.offset
  w.zeros(wordCount * 2)
  const offsets = place(w, parameters, data, before)
  w.patch(at, () => fields({ ...offsets, parameterCount: parameters.length, dataCount: data.length }))
}

/** The same for a message with setup words, which follow `least` other words. */
const writeWithSetup = (
  w: Writer,
  least: number,
  value: Pick<Request, "setup" | "parameters" | "data">,
  fields: (places: Places & { readonly setupCount: number }) => void,
  before?: () => void
): void =>
  write(
    w,
    least + value.setup.length,
    (places) => {
      fields({ ...places, setupCount: value.setup.length })
      for (const word of value.setup) w.u16(word)
    },
    value.parameters,
    value.data,
    before
  )

const zero16 = Codec.reserved(Codec.u16)
const zero8 = Codec.reserved(Codec.u8)

const shortRequest = Codec.struct({
  totalParameterCount: Codec.u16,
  totalDataCount: Codec.u16,
  maxParameterCount: Codec.u16,
  maxDataCount: Codec.u16,
  maxSetupCount: Codec.u8,
  reserved1: zero8,
  flags: zero16,
  timeout: Codec.reserved(Codec.u32),
  reserved2: zero16,
  parameterCount: Codec.u16,
  parameterOffset: Codec.u16,
  dataCount: Codec.u16,
  dataOffset: Codec.u16,
  setupCount: Codec.u8,
  reserved3: zero8
})

/**
 * The first request of TRANSACTION, with a name, and of TRANSACTION2, with an empty one.
 *
 * @category models
 * @since 0.1.0
 */
export const ShortRequest = either((unicode) =>
  Codec.make<Request>(
    3 + 28,
    (r) => {
      const { end, words: w } = enter(r, 14)
      const value = shortRequest.read(w)
      const setup = words(w, value.setupCount)
      r.offset = end
      const { parameters, data } = blocks(r, value)
      // The name and padding are before the parameters; TRANSACTION2 has only padding there.
      const before = value.parameterCount > 0 ? value.parameterOffset : value.dataCount > 0 ? value.dataOffset : r.end
      const name = text(unicode).read(r.window(end, Math.min(before, r.end) - end))
      return {
        name,
        function: 0,
        setup,
        totalParameterCount: value.totalParameterCount,
        totalDataCount: value.totalDataCount,
        maxParameterCount: value.maxParameterCount,
        maxDataCount: value.maxDataCount,
        maxSetupCount: value.maxSetupCount,
        parameters,
        data
      }
    },
    (w, value) =>
      writeWithSetup(w, 14, value, (places) =>
        shortRequest.write(w, { ...value, ...places }), () =>
        text(unicode).write(w, value.name))
  )
)

const longRequest = Codec.struct({
  maxSetupCount: Codec.u8,
  reserved1: zero16,
  totalParameterCount: Codec.u32,
  totalDataCount: Codec.u32,
  maxParameterCount: Codec.u32,
  maxDataCount: Codec.u32,
  parameterCount: Codec.u32,
  parameterOffset: Codec.u32,
  dataCount: Codec.u32,
  dataOffset: Codec.u32,
  setupCount: Codec.u8,
  function: Codec.u16
})

/**
 * The first request of NT_TRANSACT.
 *
 * @category models
 * @since 0.1.0
 */
export const NtRequest: Codec.Codec<Request> = Codec.make<Request>(
  3 + 38,
  (r) => {
    const { end, words: w } = enter(r, 19)
    const value = longRequest.read(w)
    const setup = words(w, value.setupCount)
    r.offset = end
    return {
      name: "",
      function: value.function,
      setup,
      totalParameterCount: value.totalParameterCount,
      totalDataCount: value.totalDataCount,
      maxParameterCount: value.maxParameterCount,
      maxDataCount: value.maxDataCount,
      maxSetupCount: value.maxSetupCount,
      ...blocks(r, value)
    }
  },
  (w, value) => writeWithSetup(w, 19, value, (places) => longRequest.write(w, { ...value, ...places }))
)

const partFields = (size: Codec.Codec<number>) => ({
  totalParameterCount: size,
  totalDataCount: size,
  parameterCount: size,
  parameterOffset: size,
  parameterDisplacement: size,
  dataCount: size,
  dataOffset: size,
  dataDisplacement: size
})

const shortSecondary = Codec.struct(partFields(Codec.u16))
const longSecondary = Codec.struct({ reserved1: Codec.reservedBytes(3), ...partFields(Codec.u32), reserved2: zero8 })

type Counted = Codec.Type<typeof shortSecondary>

const secondary = (layout: Codec.Codec<Counted>, least: number, withFid: boolean): Codec.Codec<Secondary> =>
  Codec.make<Secondary>(
    3 + layout.minimumSize,
    (r) => {
      const { end, words: w } = enter(r, least)
      const value = layout.read(w)
      const fid = withFid ? w.u16() : 0xffff
      r.offset = end
      return { fid, ...part(value), ...blocks(r, value) }
    },
    (w, value) =>
      write(
        w,
        least,
        (places) => {
          layout.write(w, { ...value, ...places })
          if (withFid) w.u16(value.fid)
        },
        value.parameters,
        value.data
      )
  )

/**
 * TRANSACTION_SECONDARY (MS-CIFS 2.2.4.34).
 *
 * @since 0.1.0
 */
export const TransactionSecondary = secondary(shortSecondary, 8, false)
/**
 * TRANSACTION2_SECONDARY (MS-CIFS 2.2.4.47).
 *
 * @since 0.1.0
 */
export const Transaction2Secondary = secondary(shortSecondary, 9, true)
/**
 * NT_TRANSACT_SECONDARY (MS-CIFS 2.2.4.63).
 *
 * @since 0.1.0
 */
export const NtTransactSecondary = secondary(longSecondary, 18, false)

const shortResponse = Codec.struct({
  totalParameterCount: Codec.u16,
  totalDataCount: Codec.u16,
  reserved1: zero16,
  parameterCount: Codec.u16,
  parameterOffset: Codec.u16,
  parameterDisplacement: Codec.u16,
  dataCount: Codec.u16,
  dataOffset: Codec.u16,
  dataDisplacement: Codec.u16,
  setupCount: Codec.u8,
  reserved2: zero8
})

const longResponse = Codec.struct({
  reserved1: Codec.reservedBytes(3),
  ...partFields(Codec.u32),
  setupCount: Codec.u8
})

const response = (layout: Codec.Codec<Counted & { readonly setupCount: number }>, least: number) =>
  Codec.make<Response>(
    3 + layout.minimumSize,
    (r) => {
      const { end, words: w } = enter(r, least)
      const value = layout.read(w)
      const setup = words(w, value.setupCount)
      r.offset = end
      if (end > r.end) r.fail("a ByteCount")
      return { setup, ...part(value), ...blocks(r, value) }
    },
    (w, value) => writeWithSetup(w, least, value, (places) => layout.write(w, { ...value, ...places }))
  )

/**
 * The response to TRANSACTION and TRANSACTION2.
 *
 * @since 0.1.0
 */
export const ShortResponse = response(shortResponse, 10)
/**
 * The response to NT_TRANSACT.
 *
 * @since 0.1.0
 */
export const NtResponse = response(longResponse, 18)
