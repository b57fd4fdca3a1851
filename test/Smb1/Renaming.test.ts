/**
 * Renames over SMB 1 on servers that announce renames by an open handle and refuse them: smbd for hidden and system
 * files, and servers that read FileRenameInformation as SMB 2 does. A model of the names and attributes stands for the
 * server.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted, Result } from "effect"
import { Credentials, OpenMode, SmbClient } from "effect-smb"
import { Information } from "effect-smb/Client"
import * as Codec from "../../src/Codec/Codec.ts"
import * as FileInformation from "../../src/Codec/FileInformation.ts"
import { NtStatus, reason } from "../../src/Codec/NtStatus.ts"
import { fold } from "../../src/Codec/UpCase.ts"
import * as Header from "../../src/Smb1/Header.ts"
import { Command, SetFileLevel, SMB_INFO_PASSTHROUGH } from "../../src/Smb1/Message/Constants.ts"
import * as NtCreate from "../../src/Smb1/Message/NtCreate.ts"
import * as Simple from "../../src/Smb1/Message/Simple.ts"
import { FileAttributes } from "../../src/Smb2/Message/Constants.ts"
import * as Peer from "./peer.ts"

const credentials = Credentials.layer(Credentials.password("joe", Redacted.make("secret")))
const {
  FILE_ATTRIBUTE_ARCHIVE: ARCHIVE,
  FILE_ATTRIBUTE_HIDDEN: HIDDEN,
  FILE_ATTRIBUTE_NORMAL: NORMAL,
  FILE_ATTRIBUTE_SYSTEM: SYSTEM
} = FileAttributes
const { number: basic } = FileInformation.classes.FileBasicInformation
const { number: disposition } = FileInformation.classes.FileDispositionInformation
const { number: link } = FileInformation.classes.FileLinkInformation
const { number: endOfFile } = FileInformation.classes.FileEndOfFileInformation
const { number: renaming } = FileInformation.classes.FileRenameInformation

interface Entry {
  name: string
  attributes: number
  readonly content: string
}

/** How a server of the model differs from others. */
interface Kind {
  /** smbd: the rename by an open handle finds no file that is hidden or system, by its attributes or by its name. */
  readonly hides?: boolean
  /** The status that refuses an information class that is passed through, by its number. */
  readonly refuses?: Readonly<Record<number, number>>
  /** Names that count as hidden. */
  readonly isHiddenName?: (name: string) => boolean
  /** Names that no file can have. */
  readonly vetoes?: (name: string) => boolean
}

const decode = <A>(codec: Codec.Codec<A>, { packet }: Peer.Received): A =>
  Result.getOrThrow(Codec.decode("request", Codec.at(Header.size, codec))(packet))

/**
 * A disk of one folder, and the peer that serves it. `spoil` can fail a change by its number, counted from 0; `cut`
 * says at which of all requests the server hangs up: before it runs the request, or after it without a response.
 */
