/**
 * All operations of the client that change something, for tests that need them all, and the operations that change
 * nothing, so that a test fails if a new operation is in neither list.
 */
import { Effect, Stream } from "effect"
import { OpenMode, type SmbClient, type SmbFile, type TestTransport } from "effect-smb"
import { RemovalError } from "../../src/Client/RemovalError.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import type { SecurityDescriptor } from "../../src/Codec/SecurityDescriptor.ts"
import { Control } from "../../src/Codec/SecurityDescriptor.ts"
import { FileAttributes, InfoType } from "../../src/Smb2/Message/Constants.ts"
import * as Fsctl from "../../src/Smb2/Message/Fsctl.ts"

/** Operations that change nothing, and operations that only lead to others. */
export const others: ReadonlySet<string> = new Set([
  ...[
    "withShare",
    "connect",
    "logOn",
    "withLocator",
    "negotiate",
    "withNames",
    "confinedTo",
    "readFile",
    "readFileString",
    "stream",
    "readTo",
    "openToRead",
    "stat"
  ],
  ...[
    "exists",
    "list",
    "walk",
    "watch",
    "security.get",
    "security.permissions",
    "namedStreams",
    "readLink",
    "removable",
    "previousVersions",
    "shares",
    "lookupSids",
    "lookupNames",
    "lookupDomains",
    "openFiles",
    "sessions",
    "retryLogons"
  ]
])

/** The content of `data` on the servers of these tests. */
export const files = (): TestTransport.Files => ({
  "f.txt": "text",
  "g.txt": "other",
  "big.bin": new Uint8Array(200_000).fill(7),
  empty: {},
  tree: { "a.txt": "A", sub: { "b.txt": "B" } }
})

type Fault = TestTransport.Fault

/** Responses to controls that the servers in memory do not support. */
const controls: Fault = {
  on: "IOCTL",
  when: ({ request }) => request._tag === "IOCTL" && request.body.ctlCode !== Fsctl.Fsctl.FSCTL_VALIDATE_NEGOTIATE_INFO,
  is: ({ request }) => {
    if (request._tag !== "IOCTL") return {}
    const { ctlCode, fileId, input } = request.body
    const answer = (output: Uint8Array): TestTransport.Answer => ({
      response: { _tag: "IOCTL", body: { ctlCode, fileId, flags: 0, input: new Uint8Array(0), output } }
    })
    switch (ctlCode) {
      case Fsctl.Fsctl.FSCTL_SRV_REQUEST_RESUME_KEY:
        return answer(new Uint8Array(32))
      case Fsctl.Fsctl.FSCTL_SRV_COPYCHUNK_WRITE: {
        const asked = Codec.decode("SRV_COPYCHUNK_COPY", Fsctl.SrvCopychunkCopy)(input)
        const chunks = asked._tag === "Success" ? asked.success.chunks : []
        return answer(
          Codec.encode(Fsctl.SrvCopychunkResponse)({
            chunksWritten: chunks.length,
            chunkBytesWritten: 0,
            totalBytesWritten: chunks.reduce((sum, { length }) => sum + length, 0)
          })
        )
      }
      default:
        return answer(new Uint8Array(0))
    }
  }
}

const descriptors: Fault = {
  on: "SET_INFO",
  when: ({ request }) => request._tag === "SET_INFO" && request.body.infoType === InfoType.SMB2_0_INFO_SECURITY,
  is: { response: { _tag: "SET_INFO", body: {} } }
}

/** The server in memory has files with one name each. */
const links: Fault = {
  on: "SET_INFO",
  when: ({ request }) => request._tag === "SET_INFO" && request.body.fileInfoClass === 11,
  is: { response: { _tag: "SET_INFO", body: {} } }
}

/** A DACL that gives no user access. */
const descriptor: SecurityDescriptor = {
  sbz1: 0,
  control: Control.SE_DACL_PRESENT | Control.SE_SELF_RELATIVE,
  owner: undefined,
  group: undefined,
  sacl: undefined,
  dacl: { aclRevision: 2, aces: [] }
}

/** One way to change something. */
export interface Mutation {
  readonly name: string
  /** The operation of the client that it tests. */
  readonly of: string
  readonly run: (smb: SmbClient.Client, base: string) => Effect.Effect<unknown, { readonly _tag: string }>
  readonly faults?: ReadonlyArray<Fault>
}

const bytes = (length: number) => new Uint8Array(length).fill(5)

const chunks = () => Stream.make(bytes(100_000), bytes(100_000))

/** Fills the buffers that it gets with 200,000 bytes. */
const filling = () => {
  let left = 200_000
  return (buffer: Uint8Array) =>
    Effect.sync(() => {
      const count = Math.min(left, buffer.length)
      left -= count
      buffer.fill(5, 0, count)
      return count
    })
}

const opened =
  (use: (file: SmbFile) => Effect.Effect<unknown, { readonly _tag: string }>, path = "f.txt") =>
  (smb: SmbClient.Client, base: string) =>
    Effect.scoped(
      Effect.flatMap(smb.open(`${base}\\${path}`, OpenMode.readWrite), (file) => Effect.andThen(use(file), file.close))
    )

