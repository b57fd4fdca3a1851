/**
 * What several SMB 2 messages share: file identifiers, and the two ways in which a field's meaning depends on another.
 *
 * Whole messages have a module each; this one knows none of them. Nothing here copies: bytes that are read are views
 * of the packet, and live as long as its owner leaves it alone.
 */
import * as Codec from "../../Codec/Codec.ts"
import type { Reader } from "../../Codec/Cursor.ts"

/** Offsets in an SMB 2 body count from its header, which has 64 bytes and stands right before it. */
export const fromHeader = -64

/**
 * SMB2_FILEID (MS-SMB2 2.2.14.1): what CREATE answers, and later requests name.
 *
 * @category models
 */
export const FileId = Codec.struct({ persistent: Codec.u64, volatile: Codec.u64 })
export type FileId = Codec.Type<typeof FileId>

/** All ones: "the file that this compound's CREATE opened", or no file at all for an FSCTL that needs none. */
export const anyFileId: FileId = { persistent: 0xffff_ffff_ffff_ffffn, volatile: 0xffff_ffff_ffff_ffffn }

/** A 16-byte GUID or key as it stands on the wire, as a view of the buffer that is read. */
export const bytes16 = Codec.fixedBytes(16)

/** A codec that depends on what stands ahead; `peek` must leave the reader where it was. */
export const choose = <A>(
  minimumSize: number,
  peek: (reader: Reader) => Codec.Codec<A>,
  of: (value: A) => Codec.Codec<A>
): Codec.Codec<A> => Codec.make(minimumSize, (r) => peek(r).read(r), (w, value) => of(value).write(w, value))

/** The `u16` that stands `ahead` bytes after the reader's place, without moving. */
export const peekU16 = (reader: Reader, ahead: number): number => {
  if (reader.remaining < ahead + 2) reader.fail(`${ahead + 2} more bytes, not ${reader.remaining}`)
  return reader.view.getUint16(reader.offset + ahead, true)
}

/** The `u32` that stands `ahead` bytes after the reader's place, without moving. */
export const peekU32 = (reader: Reader, ahead: number): number => {
  if (reader.remaining < ahead + 4) reader.fail(`${ahead + 4} more bytes, not ${reader.remaining}`)
  return reader.view.getUint32(reader.offset + ahead, true)
}

// -----------------------------------------------------------------------------
// lists of typed contexts
// -----------------------------------------------------------------------------

type ContextTable = Record<string, { readonly type: number; readonly data: Codec.Codec<any> }>

/** A context that this package has no definition of, kept as it came. */
export interface UnknownContext {
  readonly _tag: "Unknown"
  readonly contextType: number
  readonly data: Uint8Array
}

/** The contexts of a table, tagged with the document's names, and the unknown ones. */
export type ContextOf<T extends ContextTable> =
  | { readonly [K in keyof T]: { readonly _tag: K } & Codec.Type<T[K]["data"]> }[keyof T]
  | UnknownContext

/**
 * One negotiate context or tree connect context (MS-SMB2 2.2.3.1, 2.2.9.2): ContextType, DataLength, Reserved, Data.
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
