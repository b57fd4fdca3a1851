/** The files of a storm: as they begin, and as they are on the server's disk. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { State } from "./Check.ts"
import * as Content from "./Content.ts"
import { clients, names, ownBlocks, sharedBlocks } from "./Plan.ts"
import { prepare, type Target } from "./Target.ts"
import * as Workload from "./Workload.ts"

/** The name of a client's own file. */
export const own = (client: number): string => `own-${client}`

/** Bytes of the file that is renamed, and the number of its only write. */
const renamed = { id: 1, length: 3 * Content.block } as const

/** Writes the files that a storm begins with. Returns the bytes of each write by its number. */
export const begin = async (target: Target): Promise<Map<number, number>> => {
  const lengths = new Map<number, number>([[renamed.id, renamed.length], [2, sharedBlocks * Content.block]])
  await prepare(target, names[0], Content.make(renamed.id, renamed.length))
  await prepare(target, "blocks", Content.make(2, sharedBlocks * Content.block))
  await prepare(target, "counter", Workload.writeCounter(0))
  await prepare(target, "log", new Uint8Array(0))
  for (const [i, name] of ["whole", ...Array.from({ length: clients }, (_, i) => own(i))].entries()) {
    lengths.set(3 + i, Content.block)
    await prepare(target, name, Content.make(3 + i, Content.block))
  }
  return lengths
}

/** What the objects are on the disk. Nothing may be under way. */
export const look = (target: Target, lengths: ReadonlyMap<number, number>): ReadonlyMap<string, State> => {
  const at = (name: string) => join(target.folder, name)
  const read = (name: string): Uint8Array => (existsSync(at(name)) ? readFileSync(at(name)) : new Uint8Array(0))
  const found = names.filter((name) => existsSync(at(name))).map((name) =>
    Workload.wholeOf(read(name), lengths) === renamed.id ? name : `${name}, damaged`
  )
  const states: Array<readonly [string, State]> = [
    ["blocks", { _tag: "Blocks", values: Content.blocks(read("blocks"), 0, sharedBlocks) }],
    ["whole", { _tag: "Whole", value: Workload.wholeOf(read("whole"), lengths) }],
    ["log", { _tag: "Log", records: Content.records(read("log")) ?? [{ id: 0, whole: false }] }],
    ["counter", { _tag: "Counter", value: Workload.readCounter(read("counter")) ?? -1 }],
    ["name", { _tag: "Name", names: found }],
    ...Array.from({ length: clients }, (_, i): readonly [string, State] => [
      own(i),
      { _tag: "Blocks", values: Content.blocks(read(own(i)), 0, ownBlocks) }
    ])
  ]
  return new Map(states)
}
