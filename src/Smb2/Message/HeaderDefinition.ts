/**
 * SMB2 Packet Header (MS-SMB2 2.2.1) as in the document's tables: tests compare the connection's hand-written header
 * with this definition. It is not on the hot path.
 */
import * as Codec from "../../Codec/Codec.ts"
import { bytes16, peekU32 } from "./Common.ts"
import { HeaderFlags } from "./Constants.ts"

const start = {
  /** 0xFE, 'S', 'M', 'B'. */
  protocolId: Codec.constant(Codec.u32, 0x424d_53fe),
  structureSize: Codec.constant(Codec.u16, 64),
  creditCharge: Codec.u16,
  /** In an SMB 3 request: ChannelSequence and 16 reserved bits. */
  status: Codec.u32,
  command: Codec.u16,
  /** CreditRequest or CreditResponse. */
  credits: Codec.u16,
  flags: Codec.u32,
  /** Bytes from this header to the next of a compound; 0 in the last. */
  nextCommand: Codec.u32,
  messageId: Codec.u64
}

const SyncHeader = Codec.struct({
  ...start,
  reserved: Codec.u32,
  treeId: Codec.u32,
  sessionId: Codec.u64,
  signature: bytes16
})

const AsyncHeader = Codec.struct({ ...start, asyncId: Codec.u64, sessionId: Codec.u64, signature: bytes16 })

/**
 * A header: async (2.2.1.1) if `flags` has SMB2_FLAGS_ASYNC_COMMAND, otherwise sync (2.2.1.2). `reserved` is kept,
 * because clients that follow an older version of the document put their process identifier there.
 *
 * @category models
 * @since 0.1.0
 */
export type HeaderDefinition =
  | { readonly _tag: "SyncHeader" } & Codec.Type<typeof SyncHeader>
  | { readonly _tag: "AsyncHeader" } & Codec.Type<typeof AsyncHeader>

export const HeaderDefinition: Codec.Codec<HeaderDefinition> = Codec.make<HeaderDefinition>(
  64,
  (r) =>
    (peekU32(r, 16) & HeaderFlags.SMB2_FLAGS_ASYNC_COMMAND) !== 0
      ? { _tag: "AsyncHeader", ...AsyncHeader.read(r) }
      : { _tag: "SyncHeader", ...SyncHeader.read(r) },
  (w, value) => value._tag === "AsyncHeader" ? AsyncHeader.write(w, value) : SyncHeader.write(w, value)
)
