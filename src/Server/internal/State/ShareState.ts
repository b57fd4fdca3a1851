/** A share: its settings, its store, and the opens of the store's files by this share and by others. */
import type { ShareStore, StoreVolume } from "../../ShareStore.ts"
import type { FileTable } from "./FileTable.ts"
import type { ShareOptions } from "./ShareOptions.ts"

/**
 * @category models
 */
export class ShareState {
  readonly name: string
  readonly options: ShareOptions
  readonly store: ShareStore
  /** The volume when the server started; its sizes are read again when they are needed. */
  readonly volume: StoreVolume
  /** Shared by all shares whose stores have the same files. */
  readonly table: FileTable

  constructor(name: string, options: ShareOptions, volume: StoreVolume, table: FileTable) {
    this.name = name
    this.options = options
    this.store = options.store
    this.volume = volume
    this.table = table
  }

  get readOnly(): boolean {
    return this.options.readOnly === true || this.volume.readOnly
  }
}
