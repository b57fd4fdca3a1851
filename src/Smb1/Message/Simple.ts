/**
 * The small commands (MS-CIFS 2.2.4): CLOSE, FLUSH, ECHO, LOCKING_ANDX, and those with a path. Their responses are
 * `Block.Empty` if none is defined here.
 */
import * as Codec from "../../Codec/Codec.ts"
import { andX, either, message, noBytes, text } from "./Block.ts"

/**
 * CLOSE (2.2.4.5). `lastTimeModified` in seconds since 1970; with all ones the server sets the time.
 *
 * @category models
 * @since 0.1.0
 */
export const Close = message([3], Codec.struct({ fid: Codec.u16, lastTimeModified: Codec.u32 }), noBytes)

/**
 * FLUSH (2.2.4.6).
 *
 * @category models
 * @since 0.1.0
 */
export const Flush = message([1], Codec.struct({ fid: Codec.u16 }), noBytes)

/**
 * ECHO, both ways (2.2.4.39): the number of responses, or the index of this response, and the data to return.
 *
 * @category models
 * @since 0.1.0
 */
export const Echo = message([1], Codec.struct({ echoCount: Codec.u16 }), Codec.struct({ data: Codec.bytes }))

/**
 * FIND_CLOSE2 (2.2.4.48): ends a search.
 *
 * @category models
 * @since 0.1.0
 */
export const FindClose2 = message([1], Codec.struct({ searchHandle: Codec.u16 }), noBytes)

const path = (unicode: boolean) => ({
  bufferFormat: Codec.constant(Codec.u8, 4),
  fileName: text(unicode)
})

/**
 * DELETE (2.2.4.7): all files that a name with wildcards matches.
 *
 * @category models
 * @since 0.1.0
 */
export const Delete = either((unicode) =>
  message([1], Codec.struct({ searchAttributes: Codec.u16 }), Codec.struct(path(unicode)))
)

/**
 * RENAME (2.2.4.8). Fails if the new name exists.
 *
 * @category models
 * @since 0.1.0
 */
export const Rename = either((unicode) =>
  message(
    [1],
    Codec.struct({ searchAttributes: Codec.u16 }),
    Codec.struct({
      bufferFormat1: Codec.constant(Codec.u8, 4),
      oldFileName: text(unicode),
      bufferFormat2: Codec.constant(Codec.u8, 4),
      newFileName: text(unicode)
    })
  )
)

/**
 * NT_RENAME (2.2.4.66). With SMB_NT_RENAME_SET_LINK_INFO it gives a file one more name.
 *
 * @category models
 * @since 0.1.0
 */
export const NtRename = either((unicode) =>
  message(
    [4],
    Codec.struct({
      searchAttributes: Codec.u16,
      informationLevel: Codec.u16,
      reserved: Codec.reserved(Codec.u32)
    }),
    Codec.struct({
      bufferFormat1: Codec.constant(Codec.u8, 4),
      oldFileName: text(unicode),
      bufferFormat2: Codec.constant(Codec.u8, 4),
      newFileName: text(unicode)
    })
  )
)

/**
 * CREATE_DIRECTORY and DELETE_DIRECTORY (2.2.4.1, 2.2.4.2).
 *
 * @category models
 * @since 0.1.0
 */
export const DirectoryName = either((unicode) => message([0], Codec.struct({}), Codec.struct(path(unicode))))

/**
 * A range of LOCKING_ANDX with 64 bits (2.2.4.32.1): bytes from the file's start.
 *
 * @category models
 * @since 0.1.0
 */
export const LockingRange64 = Codec.map(
  Codec.struct({
    pid: Codec.u16,
    pad: Codec.reserved(Codec.u16),
    byteOffsetHigh: Codec.u32,
    byteOffsetLow: Codec.u32,
    lengthInBytesHigh: Codec.u32,
    lengthInBytesLow: Codec.u32
  }),
  (range) => ({
    pid: range.pid,
    offset: (BigInt(range.byteOffsetHigh) << 32n) | BigInt(range.byteOffsetLow),
    length: (BigInt(range.lengthInBytesHigh) << 32n) | BigInt(range.lengthInBytesLow)
  }),
  ({ length, offset, pid }) => ({
    pid,
    byteOffsetHigh: Number(offset >> 32n),
    byteOffsetLow: Number(offset & 0xffff_ffffn),
    lengthInBytesHigh: Number(length >> 32n),
    lengthInBytesLow: Number(length & 0xffff_ffffn)
  })
)
export type LockingRange64 = Codec.Type<typeof LockingRange64>

const LockingWords = Codec.struct({
  andX,
  fid: Codec.u16,
  /** SHARED_LOCK, OPLOCK_RELEASE, CANCEL_LOCK, LARGE_FILES. */
  typeOfLock: Codec.u8,
  newOpLockLevel: Codec.u8,
  /** Milliseconds; 0 fails at once, all ones waits forever. */
  timeout: Codec.u32,
  numberOfRequestedUnlocks: Codec.u16,
  numberOfRequestedLocks: Codec.u16
})

/**
 * LOCKING_ANDX, as a request and as the server's oplock break.
 *
 * @since 0.1.0
 */
export interface Locking
  extends Omit<Codec.Type<typeof LockingWords>, "numberOfRequestedUnlocks" | "numberOfRequestedLocks">
{
  readonly unlocks: ReadonlyArray<LockingRange64>
  readonly locks: ReadonlyArray<LockingRange64>
}

/**
 * LOCKING_ANDX (2.2.4.32), with ranges of 64 bits.
 *
 * @category models
 * @since 0.1.0
 */
export const Locking: Codec.Codec<Locking> = Codec.make<Locking>(
  3 + 16,
  (r) => {
    const at = r.offset
    const count = r.u8()
    if (count !== 8) r.fail(`a WordCount of 8, not ${count}`, at)
    const { numberOfRequestedLocks, numberOfRequestedUnlocks, ...value } = LockingWords.read(r)
    const length = r.u16()
    const bytes = r.window(r.claim(length, "bytes of SMB_Data"), length)
    return {
      ...value,
      unlocks: Codec.readMany(bytes, LockingRange64, numberOfRequestedUnlocks),
      locks: Codec.readMany(bytes, LockingRange64, numberOfRequestedLocks)
    }
  },
  (w, value) => {
    w.u8(8)
    LockingWords.write(w, {
      ...value,
      numberOfRequestedUnlocks: value.unlocks.length,
      numberOfRequestedLocks: value.locks.length
    })
    w.u16((value.unlocks.length + value.locks.length) * 20)
    Codec.writeMany(w, LockingRange64, value.unlocks)
    Codec.writeMany(w, LockingRange64, value.locks)
  }
)
