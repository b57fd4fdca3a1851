/**
 * Which oplock or lease an open gets: a table with a row for each rule (MS-SMB2 3.3.5.9.8, 3.3.5.9.11; MS-FSA 2.1.5.18).
 * Pure: states in, a state out. An oplock has the state of its level: LEVEL_II is R, EXCLUSIVE is RW, BATCH is RWH.
 */
import { HANDLE, READ, WRITE } from "../State/OplocksAndLeases.ts"

/** The caching that a CREATE asks for. */
export interface Requested {
  readonly kind: "oplock" | "lease" | "lease of version 2"
  /** LeaseState bits. */
  readonly state: number
  readonly directory: boolean
}

/** The other opens of the stream: those that do not have the same lease. */
export interface Others {
  /** There is one. */
  readonly present: boolean
  /** One can use the data: it has more rights than those to attributes, or it has an oplock or a lease. */
  readonly useData: boolean
  readonly cacheWrites: boolean
  readonly haveOplock: boolean
  /** One has a lease with the right to cache handles. */
  readonly leaseHandles: boolean
  /** One, or this open itself, has a byte-range lock. */
  readonly lockRanges: boolean
}

interface Facts {
  readonly requested: Requested
  readonly others: Others
  readonly changesReported: boolean
}

/** A rule: if it applies, at most the state `allows` is granted. */
export interface Rule {
  readonly name: string
  readonly applies: (facts: Facts) => boolean
  readonly allows: number
}

const nothing = 0
const isOplock = ({ requested }: Facts): boolean => requested.kind === "oplock"

/** The rules. Their order does not matter. */
export const rules: ReadonlyArray<Rule> = [
  {
    name: "A directory is cached by a lease of version 2 alone (MS-SMB2 3.3.5.9.11)",
    applies: ({ requested }) => requested.directory && requested.kind !== "lease of version 2",
    allows: nothing
  },
  {
    name: "A directory has no data that could be written (MS-SMB2 3.3.5.9.11)",
    applies: ({ requested }) => requested.directory,
    allows: READ | HANDLE
  },
  {
    name: "Only one client caches writes, and only if no other client uses the data (MS-FSA 2.1.5.18.1)",
    applies: ({ others }) => others.useData,
    allows: READ | HANDLE
  },
  {
    name: "An oplock with another open next to it is LEVEL_II at most (MS-FSA 2.1.5.18.1)",
    applies: (facts) => isOplock(facts) && facts.others.present,
    allows: READ
  },
  {
    name: "While another client caches writes, its data is newer than the file's: nothing is cached",
    applies: ({ others }) => others.cacheWrites,
    allows: nothing
  },
  {
    name: "A lease next to an oplock does not cache handles: no open could ask the oplock's client to close its own",
    applies: (facts) => !isOplock(facts) && facts.others.haveOplock,
    allows: READ | WRITE
  },
  {
    name: "No oplock next to a lease that caches handles",
    applies: (facts) => isOplock(facts) && facts.others.leaseHandles,
    allows: nothing
  },
  {
    name: "Nothing is cached while a range is locked (MS-FSA 2.1.5.18)",
    applies: ({ others }) => others.lockRanges,
    allows: nothing
  },
  {
    name: "The store must report the changes of other programs, or the server could not break the caching",
    applies: ({ changesReported }) => !changesReported,
    allows: nothing
  }
]

/** The state that a request gets, as LeaseState bits. Without the right to cache reads there is no other right. */
export const grantable = (requested: Requested, others: Others, changesReported: boolean): number => {
  const facts = { requested, others, changesReported }
  let state = requested.state & (READ | WRITE | HANDLE)
  for (const { allows, applies } of rules) if (applies(facts)) state &= allows
  return (state & READ) === 0 ? 0 : state
}

/** Whether an existing lease gets a new state: a lease only grows, and only to all that the request asks for. */
export const grows = (present: number, { directory, state }: Requested, granted: number): boolean =>
  granted === (directory ? state & ~WRITE : state) && (granted & present) === present && granted !== present
