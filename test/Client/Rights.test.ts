/**
 * The access rights that each operation requests when it opens, against those that MS-FSA and MS-SMB2 require for it.
 * A server refuses an open if one right is missing, so one right too many makes an operation fail.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import { Credentials, OpenMode, SmbClient, TestTransport } from "effect-smb"
import { Control } from "../../src/Codec/SecurityDescriptor.ts"
import { AccessMask, FileAttributes } from "../../src/Smb2/Message/Constants.ts"

const {
  ACCESS_SYSTEM_SECURITY: SACL,
  DELETE,
  FILE_APPEND_DATA: APPEND_DATA,
  FILE_READ_ATTRIBUTES: READ_ATTRIBUTES,
  FILE_READ_DATA: READ_DATA,
  FILE_WRITE_ATTRIBUTES: WRITE_ATTRIBUTES,
  FILE_WRITE_DATA: WRITE_DATA,
  READ_CONTROL,
  SYNCHRONIZE,
  WRITE_DAC,
  WRITE_OWNER
} = AccessMask

/** The rights of a user who can read a file: an ACE with these must suffice. The first bit lists a directory. */
const reader = READ_DATA | READ_ATTRIBUTES | SYNCHRONIZE
/** The rights of a user who can query a file's attributes. */
const viewer = READ_ATTRIBUTES | SYNCHRONIZE
const writer = WRITE_DATA | READ_ATTRIBUTES | SYNCHRONIZE

const base = "\\\\nas\\data"
const file = `${base}\\file`
const folder = `${base}\\folder`
const large = `${base}\\large`

type Run = (smb: SmbClient.Client) => Effect.Effect<unknown, unknown>

/** The operations, the rights of each of their opens, and the section of the document that requires them. */
const table: ReadonlyArray<readonly [string, Run, ReadonlyArray<number>, string]> = [
  ["stat", (smb) => smb.stat(file), [viewer], "FileBasicInformation: MS-FSA 2.1.5.12.6"],
  ["stat of a link itself", (smb) => smb.stat(file, { follow: false }), [viewer], "MS-FSA 2.1.5.12.5"],
  ["exists", (smb) => smb.exists(file), [viewer], ""],
  ["readFile", (smb) => smb.readFile(file), [reader], "READ: MS-FSA 2.1.5.3"],
  ["readFile, large", (smb) => smb.readFile(large), [reader, reader], ""],
  ["stream", (smb) => Stream.runDrain(smb.stream(file)), [reader], ""],
  ["readTo", (smb) => smb.readTo(file, () => Effect.void), [reader], ""],
  ["openToRead", (smb) => Effect.scoped(smb.openToRead(file)), [reader], ""],
  ["open", (smb) => Effect.scoped(smb.open(file)), [reader], ""],
  ["list", (smb) => Stream.runDrain(smb.list(folder)), [reader], "QUERY_DIRECTORY: MS-FSA 2.1.5.6.3"],
  ["walk", (smb) => Stream.runDrain(smb.walk(folder)), [reader], ""],
  ["watch", (smb) => Stream.runHead(smb.watch(folder)), [reader], "CHANGE_NOTIFY: MS-FSA 2.1.5.11"],
  ["namedStreams", (smb) => smb.namedStreams(file), [viewer], "FileStreamInformation asks for none"],
  ["readLink", (smb) => smb.readLink(file), [viewer], "FSCTL_GET_REPARSE_POINT is FILE_ANY_ACCESS"],
  ["previousVersions", (smb) => smb.previousVersions(file), [reader], "MS-SMB2 3.3.5.15.1"],
  ["removable", (smb) => smb.removable(file), [viewer], ""],
  ["security.get", (smb) => smb.security.get(file), [READ_CONTROL | SYNCHRONIZE], "MS-FSA 2.1.5.14"],
  [
    "security.get with the SACL",
    (smb) => smb.security.get(file, { audit: true }),
    [READ_CONTROL | SYNCHRONIZE | SACL],
    ""
  ],
  [
    "security.set",
    (smb) =>
      smb.security.set(file, {
        sbz1: 0,
        control: Control.SE_DACL_PRESENT | Control.SE_SELF_RELATIVE,
        owner: undefined,
        group: undefined,
        sacl: undefined,
        dacl: { aclRevision: 2, aces: [] }
      }),
    [WRITE_DAC | SYNCHRONIZE],
    "MS-FSA 2.1.5.17"
  ],
  ["writeFile", (smb) => smb.writeFile(file, "x"), [writer], "WRITE: MS-FSA 2.1.5.4"],
  [
    "writeFile, append",
    (smb) => smb.writeFile(file, "x", { append: true }),
    [writer | APPEND_DATA],
    "WRITE to the end: MS-FSA 2.1.5.4"
  ],
  [
    "open, append",
    (smb) => Effect.scoped(smb.open(file, OpenMode.append)),
    [APPEND_DATA | READ_ATTRIBUTES | SYNCHRONIZE],
    ""
  ],
  ["sink", (smb) => Stream.run(Stream.make(new Uint8Array(3)), smb.sink(file)), [writer], ""],
  [
    "sink, at an offset",
    (smb) => Stream.run(Stream.make(new Uint8Array(3)), smb.sink(file, { offset: 1 })),
    [writer],
    ""
  ],
  ["writeFrom", (smb) => smb.writeFrom(file, () => Effect.succeed(0)), [writer], ""],
  ["truncate", (smb) => smb.truncate(file, 1), [writer], "FileEndOfFileInformation: MS-FSA 2.1.5.15.4"],
  [
    "setAttributes",
    (smb) => smb.setAttributes(file, { fileAttributes: FileAttributes.FILE_ATTRIBUTE_NORMAL }),
    [WRITE_ATTRIBUTES | SYNCHRONIZE],
    "FileBasicInformation: MS-FSA 2.1.5.15.2"
  ],
  ["makeDirectory", (smb) => smb.makeDirectory(`${base}\\new`), [viewer], "the parent is what is asked"],
  [
    "makeLink",
    (smb) => smb.makeLink(`${base}\\link`, "file"),
    [WRITE_ATTRIBUTES | SYNCHRONIZE],
    "FSCTL_SET_REPARSE_POINT: MS-FSA 2.1.5.10.37"
  ],
  ["rename", (smb) => smb.rename(file, `${base}\\other`), [DELETE | SYNCHRONIZE], "MS-FSA 2.1.5.15.11"],
  ["remove", (smb) => smb.remove(file), [DELETE | SYNCHRONIZE], "MS-FSA 2.1.5.15.3"],
  ["copy", (smb) => smb.copy(file, `${base}\\copy`), [reader, writer], "MS-SMB2 3.3.5.15.6"],
  ["shares", (smb) => smb.shares("\\\\nas"), [READ_DATA | WRITE_DATA | SYNCHRONIZE], ""]
]