const disk = (
  entries: Record<string, number>,
  kind: Kind,
  spoil: (index: number) => number | undefined = () => undefined,
  cut: (index: number) => "before" | "after" | undefined = () => undefined
) => {
  const files: Array<Entry> = Object.entries(entries).map(([name, attributes]) => ({ name, attributes, content: name }))
  const opens = new Map<number, Entry>()
  let fids = 0
  let changes = 0
  let requests = 0
  const log: Array<string> = []
  const below = (name: string) => name.replace(/^\\/, "")
  const find = (name: string) => files.find((entry) => fold(entry.name) === fold(below(name)))
  const isHidden = (entry: Entry) =>
    (entry.attributes & (HIDDEN | SYSTEM)) !== 0 || entry.name.startsWith(".") ||
    kind.isHiddenName?.(entry.name) === true

  const rename = (entry: Entry, to: string, replace: boolean): number => {
    const other = find(to)
    if (other !== undefined && other !== entry) {
      if (!replace) return NtStatus.STATUS_OBJECT_NAME_COLLISION
      files.splice(files.indexOf(other), 1)
    }
    entry.name = below(to)
    return 0
  }

  const set = (entry: Entry, level: number, data: Buffer): number => {
    const passed = level >= SMB_INFO_PASSTHROUGH ? level - SMB_INFO_PASSTHROUGH : undefined
    const refusal = passed === undefined ? undefined : kind.refuses?.[passed]
    if (refusal !== undefined) return refusal
    switch (level) {
      case SMB_INFO_PASSTHROUGH + basic:
      case SetFileLevel[basic]:
        entry.attributes = data.readUInt32LE(32)
        return 0
      case SMB_INFO_PASSTHROUGH + renaming:
        if (kind.hides === true && isHidden(entry)) return NtStatus.STATUS_NO_SUCH_FILE
        return rename(entry, data.subarray(12).toString("utf16le"), data[0] !== 0)
      case SMB_INFO_PASSTHROUGH + disposition:
      case SetFileLevel[disposition]:
        files.splice(files.indexOf(entry), 1)
        return 0
      case SMB_INFO_PASSTHROUGH + endOfFile:
      case SetFileLevel[endOfFile]:
        return 0
      default:
        return NtStatus.STATUS_INVALID_INFO_CLASS
    }
  }

  const run = (request: Peer.Received): Peer.Reaction => {
    const { header, packet } = request
    const bytes = Buffer.from(packet)
    switch (header.command) {
      case Command.SMB_COM_NT_CREATE_ANDX: {
        const entry = find(decode(NtCreate.Request(true), request).fileName)
        if (entry === undefined) return { status: NtStatus.STATUS_OBJECT_NAME_NOT_FOUND }
        const fid = ++fids
        opens.set(fid, entry)
        return { body: Peer.created({ fid, extFileAttributes: entry.attributes || NORMAL }) }
      }
      case Command.SMB_COM_CLOSE:
        opens.delete(bytes.readUInt16LE(33))
        return undefined
      case Command.SMB_COM_RENAME: {
        const { newFileName, oldFileName, searchAttributes } = decode(Simple.Rename(true), request)
        log.push("RENAME")
        if (kind.vetoes?.(below(newFileName)) === true) return { status: NtStatus.STATUS_OBJECT_NAME_NOT_FOUND }
        const entry = find(oldFileName)
        const hidden = entry === undefined ? 0 : entry.attributes & (HIDDEN | SYSTEM)
        if (entry === undefined || (hidden & ~searchAttributes) !== 0) return { status: NtStatus.STATUS_NO_SUCH_FILE }
        return { status: rename(entry, newFileName, false) }
      }
      case Command.SMB_COM_NT_RENAME: {
        const { newFileName, oldFileName } = decode(Simple.NtRename(true), request)
        log.push("NT_RENAME")
        files.push({ ...find(oldFileName)!, name: below(newFileName) })
        return undefined
      }
      case Command.SMB_COM_DELETE: {
        log.push("DELETE")
        const entry = find(decode(Simple.Delete(true), request).fileName)
        if (entry === undefined) return { status: NtStatus.STATUS_NO_SUCH_FILE }
        files.splice(files.indexOf(entry), 1)
        return undefined
      }
      case Command.SMB_COM_TRANSACTION2: {
        const parameters = bytes.readUInt16LE(53)
        const level = bytes.readUInt16LE(parameters + 2)
        log.push(String(level))
        const entry = opens.get(bytes.readUInt16LE(parameters))
        if (entry === undefined) return { status: NtStatus.STATUS_INVALID_HANDLE }
        const at = bytes.readUInt16LE(57)
        const status = set(entry, level, bytes.subarray(at, at + bytes.readUInt16LE(55)))
        return status === 0 ? Peer.agreeing(request) : { status }
      }
      default:
        return undefined
    }
  }

  const changing: ReadonlySet<number> = new Set([
    Command.SMB_COM_RENAME,
    Command.SMB_COM_DELETE,
    Command.SMB_COM_TRANSACTION2
  ])
  const peer = Peer.make((request) => {
    const status = changing.has(request.header.command) ? spoil(changes++) : undefined
    const ends = cut(requests++)
    if (ends === "before") return "hang up"
    const reaction = status === undefined ? run(request) : { status }
    return ends === "after" ? "hang up" : reaction
  })
  return {
    layer: peer.layer,
    log,
    opens,
    requests: () => requests,
    /** The existing files: name, content, attributes. */
    there: () =>
      Object.fromEntries(
        files.map(({ attributes, content, name }) => [name, `${content} ${attributes}`]).toSorted()
      )
  }
}

const on = <A, E>(server: ReturnType<typeof disk>, use: (smb: SmbClient.Client) => Effect.Effect<A, E>) =>
  Effect.flatMap(SmbClient.SmbClient, use).pipe(Effect.provide(
    SmbClient.layer({ dialects: ["NT1"], signing: "if-required" }).pipe(
      Layer.provide([server.layer, credentials]),
      Layer.provideMerge(Layer.fresh(Logger.layer([])))
    )
  ))

/** The same, with the messages of the log. */
const told = (server: ReturnType<typeof disk>, use: (smb: SmbClient.Client) => Effect.Effect<unknown, unknown>) =>
  Effect.suspend(() => {
    const messages: Array<string> = []
    const logger = Logger.make(({ message }) => void messages.push([message].flat().join(" ")))
    return Effect.result(Effect.flatMap(SmbClient.SmbClient, use)).pipe(
      Effect.provide(
        SmbClient.layer({ dialects: ["NT1"], signing: "if-required" }).pipe(
          Layer.provide([server.layer, credentials]),
          Layer.provideMerge(Layer.fresh(Logger.layer([logger])))
        )
      ),
      Effect.map((result) => ({ result, said: messages.join("\n") }))
    )
  })

