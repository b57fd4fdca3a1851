/**
 * READ_ANDX and WRITE_ANDX (MS-CIFS 2.2.4.42, 2.2.4.43, MS-SMB 2.2.4.2, 2.2.4.3).
 *
 * The data of a response is a view of its packet. Lengths have 32 bits in two halves, more than ByteCount can hold, so
 * ByteCount is not used.
 */
import * as Codec from "../../Codec/Codec.ts"
import { andX, fromHeader, message, noBytes } from "./Block.ts"

/** Two halves of a number: the low and the high 16 bits. */
const low = (value: number): number => value & 0xffff
const high = (value: number): number => Math.floor(value / 0x10000)
const join = (a: number, b: number): number => b * 0x10000 + a

const ReadWords = Codec.struct({
  andX,
  fid: Codec.u16,
  offsetLow: Codec.u32,
  maxCountLow: Codec.u16,
  minCount: Codec.u16,
  maxCountHigh: Codec.u32,
  remaining: Codec.reserved(Codec.u16),
  offsetHigh: Codec.u32
})

/**
 * READ_ANDX request: `maxCount` bytes from `offset`.
 *
 * @category models
 * @since 0.1.0
 */
export const ReadRequest = Codec.map(
  message([12, 10], ReadWords, noBytes),
  ({ fid, maxCountHigh, maxCountLow, minCount, offsetHigh, offsetLow }) => ({
    fid,
    offset: (BigInt(offsetHigh) << 32n) | BigInt(offsetLow),
    // On a pipe, and for a small count, the field is a timeout; all ones means none.
    maxCount: join(maxCountLow, maxCountHigh > 0xff ? 0 : maxCountHigh),
    minCount
  }),
  ({ fid, maxCount, minCount, offset }) => ({
    fid,
    offsetLow: Number(offset & 0xffff_ffffn),
    offsetHigh: Number(offset >> 32n),
    maxCountLow: low(maxCount),
    maxCountHigh: high(maxCount),
    minCount
  })
)
export type ReadRequest = Codec.Type<typeof ReadRequest>

/**
 * The usual place of the data in a READ_ANDX response: bytes from the header.
 *
 * @since 0.1.0
 */
export const readDataOffset = 60

const dataOf = (
  length: number,
  offset: number,
  r: { readonly bytes: Uint8Array; fail: (expected: string) => never }
) => {
  if (length === 0) return r.bytes.subarray(0, 0)
  if (offset + length > r.bytes.length) return r.fail(`data inside the packet, not ${length} bytes at ${offset}`)
  return r.bytes.subarray(offset, offset + length)
}

/**
 * Response to READ_ANDX.
 *
 * @since 0.1.0
 */
export interface ReadResponse {
  readonly available: number
  readonly data: Uint8Array
}

const ReadResponseWords = Codec.struct({
  andX,
  available: Codec.u16,
  dataCompactionMode: Codec.reserved(Codec.u16),
  reserved1: Codec.reserved(Codec.u16),
  dataLength: Codec.u16,
  dataOffset: Codec.u16,
  dataLengthHigh: Codec.u16,
  reserved2: Codec.reservedBytes(8)
})

/**
 * READ_ANDX response, at its offset behind the header.
 *
 * @category models
 * @since 0.1.0
 */
export const ReadResponse: Codec.Codec<ReadResponse> = Codec.make<ReadResponse>(
  27,
  (r) => {
    const at = r.offset
    const count = r.u8()
    if (count !== 12) r.fail(`a WordCount of 12, not ${count}`, at)
    const { available, dataLength, dataLengthHigh, dataOffset } = ReadResponseWords.read(r)
    r.claim(2, "bytes of ByteCount")
    const length = join(dataLength, dataLengthHigh)
    if (length > 0 && dataOffset < r.offset) r.fail(`data behind the words, not at ${dataOffset}`)
    return { available, data: dataOf(length, dataOffset, r) }
  },
  (w, { available, data }) => {
    const at = w.offset
    w.u8(12)
    ReadResponseWords.write(w, {
      available,
      dataLength: low(data.length),
      dataLengthHigh: high(data.length),
      dataOffset: at - fromHeader + 28
    })
    w.u16((data.length + 1) & 0xffff)
    w.u8(0)
    w.put(data)
  }
)

const WriteWords = Codec.struct({
  andX,
  fid: Codec.u16,
  offsetLow: Codec.u32,
  timeout: Codec.reserved(Codec.u32),
  /** WritethroughMode, NAMED_PIPE_MSG_START. */
  writeMode: Codec.u16,
  remaining: Codec.u16,
  dataLengthHigh: Codec.u16,
  dataLength: Codec.u16,
  dataOffset: Codec.u16,
  offsetHigh: Codec.u32
})

/**
 * The place of the data in this client's WRITE_ANDX requests: bytes from the header.
 *
 * @since 0.1.0
 */
export const writeDataOffset = 64

/**
 * Request to WRITE_ANDX.
 *
 * @since 0.1.0
 */
export interface WriteRequest {
  readonly fid: number
  readonly offset: bigint
  readonly writeMode: number
  /** Bytes left of a message on a pipe, from this request on. */
  readonly remaining: number
  readonly data: Uint8Array
}

/**
 * The bytes of a request before its data, as the connection sends them: the data follows without a copy.
 *
 * @since 0.1.0
 */
export const writeHead = (request: Omit<WriteRequest, "data">, length: number): Uint8Array =>
  Codec.encode(Codec.make<void>(0, () => {}, (w) => {
    w.u8(14)
    WriteWords.write(w, {
      fid: request.fid,
      offsetLow: Number(request.offset & 0xffff_ffffn),
      offsetHigh: Number(request.offset >> 32n),
      writeMode: request.writeMode,
      remaining: request.remaining,
      dataLengthHigh: high(length),
      dataLength: low(length),
      dataOffset: writeDataOffset
    })
    w.u16((length + 1) & 0xffff)
    w.u8(0)
  }))()

/**
 * WRITE_ANDX request, at its offset behind the header.
 *
 * @category models
 * @since 0.1.0
 */
export const WriteRequest: Codec.Codec<WriteRequest> = Codec.make<WriteRequest>(
  31,
  (r) => {
    const at = r.offset
    const count = r.u8()
    if (count !== 14) r.fail(`a WordCount of 14, not ${count}`, at)
    const { dataLength, dataLengthHigh, dataOffset, fid, offsetHigh, offsetLow, remaining, writeMode } = WriteWords
      .read(r)
    return {
      fid,
      offset: (BigInt(offsetHigh) << 32n) | BigInt(offsetLow),
      writeMode,
      remaining,
      data: dataOf(join(dataLength, dataLengthHigh), dataOffset, r)
    }
  },
  (w, request) => {
    w.put(writeHead(request, request.data.length))
    w.put(request.data)
  }
)

const WriteResponseWords = Codec.struct({
  andX,
  count: Codec.u16,
  available: Codec.u16,
  countHigh: Codec.u16,
  reserved: Codec.reserved(Codec.u16)
})

/**
 * WRITE_ANDX response: how many bytes were written.
 *
 * @category models
 * @since 0.1.0
 */
export const WriteResponse = Codec.map(
  message([6], WriteResponseWords, noBytes),
  ({ available, count, countHigh }) => ({ count: join(count, countHigh), available }),
  ({ available, count }) => ({ count: low(count), countHigh: high(count), available })
)
export type WriteResponse = Codec.Type<typeof WriteResponse>