export const mutations: ReadonlyArray<Mutation> = [
  { name: "writeFile, new", of: "writeFile", run: (smb, base) => smb.writeFile(`${base}\\new`, "x", { create: true }) },
  { name: "writeFile, empty", of: "writeFile", run: (smb, base) => smb.writeFile(`${base}\\f.txt`, "") },
  {
    name: "writeFile, flushed",
    of: "writeFile",
    run: (smb, base) => smb.writeFile(`${base}\\n`, "x", { flush: true })
  },
  { name: "writeFile, 60,000 bytes", of: "writeFile", run: (smb, base) => smb.writeFile(`${base}\\n`, bytes(60_000)) },
  { name: "writeFile, large", of: "writeFile", run: (smb, base) => smb.writeFile(`${base}\\n`, bytes(200_000)) },
  {
    name: "writeFile, atomic, new",
    of: "writeFile",
    run: (smb, base) => smb.writeFile(`${base}\\n`, "x", { atomic: true })
  },
  {
    name: "writeFile, atomic, over another",
    of: "writeFile",
    run: (smb, base) =>
      smb.writeFile(`${base}\\f.txt`, bytes(200_000), { atomic: true, flush: true, lastWriteTime: 5n })
  },
  {
    name: "writeFile, append",
    of: "writeFile",
    run: (smb, base) =>
      smb.writeFile(`${base}\\f.txt`, bytes(200_000), { append: true, flush: true, lastWriteTime: 5n })
  },
  {
    name: "sink, append",
    of: "sink",
    run: (smb, base) => Stream.run(chunks(), smb.sink(`${base}\\f.txt`, { append: true }))
  },
  { name: "sink", of: "sink", run: (smb, base) => Stream.run(chunks(), smb.sink(`${base}\\n`)) },
  {
    name: "sink, into a file",
    of: "sink",
    run: (smb, base) => Stream.run(chunks(), smb.sink(`${base}\\f.txt`, { offset: 2, truncate: true }))
  },
  { name: "writeFrom", of: "writeFrom", run: (smb, base) => smb.writeFrom(`${base}\\n`, filling()) },
  { name: "makeDirectory", of: "makeDirectory", run: (smb, base) => smb.makeDirectory(`${base}\\n`) },
  {
    name: "makeDirectory, recursive",
    of: "makeDirectory",
    run: (smb, base) => smb.makeDirectory(`${base}\\n\\o\\p`, { recursive: true })
  },
  { name: "remove, a file", of: "remove", run: (smb, base) => smb.remove(`${base}\\f.txt`) },
  { name: "remove, a folder", of: "remove", run: (smb, base) => smb.remove(`${base}\\empty`) },
  { name: "remove, a tree", of: "remove", run: (smb, base) => smb.remove(`${base}\\tree`, { recursive: true }) },
  { name: "remove, by force", of: "remove", run: (smb, base) => smb.remove(`${base}\\f.txt`, { force: true }) },
  { name: "rename", of: "rename", run: (smb, base) => smb.rename(`${base}\\f.txt`, `${base}\\n.txt`) },
  {
    name: "rename, over another",
    of: "rename",
    run: (smb, base) => smb.rename(`${base}\\f.txt`, `${base}\\g.txt`, { replace: true })
  },
  {
    name: "makeHardLink",
    of: "makeHardLink",
    run: (smb, base) => smb.makeHardLink(`${base}\\f.txt`, `${base}\\n.txt`),
    faults: [links]
  },
  { name: "copy, through the client", of: "copy", run: (smb, base) => smb.copy(`${base}\\big.bin`, `${base}\\n`) },
  {
    name: "copy, by the server",
    of: "copy",
    run: (smb, base) => smb.copy(`${base}\\big.bin`, `${base}\\n`),
    faults: [controls]
  },
  {
    name: "setAttributes",
    of: "setAttributes",
    run: (smb, base) => smb.setAttributes(`${base}\\f.txt`, { fileAttributes: FileAttributes.FILE_ATTRIBUTE_NORMAL })
  },
  { name: "truncate", of: "truncate", run: (smb, base) => smb.truncate(`${base}\\f.txt`, 2) },
  {
    name: "security.set",
    of: "security.set",
    run: (smb, base) => smb.security.set(`${base}\\f.txt`, descriptor),
    faults: [descriptors]
  },
  {
    name: "makeLink",
    of: "makeLink",
    run: (smb, base) => smb.makeLink(`${base}\\link`, "f.txt"),
    faults: [controls]
  },
  { name: "open, write, close", of: "open", run: opened((file) => file.write(0, bytes(200_000))) },
  { name: "open, sink, close", of: "open", run: opened((file) => Stream.run(chunks(), file.sink({ truncate: true }))) },
  { name: "open, append, close", of: "open", run: opened((file) => file.append(bytes(200_000))) },
  { name: "open, writeFrom, close", of: "open", run: opened((file) => file.writeFrom(filling())) },
  { name: "open, truncate, close", of: "open", run: opened((file) => file.truncate(1)) }
]

/** The names of all operations of a client. */
export const operationsOf = (smb: SmbClient.Client): ReadonlyArray<string> =>
  Object.entries(smb).flatMap(([name, value]) =>
    typeof value === "function" || Effect.isEffect(value)
      ? [name]
      : typeof value === "string"
      ? []
      : Object.keys(value as object).map((inner) => `${name}.${inner}`)
  )

/** The error that ended an operation. The error of a recursive removal contains it with the counts. */
export const reasonOf = <E>(error: E): unknown =>
  error instanceof RemovalError && error.reason._tag === "RemovalIncomplete"
    ? error.reason.failures.at(-1)!.error
    : error
