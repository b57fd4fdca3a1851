/**
 * What all connections to one server of the test kit share.
 */
import { fold } from "../../Codec/UpCase.ts"
import type * as Message from "../../Smb2/Message/Message.ts"
import type { Logged, Received, ServerOptions } from "../TestServer.ts"
import * as TestReferrals from "./TestReferrals.ts"
import * as TestTree from "./TestTree.ts"

/** Only what a server does to its connections. */
interface Peer {
  readonly hangUp: (detail?: string) => void
  readonly notify: (response: Message.Response) => void
}

interface Exchanged {
  readonly received: Received
  /** The path of the request's tree, if it has one. */
  readonly tree: string | undefined
}

/** What the watcher is told: connections that begin and end, requests, and responses with their NTSTATUS. */
export type Seen =
  & { readonly server: string; readonly connection: number }
  & (
    | { readonly _tag: "Connect" }
    | { readonly _tag: "Request" } & Exchanged
    | { readonly _tag: "Answer"; readonly status: number } & Exchanged
    | { readonly _tag: "Close"; readonly by: "client" | "server" }
  )

export interface State {
  readonly options: ServerOptions
  readonly shares: ReadonlyMap<string, TestTree.Node>
  /** How often each fault's request has come, by the fault's index. */
  readonly counts: Map<number, number>
  readonly peers: Set<Peer>
  readonly log: Array<Logged>
  /** Undefined if the server has no DFS. */
  readonly referrals: TestReferrals.Referrals | undefined
  readonly watch: ((seen: Seen) => void) | undefined
  down: boolean
}

const referralsOf = ({ namespace, referrals }: ServerOptions): TestReferrals.Referrals | undefined => {
  if (namespace !== undefined) {
    return TestReferrals.fromNamespace(typeof namespace === "function" ? namespace : () => namespace)
  }
  return referrals === undefined ? undefined : TestReferrals.fromTable(referrals)
}

export const make = (
  options: ServerOptions | "down",
  log: Array<Logged>,
  now: bigint,
  watch?: (seen: Seen) => void
): State => {
  const known = options === "down" ? {} : options
  return {
    options: known,
    shares: new Map(
      Object.entries(known.shares ?? {}).map(([name, files]) => [fold(name), TestTree.plant(files, now)])
    ),
    counts: new Map(),
    peers: new Set(),
    log,
    referrals: referralsOf(known),
    watch,
    down: options === "down"
  }
}
