/**
 * The volume that a file is on. A store can have parts with their own free space, serial numbers and rules, such as a
 * folder in which a disk is mounted. A client that asks about a volume is told about the one of its handle (MS-FSA
 * 2.1.5.13).
 */
import * as Effect from "effect/Effect"
import type { Guid } from "../../../Codec/Guid.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type { StoreFile, StorePath, StoreVolume } from "../../ShareStore.ts"
import type { Share } from "../State/Model.ts"
import { type Refusal, refuse, stored } from "../Wire/Reply.ts"

/** The sizes that volumes show: a client can write any number of bytes. */
export const bytesPerSector = 512
export const bytesPerCluster = 4096n

/** Whether files of a volume can have object ids: then the volume has one too. */
export const keepsObjectIds = ({ supports }: StoreVolume): boolean => supports.objectIds === true

/** The volume's own object id (VolumeId, MS-FSA 2.1.1.1), which the ids of its files name as the place of their birth. */
export const objectId = ({ serialNumber }: StoreVolume): Guid =>
  `${serialNumber.toString(16).padStart(8, "0")}-0000-0000-0000-000000000000`

/** The information about the volume that a file is on, as it is now. */
export const of = (share: Share, file: StoreFile): Effect.Effect<StoreVolume, Refusal> =>
  stored(file.volume ?? share.store.volume)

/**
 * Refuses more bytes than are free on a file's volume (MS-FSA 2.1.5.1, 2.1.5.15.1). `has` is the size that the file has
 * already.
 */
export const checkFreeSpace = (
  share: Share,
  file: StoreFile,
  allocationSize: bigint,
  has = 0n
): Effect.Effect<void, Refusal> =>
  allocationSize <= has
    ? Effect.void
    : Effect.flatMap(
      of(share, file),
      ({ free }) => allocationSize - has > free ? refuse(NtStatus.STATUS_DISK_FULL) : Effect.void
    )

/** As `checkFreeSpace`, for a file that is to be made in a directory. */
export const checkFreeSpaceIn = (
  share: Share,
  directory: StorePath,
  allocationSize: bigint
): Effect.Effect<void, Refusal> =>
  allocationSize === 0n ? Effect.void : Effect.scoped(
    Effect.flatMap(
      stored(share.store.open(directory, { mode: "existing", type: "directory" })),
      ({ file }) => checkFreeSpace(share, file, allocationSize)
    )
  )
