/**
 * The object ids of the files on one file system: no two files have the same one (MS-FSA 2.1.1.3).
 *
 * A folder has one small file for each id: its name is the id, and its content is the key of the record that has the id.
 * So one look tells whether an id is taken, with any number of files and without a read of all records at the start. The
 * record itself decides: such a file counts only while the record that it names has the id. So a crash between the two
 * writes, or the loss of a record, leaves nothing that has to be repaired.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { KeyedLocks } from "./KeyedLocks.ts"
import * as Local from "./Local.ts"

/** The id in a FILE_OBJECTID_BUFFER: its first 16 bytes (MS-FSCC 2.1.3), as hexadecimal text. */
export const idOf = (buffer: Uint8Array): string =>
  Buffer.from(buffer.buffer, buffer.byteOffset, Math.min(buffer.length, 16)).toString("hex")

/** @category models */
export class ObjectIds {
  readonly #folder: string
  readonly #ofKey: (key: string) => Promise<string | undefined>
  readonly #locks = new KeyedLocks()

  /** `ofKey` gives the id that the record of a key has. */
  constructor(folder: string, ofKey: (key: string) => Promise<string | undefined>) {
    this.#folder = folder
    this.#ofKey = ofKey
  }

  /** Runs `write`, which gives the record of `key` the id. Refuses with `Exists` if another record has it. */
  take(id: string, key: string, write: () => Promise<void>): Promise<void> {
    return this.#locks.run(id, async () => {
      const holder = await this.#holder(id)
      if (holder !== undefined && holder !== key && await this.#ofKey(holder) === id) Local.refuse("Exists")
      if (holder !== key) {
        await Local.makeFolder(this.#folder)
        await Fs.promises.writeFile(this.#place(id), key, { mode: 0o600 })
      }
      await write()
    })
  }

  /** Forgets the id of a record that no longer has it. */
  leave(id: string, key: string): Promise<void> {
    return this.#locks.run(id, async () => {
      if (await this.#holder(id) === key && await this.#ofKey(key) !== id) {
        await Fs.promises.rm(this.#place(id), { force: true })
      }
    })
  }

  /** What has to survive a crash so that the id stays taken. */
  places(id: string): ReadonlyArray<string> {
    return [this.#place(id), this.#folder]
  }

  #holder(id: string): Promise<string | undefined> {
    return Local.orMissing(Fs.promises.readFile(this.#place(id), "utf8"))
  }

  #place(id: string): string {
    return Path.join(this.#folder, id)
  }
}