const path = (name: string) => `\\\\old\\data\\${name}`
const rename = (from: string, to: string, replace = false) => (smb: SmbClient.Client) =>
  smb.rename(path(from), path(to), { replace })

describe("a rename over SMB 1 in a folder of smbd", () => {
  const sources: ReadonlyArray<readonly [name: string, attributes: number]> = [
    ["hidden", HIDDEN],
    ["system", SYSTEM],
    ["both", HIDDEN | SYSTEM | ARCHIVE],
    [".dot", 0],
    [".both", HIDDEN]
  ]

  it.effect.each(sources.map(([name, attributes]) => ({ name, attributes })))(
    "renames a hidden or system file: $name",
    ({ attributes, name }) =>
      Effect.gen(function*() {
        const server = disk({ [name]: attributes }, { hides: true })
        yield* on(server, rename(name, "new"))
        assert.deepStrictEqual(server.there(), { new: `${name} ${attributes}` })
      })
  )

  it.effect.each(sources.map(([name, attributes]) => ({ name, attributes })))(
    "replaces another file and keeps the attributes: $name",
    ({ attributes, name }) =>
      Effect.gen(function*() {
        for (const target of [ARCHIVE, HIDDEN, HIDDEN | SYSTEM]) {
          const server = disk({ [name]: attributes, old: target }, { hides: true })
          yield* on(server, rename(name, "old", true))
          assert.deepStrictEqual(server.there(), { old: `${name} ${attributes}` })
          assert.strictEqual(server.opens.size, 0)
          // The name always existed.
          assert.notInclude(server.log, "DELETE")
        }
      })
  )

  it.effect("replaces another file when every name counts as hidden", () =>
    Effect.gen(function*() {
      const server = disk({ a: 0, old: 0 }, { hides: true, isHiddenName: () => true })
      yield* on(server, rename("a", "old", true))
      assert.deepStrictEqual(server.there(), { old: "a 0" })
    }))

  it.effect.each([{ hides: true }, { hides: true, isHiddenName: () => true }] satisfies ReadonlyArray<Kind>)(
    "replaces another file when names with ~ are vetoed, and fails with both names when all are",
    (kind) =>
      Effect.gen(function*() {
        const server = disk({ both: HIDDEN | SYSTEM, old: 0 }, { ...kind, vetoes: (name) => name.startsWith("~") })
        yield* on(server, rename("both", "old", true))
        assert.deepStrictEqual(server.there(), { old: `both ${HIDDEN | SYSTEM}` })
        const strict = disk({ both: HIDDEN, old: 0 }, { ...kind, vetoes: (name) => /[0-9a-f]{8}/.test(name) })
        const error = yield* Effect.flip(on(strict, rename("both", "old", true)))
        assert.match(
          error.message,
          /\\data\\both: The server refuses the names ~[0-9a-f]{16} and [0-9a-f]{16}\..*SMB 2 or 3.*old/
        )
        assert.deepStrictEqual(strict.there(), { both: `both ${HIDDEN}`, old: "old 0" })
      })
  )

  it.effect("changes only the case, and fails with ObjectNameCollision at another file without `replace`", () =>
    Effect.gen(function*() {
      const server = disk({ hidden: HIDDEN, old: 0 }, { hides: true })
      yield* on(server, rename("hidden", "HIDDEN", true))
      assert.deepStrictEqual(server.there(), { HIDDEN: `hidden ${HIDDEN}`, old: "old 0" })
      const error = yield* Effect.flip(on(server, rename("HIDDEN", "old")))
      assert.strictEqual(error._tag === "SmbError" ? error.reason._tag : error, "ObjectNameCollision")
      assert.deepStrictEqual(server.there(), { HIDDEN: `hidden ${HIDDEN}`, old: "old 0" })
    }))
})

const kinds: ReadonlyArray<readonly [string, Kind]> = [
  ["smbd", { hides: true }],
  ["smbd with every name hidden", { hides: true, isHiddenName: () => true }],
  ["a server that reads FileRenameInformation as SMB 2 does", {
    refuses: { [renaming]: NtStatus.STATUS_INVALID_PARAMETER }
  }]
]

