/**
 * A share: how it is offered, its store, and what is open of the store's files by this share and by others.
 */
import type { ShareStore, StoreVolume } from "../../ShareStore.ts"
import type { ShareOptions } from "../../SmbServer.ts"
import type { FileTable } from "./FileTable.ts"

/**
 * @category models
 */
export class ShareState {
  readonly name: string
  readonly options: ShareOptions
  readonly store: ShareStore
  /** As it was when the server started; sizes are asked again. */
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
