/** Large files, trees and changes: each as a stream, with constant memory. */
import { Console, Effect, FileSystem, Stream } from "effect"
import { type ClientError, type Entry, FileTime, SmbClient } from "effect-smb"

/** Goes on at the end of an earlier download. */
export const download = Effect.fn("download")(function*(path: string, to: string) {
  const smb = yield* SmbClient.SmbClient
  const fs = yield* FileSystem.FileSystem
  const offset = (yield* fs.exists(to)) ? (yield* fs.stat(to)).size : 0n
  yield* smb.stream(path, { offset }).pipe(Stream.run(fs.sink(to, { flag: "a" })))
})

export const upload = Effect.fn("upload")(function*(from: string, path: string) {
  const smb = yield* SmbClient.SmbClient
  const fs = yield* FileSystem.FileSystem
  return yield* fs.stream(from).pipe(Stream.run(smb.sink(path))) // the count of bytes
})

/** Each file of a tree that is larger than `size` bytes. */
export const large = (path: string, size: bigint): Stream.Stream<Entry, ClientError, SmbClient.SmbClient> =>
  Stream.unwrap(Effect.map(
    SmbClient.SmbClient,
    (smb) => smb.walk(path).pipe(Stream.filter((entry) => entry.type === "file" && entry.size > size))
  ))

export const printInbox = Effect.gen(function*() {
  const smb = yield* SmbClient.SmbClient
  yield* smb.list("//nas/inbox").pipe(
    Stream.runForEach((entry) => Console.log(entry.name, FileTime.toDate(entry.lastWriteTime)))
  )
  yield* smb.watch("//nas/inbox", { recursive: true }).pipe(
    Stream.runForEach((change) =>
      change._tag === "Overflow"
        ? Console.log("more has changed than the server could note: list it again")
        : Console.log(change.action, change.path)
    )
  )
})
