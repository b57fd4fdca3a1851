/**
 * Long names that the server has seen together with their short names (8.3). A short name that is known here is found
 * without a look at its directory.
 *
 * For some seconds after a long name is gone, a new file with its short name gets the long name (the tunnel cache of
 * MS-FSA 2.1.10): programs that know only short names save a file by removing it and making it again.
 */
import * as ShortName from "../../../Codec/ShortName.ts"
import type { StorePath } from "../../ShareStore.ts"
import * as StoreNames from "../../Store/internal/StoreNames.ts"

/** Most names that are kept. */
const most = 4096

/** Milliseconds for which a name that is gone gives its name to a new file (TunnelCacheEntry, MS-FSA 2.1.1.13). */
const tunnelTime = 15_000

interface Known {
  /** Undefined if two names were seen with the short name: then only the directory says which of them exist. */
  readonly name: string | undefined
  /** When the name was removed or changed, in milliseconds; undefined if it was not. */
  readonly gone: number | undefined
}

const keyOf = (directory: StorePath, short: string): string =>
  `${directory.map(StoreNames.fold).join("\\")}\\${short.toUpperCase()}`

/**
 * The long names that are known for the files of one store.
 *
 * @category models
 */
export class KnownShortNames {
  /** The longest unused first. */
  readonly #names = new Map<string, Known>()
  readonly #now: () => number

  /** `now` gives milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Remembers a name, if it has a generated short name. */
  learn(path: StorePath): void {
    this.#put(path, undefined)
  }

  /** A name was removed or changed. */
  forget(path: StorePath): void {
    this.#put(path, this.#now())
  }

  /** The name that had this short name when the server last saw it. The caller checks whether it still exists. */
  find(directory: StorePath, short: string): string | undefined {
    return this.#names.get(keyOf(directory, short))?.name
  }

  /** The name that a new file with this short name gets: that of a file which was there a moment ago. */
  tunnel(directory: StorePath, short: string): string | undefined {
    const known = this.#names.get(keyOf(directory, short))
    return known?.gone !== undefined && this.#now() - known.gone <= tunnelTime ? known.name : undefined
  }

  #put(path: StorePath, gone: number | undefined): void {
    const name = path.at(-1)
    const short = name === undefined ? "" : ShortName.generate(name)
    if (short === "") return
    const key = keyOf(path.slice(0, -1), short)
    const known = this.#names.get(key)
    const isOther = known !== undefined && known.gone === undefined &&
      (known.name === undefined || StoreNames.fold(known.name) !== StoreNames.fold(name!))
    this.#names.delete(key)
    this.#names.set(key, isOther ? { name: undefined, gone: undefined } : { name, gone })
    if (this.#names.size > most) this.#names.delete(this.#names.keys().next().value!)
  }
}