describe("the CREATE requests of an operation have exactly the rights that it needs", () => {
  it.effect.each(table.map(([name, run, rights]) => ({ name, run, rights })))(
    "$name",
    ({ rights, run }) =>
      Effect.gen(function*() {
        // The result does not matter: the server in memory does not support all operations.
        yield* Effect.exit(run(yield* SmbClient.SmbClient))
        const asked = (yield* (yield* TestTransport.TestServers).requests)
          .flatMap(({ request }) => request._tag === "CREATE" ? [request.body.desiredAccess] : [])
        // A link that could not be made is removed again, by another CREATE.
        assert.deepStrictEqual(asked.slice(0, rights.length).map(hex), rights.map(hex))
        if (run !== making) assert.strictEqual(asked.length, rights.length)
      }).pipe(
        Effect.provide(
          SmbClient.layer().pipe(
            Layer.provideMerge(TestTransport.layerFiles(
              { data: { file: "text", large: new Uint8Array(100_000), folder: { a: "a" } } },
              { faults: [TestTransport.fault("CHANGE_NOTIFY", { status: "STATUS_NOT_SUPPORTED" })] }
            )),
            Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
          )
        )
      )
  )

  const making = table.find(([name]) => name === "makeLink")![1]
  const hex = (rights: number) => `0x${(rights >>> 0).toString(16)}`
})

describe("OpenMode.writeSecurity", () => {
  it.each([
    [{ owner: true, dacl: false, sacl: false }, WRITE_OWNER | SYNCHRONIZE],
    [{ owner: false, dacl: true, sacl: false }, WRITE_DAC | SYNCHRONIZE],
    [{ owner: false, dacl: false, sacl: true }, SACL | SYNCHRONIZE]
  ])("requests the right that %o needs", (parts, rights) => {
    assert.strictEqual(OpenMode.writeSecurity(parts).desiredAccess, rights)
  })
})
