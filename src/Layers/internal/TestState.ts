/**
 * What all connections to one server of the test kit share.
 */
import type * as Message from "../../Smb2/Message/Message.ts"
import type { Logged, ServerOptions } from "../TestServer.ts"
import * as TestTree from "./TestTree.ts"

/** Only what a server does to its connections. */
interface Peer {
  readonly hangUp: (detail?: string) => void
  readonly notify: (response: Message.Response) => void
}

export interface State {
  readonly options: ServerOptions
  readonly shares: ReadonlyMap<string, TestTree.Node>
  /** How often each fault's request has come, by the fault's place. */
  readonly counts: Map<number, number>
  readonly peers: Set<Peer>
  readonly log: Array<Logged>
  down: boolean
}

export const make = (options: ServerOptions | "down", log: Array<Logged>, now: bigint): State => {
  const known = options === "down" ? {} : options
  return {
    options: known,
    shares: new Map(
      Object.entries(known.shares ?? {}).map(([name, files]) => [name.toLowerCase(), TestTree.plant(files, now)])
    ),
    counts: new Map(),
    peers: new Set(),
    log,
    down: options === "down"
  }
}
