/**
 * The common parts of several SMB 2 messages: file identifiers, and the two ways in which a field depends on another.
 *
 * Each message has its own module; this one knows none of them. Nothing here copies: decoded bytes are views of the
 * packet, and are valid as long as its owner does not change it.
 */
import * as Codec from "../../Codec/Codec.ts"
import type { Reader } from "../../Codec/Cursor.ts"

/**
 * Offsets in an SMB 2 body count from its header, which has 64 bytes and is directly before the body.
 *
 * @since 0.1.0
 */
export const fromHeader = -64

/**
 * SMB2_FILEID (MS-SMB2 2.2.14.1): in the response to CREATE, and in later requests.
 *
 * @category models
 * @since 0.1.0
 */
export const FileId = Codec.struct({ persistent: Codec.u64, volatile: Codec.u64 })
export type FileId = Codec.Type<typeof FileId>

/**
 * All ones: "the file that this compound's CREATE opened", or no file at all for an FSCTL that needs none.
 *
 * @since 0.1.0
 */
export const anyFileId: FileId = { persistent: 0xffff_ffff_ffff_ffffn, volatile: 0xffff_ffff_ffff_ffffn }

/**
 * A 16-byte GUID or key in wire order, as a view of the buffer that is read.
 *
 * @since 0.1.0
 */
export const bytes16 = Codec.fixedBytes(16)

/**
 * A codec that depends on later bytes; `peek` must not move the reader.
 *
 * @since 0.1.0
 */
export const choose = <A>(
  minimumSize: number,
  peek: (reader: Reader) => Codec.Codec<A>,
  of: (value: A) => Codec.Codec<A>
): Codec.Codec<A> => Codec.make(minimumSize, (r) => peek(r).read(r), (w, value) => of(value).write(w, value))

/**
 * The `u16` that is `ahead` bytes after the reader's position, without moving it.
 *
 * @since 0.1.0
 */
export const peekU16 = (reader: Reader, ahead: number): number => {
  if (reader.remaining < ahead + 2) reader.fail(`${ahead + 2} more bytes, not ${reader.remaining}`)
  return reader.view.getUint16(reader.offset + ahead, true)
}

/**
 * The `u32` that is `ahead` bytes after the reader's position, without moving it.
 *
 * @since 0.1.0
 */
export const peekU32 = (reader: Reader, ahead: number): number => {
  if (reader.remaining < ahead + 4) reader.fail(`${ahead + 4} more bytes, not ${reader.remaining}`)
  return reader.view.getUint32(reader.offset + ahead, true)
}

/**
 * The response whose only content is a buffer: the fields of CHANGE_NOTIFY (MS-SMB2 2.2.36), QUERY_DIRECTORY (2.2.34)
 * and QUERY_INFO (2.2.38).
 *
 * @since 0.2.0
 */
export const outputBuffer = {
  structureSize: Codec.constant(Codec.u16, 9),
  outputBufferOffset: Codec.offsetOf("buffer", Codec.u16),
  outputBufferLength: Codec.lengthOf("buffer"),
  buffer: Codec.buffer(Codec.bytes, { placed: true })
}

// -----------------------------------------------------------------------------
// lists of typed contexts
// -----------------------------------------------------------------------------

type ContextTable = Record<string, { readonly type: number; readonly data: Codec.Codec<any> }>

/**
 * A context without a definition in this package, kept unchanged.
 *
 * @since 0.1.0
 */
export interface UnknownContext {
  readonly _tag: "Unknown"
  readonly contextType: number
  readonly data: Uint8Array
}

/**
 * The contexts of a table, tagged with the document's names, and the unknown ones.
 *
 * @since 0.1.0
 */
export type ContextOf<T extends ContextTable> =
  | { readonly [K in keyof T]: { readonly _tag: K } & Codec.Type<T[K]["data"]> }[keyof T]
  | UnknownContext

/**
 * One negotiate context or tree connect context (MS-SMB2 2.2.3.1, 2.2.9.2): ContextType, DataLength, Reserved, Data.
 *
 * @since 0.1.0
 */
export const typedContext = <const T extends ContextTable>(table: T): Codec.Codec<ContextOf<T>> => {
  const byType = new Map(Object.entries(table).map(([tag, entry]) => [entry.type, { tag, data: entry.data }] as const))
  return Codec.make<ContextOf<T>>(
    8,
    (r) => {
      const contextType = r.u16()
      const length = r.u16()
      r.u32()
      const data = r.window(r.offset, length, "a context inside its message")
      r.offset = data.end
      const known = byType.get(contextType)
      return known === undefined
        ? { _tag: "Unknown", contextType, data: data.rest() }
        : { _tag: known.tag, ...known.data.read(data) }
    },
    (w, context) => {
      const value = context as UnknownContext | { readonly _tag: string }
      const known = "contextType" in value ? undefined : table[value._tag]!
      w.u16(known === undefined ? (value as UnknownContext).contextType : known.type)
      const lengthAt = w.offset
      w.u16(0)
      w.u32(0)
      const start = w.offset
      if (known === undefined) w.put((value as UnknownContext).data)
      else known.data.write(w, value)
      const length = w.offset - start
      w.patch(lengthAt, (at) => at.u16(length))
    }
  )
}
