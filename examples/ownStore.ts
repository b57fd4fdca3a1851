/** A custom store: named texts, read-only. It refuses everything else, and the server does the rest. */
import { Effect, Stream } from "effect"
import { FileTime, ShareStore } from "effect-smb"

const fail = (reason: ShareStore.StoreReason["_tag"]) => Effect.fail(ShareStore.storeError(reason))
const refused = fail("ReadOnly")
const begin = FileTime.fromMillis(Date.now())

const node = (name: string, id: bigint, bytes: Uint8Array | undefined): ShareStore.StoreNode => ({
  name,
  id,
  identity: String(id),
  type: bytes === undefined ? "directory" : "file",
  size: BigInt(bytes?.length ?? 0),
  allocationSize: BigInt(bytes?.length ?? 0),
  creationTime: begin,
  lastAccessTime: begin,
  lastWriteTime: begin,
  changeTime: begin,
  fileAttributes: bytes === undefined ? 0x10 : 0x80, // FILE_ATTRIBUTE_DIRECTORY, _NORMAL (MS-FSCC 2.6)
  numberOfLinks: 1,
  reparseTag: 0
})

export const texts = (content: Readonly<Record<string, string>>): ShareStore.ShareStore => {
  const files = Object.entries(content).map(([name, text], index) => {
    const bytes = new TextEncoder().encode(text)
    return { bytes, node: node(name, BigInt(index + 2), bytes) }
  })
  const root: (typeof files)[number] = { bytes: new Uint8Array(0), node: node("", 1n, undefined) }

  const find = ([name, ...more]: ShareStore.StorePath) => {
    if (name === undefined) return Effect.succeed(root)
    const found = files.find(({ node }) => node.name.toLowerCase() === name.toLowerCase())
    if (more.length > 0) return fail("PathNotFound")
    return found === undefined ? fail("NotFound") : Effect.succeed(found)
  }

  return {
    volume: Effect.succeed({
      label: "Texts",
      serialNumber: 1,
      creationTime: begin,
      total: 0n,
      free: 0n,
      maximumComponentLength: 255,
      supports: {
        streams: false,
        securityDescriptors: false,
        extendedAttributes: false,
        reparsePoints: false,
        sparse: false
      },
      readOnly: true
    }),
    stat: (path) => Effect.map(find(path), ({ node }) => node),
    list: (path) =>
      path.length > 0 ? Stream.fromEffect(fail("NotDirectory")) : Stream.fromIterable(files.map(({ node }) => node)),
    open: (path, { mode, stream }) =>
      Effect.gen(function*() {
        if (stream !== undefined) return yield* fail("Unsupported")
        const { bytes, node } = yield* mode === "existing" ? find(path) : Effect.catch(find(path), () => refused)
        if (mode === "new") return yield* fail("Exists")
        const file: ShareStore.StoreFile = {
          id: node.id,
          stat: Effect.succeed(node),
          read: (offset, length) => Effect.succeed(bytes.slice(Number(offset), Number(offset) + length)),
          write: () => refused,
          truncate: () => refused,
          flush: Effect.void,
          set: () => refused,
          getBlob: () => Effect.succeed(undefined),
          setBlob: () => fail("Unsupported"),
          streams: Effect.succeed([]),
          zero: () => refused,
          allocated: (range) => Effect.succeed([range])
        }
        return { file, created: false, node }
      }),
    remove: () => refused,
    rename: () => refused
  }
}