describe("a rename over SMB 1 that fails in the middle", () => {
  it.effect.each(kinds.map(([name, kind]) => ({ name, kind })))(
    "changes nothing, or completes, when a request is refused: $name",
    ({ kind }) =>
      Effect.gen(function*() {
        let failures = 0
        for (let at = 0; at < 12; at++) {
          const start = { both: HIDDEN | SYSTEM, old: HIDDEN }
          const server = disk(start, kind, (index) => index === at ? NtStatus.STATUS_ACCESS_DENIED : undefined)
          const result = yield* Effect.result(on(server, rename("both", "old", true)))
          const there = server.there()
          if (Result.isFailure(result)) {
            failures++
            // All files are unchanged.
            assert.deepStrictEqual(there, { both: `both ${HIDDEN | SYSTEM}`, old: `old ${HIDDEN}` }, `request ${at}`)
          } else {
            // The client found another way, or could not set the attributes again.
            assert.deepStrictEqual(Object.keys(there), ["old"], `request ${at}`)
            assert.match(there["old"]!, /^both /)
          }
        }
        assert.isAbove(failures, 1)
      })
  )

  it.effect.each(kinds.map(([name, kind]) => ({ name, kind })))(
    "loses no file and logs other names and lost attributes when the server hangs up: $name",
    ({ kind }) =>
      Effect.gen(function*() {
        const whole = disk({ both: HIDDEN | SYSTEM, old: HIDDEN }, kind)
        yield* on(whole, rename("both", "old", true))
        let others = 0
        for (const when of ["before", "after"] as const) {
          for (let at = 0; at < whole.requests(); at++) {
            const server = disk({ both: HIDDEN | SYSTEM, old: HIDDEN }, kind, undefined, (index) =>
              index === at ? when : undefined)
            const { said } = yield* told(server, rename("both", "old", true))
            const there: Record<string, string> = server.there()
            const where = `${when} request ${at}: ${JSON.stringify(there)}\n${said}`
            const both = Object.entries(there).find(([, has]) =>
              has.startsWith("both ")
            )
            const old = Object.entries(there).find(([, has]) =>
              has.startsWith("old ")
            )
            assert(both !== undefined, where)
            assert(old !== undefined || both[0] === "old", where)
            for (const entry of [both, old]) {
              if (entry === undefined || ["both", "old"].includes(entry[0])) continue
              others++
              assert.include(said, `\\\\old\\data\\${entry[0]}`, where)
            }
            if (!both[1].endsWith(` ${HIDDEN | SYSTEM}`)) {
              assert.match(
                said.split("\n").find((line) => line.includes("has lost its attributes")) ?? "",
                /\\data\\/,
                where
              )
              if (both[0] === "old") assert.match(said, /\\data\\old( now,)? has lost its attributes/, where)
            }
          }
        }
        assert.isAbove(others, 2)
      })
  )
})

describe("a server that announces pass-through information classes, and refuses one", () => {
  for (
    const status of [
      NtStatus.STATUS_INVALID_PARAMETER,
      NtStatus.STATUS_NOT_SUPPORTED,
      NtStatus.STATUS_INVALID_INFO_CLASS,
      NtStatus.STATUS_INVALID_LEVEL
    ]
  ) {
    it.effect(`gets each class once, and then SMB 1's own requests: ${reason(status)}`, () =>
      Effect.gen(function*() {
        const refuses = {
          [basic]: status,
          [renaming]: status,
          [link]: status,
          [disposition]: status,
          [endOfFile]: status
        }
        const server = disk({ a: 0, b: 0, c: 0 }, { refuses })
        yield* on(server, (smb) =>
          Effect.gen(function*() {
            yield* rename("a", "b", true)(smb)
            yield* rename("b", "d")(smb)
            assert.deepStrictEqual(server.there(), { c: "c 0", d: "a 0" })
            yield* smb.setAttributes(path("d"), { fileAttributes: HIDDEN })
            yield* smb.setAttributes(path("d"), { fileAttributes: SYSTEM })
            yield* smb.truncate(path("d"), 0)
            yield* smb.truncate(path("d"), 0)
            yield* Effect.scoped(Effect.flatMap(smb.open(path("d"), OpenMode.remove), (file) =>
              file.run(Information.setFile("FileLinkInformation", {
                replaceIfExists: false,
                rootDirectory: 0n,
                fileName: "e"
              }))))
            yield* smb.remove(path("c"))
            yield* smb.remove(path("d"))
          }))
        assert.deepStrictEqual(server.there(), { e: `a ${SYSTEM}` })
        // The client tried each class once.
        const passed = server.log.filter((entry) => entry.startsWith("10"))
        assert.deepStrictEqual(passed, ["1010", "1004", "1020", "1011", "1013"])
      }))
  }

  it.effect("causes the error of SMB 1's own request when that is refused too", () =>
    Effect.gen(function*() {
      const server = disk({ a: 0, b: 0 }, { refuses: { [renaming]: NtStatus.STATUS_INVALID_PARAMETER } })
      const error = yield* Effect.flip(on(server, rename("a", "b")))
      assert.strictEqual(error._tag === "SmbError" ? error.reason._tag : error, "ObjectNameCollision")
      assert.deepStrictEqual(server.there(), { a: "a 0", b: "b 0" })
    }))
})
