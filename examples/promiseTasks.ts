/** The code of docs/coming-from and docs/tasks for programs without Effect. */
import { connect } from "effect-smb/promise"
import { createReadStream, createWriteStream } from "node:fs"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"

/** A text. */
export const read = async () => {
  await using smb = await connect({ user: "joe", password: "secret" })
  return await smb.readFileString("//nas/media/readme.txt")
}

/** Copies one file from a server, and one to a server. */
export const copy = async () => {
  await using smb = await connect({ user: "joe", password: "secret" })
  await pipeline(Readable.fromWeb(smb.readStream("//nas/media/film.mkv")), createWriteStream("film.mkv"))
  await smb.sink("//nas/inbox/notes.txt", createReadStream("notes.txt"))
}
