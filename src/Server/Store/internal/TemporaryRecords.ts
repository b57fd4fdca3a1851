/**
 * Records of files whose numbers do not last: attributes and times while the process runs, and no data that must not be
 * lost.
 */
import { KeyedLocks } from "./KeyedLocks.ts"
import * as Local from "./Local.ts"
import { empty, isEmpty } from "./SidecarRecord.ts"
import type { FileRecord, Records } from "./SidecarRecord.ts"

/** Most files with a record; with more, the oldest record is forgotten. */
const most = 65_536

const unsupported = () => Local.refuse("Unsupported")

/** @category models */
export class TemporaryRecords implements Records {
  readonly #records = new Map<string, FileRecord>()
  readonly #locks = new KeyedLocks()

  has(key: string): boolean {
    return this.#records.has(key)
  }

  get(key: string): Promise<FileRecord> {
    return Promise.resolve(this.#records.get(key) ?? empty)
  }

  update(key: string, change: (record: FileRecord) => FileRecord | Promise<FileRecord>): Promise<void> {
    return this.#locks.run(key, async () => {
      const after = await change(this.#records.get(key) ?? empty)
      if (after.blobs !== undefined || after.streams !== undefined) unsupported()
      this.#records.delete(key)
      if (isEmpty(after)) return
      this.#records.set(key, after)
      if (this.#records.size > most) this.#records.delete(this.#records.keys().next().value!)
    })
  }

  setObjectId(): Promise<never> {
    return Promise.resolve().then(unsupported)
  }

  drop(key: string): Promise<void> {
    this.#records.delete(key)
    return Promise.resolve()
  }

  flush(): Promise<void> {
    return Promise.resolve()
  }

  stream(): string {
    return unsupported()
  }

  descriptor(): never {
    return unsupported()
  }

  openStream(): Promise<never> {
    return Promise.resolve().then(unsupported)
  }

  removeStream(): Promise<never> {
    return Promise.resolve().then(unsupported)
  }
}
