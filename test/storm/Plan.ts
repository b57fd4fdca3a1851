/**
 * What a storm does, drawn from its seed alone: for each round one fault, and the steps of each client. Pure.
 *
 * Each round has its own numbers, so that a round is the same in a storm of any length. What does not repeat is the
 * moment: which packets are on the way when a fault comes is up to the machine.
 */
import { random } from "../random.ts"

/** The client of a storm, and its server. */
export const pairings = ["client-smbd", "client-server", "smbclient-server", "kernel-server"] as const
export type Pairing = (typeof pairings)[number]

/** The line on which a fault comes, at one of its bytes. */
interface AtByte {
  readonly client: number
  readonly direction: "toServer" | "toClient"
  readonly after: number
}

/** One fault. Times in milliseconds. */
export type Fault =
  | AtByte & { readonly _tag: "Reset" }
  | AtByte & { readonly _tag: "Close" }
  | AtByte & { readonly _tag: "HalfClose" }
  | AtByte & { readonly _tag: "Stall"; readonly time: number; readonly thenCut: boolean }
  | AtByte & { readonly _tag: "Flip"; readonly bit: number }
  | { readonly _tag: "Delay"; readonly client: number; readonly delay: number; readonly time: number }
  /** The server is killed, and started again. */
  | { readonly _tag: "Kill"; readonly after: number }
  /** The server is reached at another address only. */
  | { readonly _tag: "Address"; readonly client: number; readonly after: number }
  | { readonly _tag: "FullDisk"; readonly after: number; readonly time: number }
  /** The next request of an unsigned session is answered: its session has expired. */
  | { readonly _tag: "ExpiredSession"; readonly client: number; readonly after: number }
  /** The password changes, and connections end. The clients learn the new one only after `late`. */
  | { readonly _tag: "Password"; readonly after: number; readonly late: number }
  /** The server grants no credits. */
  | { readonly _tag: "NoCredits"; readonly client: number; readonly after: number; readonly time: number }
  | { readonly _tag: "Clock"; readonly after: number; readonly jump: number }

/** The names of all faults. */
export const faultNames = [
  "Reset",
  "Close",
  "HalfClose",
  "Stall",
  "Flip",
  "Delay",
  "Kill",
  "Address",
  "FullDisk",
  "ExpiredSession",
  "Password",
  "NoCredits",
  "Clock"
] as const satisfies ReadonlyArray<Fault["_tag"]>

/** One step of a client. Blocks as in `Content`. */
export type Step =
  | { readonly _tag: "Put"; readonly count: number; readonly way: "writeFile" | "sink" | "writeFrom" }
  | { readonly _tag: "Get"; readonly way: "readFile" | "stream" | "readTo" }
  | { readonly _tag: "WriteBlocks"; readonly first: number; readonly count: number }
  | { readonly _tag: "ReadBlocks"; readonly first: number; readonly count: number }
  | { readonly _tag: "Replace"; readonly count: number }
  | { readonly _tag: "See" }
  | { readonly _tag: "Append" }
  | { readonly _tag: "ReadLog" }
  | { readonly _tag: "Increment"; readonly wait: boolean }
  | { readonly _tag: "Rename"; readonly to: number }

/** One round. */
export interface Round {
  readonly fault: Fault
  /** The steps of each client, one after the other. */
  readonly steps: ReadonlyArray<ReadonlyArray<Step>>
  /** The clients of the round before go on, with their connections. */
  readonly keeps: boolean
}

/** Clients of a pairing: one signs, one encrypts, and one does neither. */
export const clients = 3

/** The client that does not sign: nothing protects its packets, so that only it can be lied to, and no bit may flip. */
export const unsigned = 2

/** Blocks of a client's own file at most, blocks of the shared file, and names of the file that is renamed. */
export const ownBlocks = 512
export const sharedBlocks = 32
export const names = ["name-0", "name-1", "name-2"] as const

/** The faults of a pairing, the frequent ones several times. A kill takes as long as ten others. */
const faultsOf = (pairing: Pairing): ReadonlyArray<Fault["_tag"]> => {
  const all: ReadonlyArray<Fault["_tag"]> = [
    ...faultNames,
    "Reset",
    "Reset",
    "Reset",
    "Close",
    "HalfClose",
    "Stall",
    "Flip",
    "Flip"
  ]
  // The other programs always sign, and their clocks and addresses are not the storm's.
  return pairing.startsWith("client-")
    ? all
    : all.filter((name) => !["Address", "ExpiredSession", "NoCredits"].includes(name))
}

/** A number below `limit`, in which small ones are as frequent as large ones: faults come early and late. */
const spread = (draw: (limit: number) => number, limit: number): number =>
  draw(2 ** (1 + draw(Math.ceil(Math.log2(limit)))))

