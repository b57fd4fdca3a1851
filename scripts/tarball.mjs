/**
 * Orders the files of a tarball by their paths. npm orders them by the ends of their names and then by the names, so
 * that modules of one room are far apart. gzip finds repetitions only in the last 32 KiB: with the modules of a room
 * next to each other the tarball is 3 % smaller.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { gunzipSync, gzipSync } from "node:zlib"

const block = 512

const text = (header, from, to) => header.toString("utf8", from, to).replace(/\0.*/s, "")

/** The entries of a tar archive (POSIX ustar), each with its path and with the blocks of its header and its content. */
const entriesOf = (tar) => {
  const entries = []
  let begin = 0
  for (let at = 0; at < tar.length && tar[at] !== 0;) {
    const header = tar.subarray(at, at + block)
    at += block + Math.ceil(Number.parseInt(text(header, 124, 136), 8) / block) * block
    // An extended header belongs to the entry that follows.
    if (text(header, 156, 157) === "x") continue
    entries.push({ path: `${text(header, 345, 500)}/${text(header, 0, 100)}`, blocks: tar.subarray(begin, at) })
    begin = at
  }
  return { entries, end: tar.subarray(begin) }
}

export const order = (path) => {
  const { end, entries } = entriesOf(gunzipSync(readFileSync(path)))
  const ordered = entries.toSorted((one, other) => one.path < other.path ? -1 : 1)
  writeFileSync(path, gzipSync(Buffer.concat([...ordered.map(({ blocks }) => blocks), end]), { level: 9 }))
}
