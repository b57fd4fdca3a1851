/** Compares a found file with the file at its target: by the rules, and by a checksum if they ask for one. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { createHash } from "node:crypto"
import { SmbClient } from "../../Client/SmbClient.ts"
import type * as UncPath from "../../Client/UncPath.ts"
import * as FileTime from "../../Codec/FileTime.ts"
import type { EntryError, SkipReason } from "../TransferEvent.ts"
import * as Choice from "./Choice.ts"
import type { Options } from "./Options.ts"

/** The size of a buffer for reading a local file, in bytes. */
const bufferSize = 1024 * 1024

/** A time of a local file in ticks of 100 ns since 1601. */
export const ticksOf = (date: Date): bigint => FileTime.fromMillis(date.getTime())

/** What is compared of a local file. */
export const localFacts = ({ mtime, size }: FileSystem.File.Info): Choice.Facts => ({
  size,
  lastWriteTime: Option.getOrUndefined(Option.map(mtime, ticksOf))
})

/** What is compared of a file on a server. */
export const remoteFacts = (
  { lastWriteTime, size }: { readonly lastWriteTime: bigint; readonly size: bigint }
): Choice.Facts => ({ size, lastWriteTime: FileTime.isTime(lastWriteTime) ? lastWriteTime : undefined })

/** The SHA-256 of a local file. */
export const localHash = (path: string) =>
  Effect.scoped(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const file = yield* fs.open(path)
    const hash = createHash("sha256")
    const buffer = new Uint8Array(bufferSize)
    for (;;) {
      const count = yield* file.read(buffer)
      if (count === 0) return hash.digest("hex")
      hash.update(buffer.subarray(0, count))
    }
  }))

/** The SHA-256 of a file on a server. */
export const remoteHash = Effect.fnUntraced(function*(path: UncPath.PathInput) {
  const smb = yield* SmbClient
  const hash = createHash("sha256")
  yield* smb.readTo(path, (chunk) => Effect.sync(() => void hash.update(chunk)))
  return hash.digest("hex")
})

/** What a comparison needs: only that of checksums asks both sides. */
type Services = SmbClient | FileSystem.FileSystem

const decide = (
  source: Choice.Facts,
  target: Choice.Facts | undefined,
  { rules }: Pick<Options, "rules">,
  hashes: () => ReadonlyArray<Effect.Effect<string, EntryError, Services>>
): Effect.Effect<SkipReason | "copy", EntryError, Services> => {
  const choice = Choice.choose(source, target, rules)
  return choice === "checksum"
    ? Effect.map(Effect.all(hashes(), { concurrency: 2 }), ([one, other]) => one === other ? "Same" : "copy")
    : Effect.succeed(choice)
}

/** A file on a server, and the local place that it would be copied to. */
export const local = Effect.fnUntraced(function*(
  entry: { readonly path: string; readonly lastWriteTime: bigint; readonly size: bigint },
  target: string,
  options: Pick<Options, "rules">
) {
  // All files are copied, so the local one does not matter.
  if (options.rules.existing === "replace") return "copy" as const
  const fs = yield* FileSystem.FileSystem
  const found = yield* fs.stat(target).pipe(
    Effect.map((info) => info.type === "File" ? localFacts(info) : undefined),
    Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.succeed(undefined))
  )
  return yield* decide(remoteFacts(entry), found, options, () => [remoteHash(entry.path), localHash(target)])
})

/** A local file, and the file on a server that it would replace. */
export const remote = (
  source: { readonly path: string; readonly facts: Choice.Facts },
  target: { readonly path: string; readonly facts: Choice.Facts } | undefined,
  options: Pick<Options, "rules">
) => decide(source.facts, target?.facts, options, () => [localHash(source.path), remoteHash(target!.path)])

/** Two files on servers. */
export const between = (
  source: { readonly path: string; readonly facts: Choice.Facts },
  target: { readonly path: string; readonly facts: Choice.Facts } | undefined,
  options: Pick<Options, "rules">
) => decide(source.facts, target?.facts, options, () => [remoteHash(source.path), remoteHash(target!.path)])