const fault = (
  draw: (limit: number) => number,
  pairing: Pairing,
  wanted: ReadonlyArray<Fault["_tag"]>
): Fault => {
  const kinds = faultsOf(pairing).filter((kind) => wanted.includes(kind))
  const tag = kinds[draw(kinds.length)]!
  const client = draw(clients)
  const after = draw(400)
  const atByte: AtByte = {
    client,
    direction: draw(2) === 0 ? "toServer" : "toClient",
    after: spread(draw, 1 << 20)
  }
  switch (tag) {
    case "Reset":
    case "Close":
    case "HalfClose":
      return { _tag: tag, ...atByte }
    case "Stall":
      return { _tag: tag, ...atByte, time: 100 + draw(1500), thenCut: draw(2) === 0 }
    case "Flip":
      return { _tag: tag, ...atByte, client: pairing.startsWith("client-") ? draw(unsigned) : client, bit: draw(8) }
    case "Delay":
      return { _tag: tag, client, delay: 5 + draw(200), time: 500 + draw(1000) }
    case "Kill":
      return { _tag: tag, after }
    case "Address":
      return { _tag: tag, client, after }
    case "FullDisk":
      return { _tag: tag, after, time: 200 + draw(800) }
    case "ExpiredSession":
      return { _tag: tag, client: unsigned, after }
    case "Password":
      return { _tag: tag, after, late: draw(2) * draw(500) }
    case "NoCredits":
      return { _tag: tag, client: unsigned, after, time: 200 + draw(1500) }
    case "Clock":
      return { _tag: tag, after, jump: (draw(2) === 0 ? -1 : 1) * spread(draw, 1 << 30) }
  }
}

const ways = { put: ["writeFile", "sink", "writeFrom"], get: ["readFile", "stream", "readTo"] } as const

const step = (draw: (limit: number) => number): Step => {
  const kind = draw(14)
  if (kind < 2) return { _tag: "Put", count: spread(draw, ownBlocks), way: ways.put[draw(3)]! }
  if (kind < 3) return { _tag: "Get", way: ways.get[draw(3)]! }
  const first = draw(sharedBlocks)
  if (kind < 5) return { _tag: "WriteBlocks", first, count: 1 + draw(Math.min(6, sharedBlocks - first)) }
  if (kind < 6) return { _tag: "ReadBlocks", first, count: 1 + draw(sharedBlocks - first) }
  if (kind < 7) return { _tag: "Replace", count: 1 + draw(40) }
  if (kind < 8) return { _tag: "See" }
  if (kind < 10) return { _tag: "Append" }
  if (kind < 11) return { _tag: "ReadLog" }
  if (kind < 13) return { _tag: "Increment", wait: draw(2) === 0 }
  return { _tag: "Rename", to: draw(names.length) }
}

/** The steps that smbclient and a mounted share can do. */
const plain = (draw: (limit: number) => number): Step =>
  draw(3) === 0
    ? { _tag: "Get", way: "readFile" }
    : draw(4) === 0
    ? { _tag: "Rename", to: draw(names.length) }
    : { _tag: "Put", count: spread(draw, ownBlocks), way: "writeFile" }

/** Neighbouring seeds would begin alike. */
const seedOf = (seed: number, pairing: Pairing, number: number): number => {
  let word = Math.imul(seed + 1, 0x9e37_79b1) ^ Math.imul(pairings.indexOf(pairing) + 1, 0x85eb_ca6b) ^
    Math.imul(number + 1, 0xc2b2_ae35)
  word ^= word >>> 15
  word = Math.imul(word, 0x2c1b_3c6d)
  return word ^ word >>> 12
}

/** Whether a pairing has one of these faults. */
export const has = (pairing: Pairing, wanted: ReadonlyArray<Fault["_tag"]>): boolean =>
  faultsOf(pairing).some((kind) => wanted.includes(kind))

/** Round `number` of a pairing. `wanted` are the faults that it can have, by default all of the pairing. */
export const round = (
  seed: number,
  pairing: Pairing,
  number: number,
  wanted: ReadonlyArray<Fault["_tag"]> = faultNames
): Round => {
  const draw = random(seedOf(seed, pairing, number))
  for (let i = 0; i < 8; i++) draw(2)
  const ours = pairing.startsWith("client-")
  return {
    fault: fault(draw, pairing, wanted),
    steps: Array.from(
      { length: clients },
      () => Array.from({ length: ours ? 3 + draw(5) : 2 + draw(2) }, () => ours ? step(draw) : plain(draw))
    ),
    keeps: draw(2) === 0
  }
}
