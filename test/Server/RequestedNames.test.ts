/**
 * Proves what a server does with the names of CREATE, renames and hard links that are more than plain components: `.`
 * and `..`, backslashes, and types of streams (MS-FSCC 2.1.5, MS-FSA 2.1.5.1). Raw clients ask a server with a memory
 * store.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec, NtStatus as Status, Reparse } from "effect-smb/Codec"
import { CreateDisposition as D, CreateOptions as O } from "../../src/Smb2/Message/Constants.ts"
import type * as Create from "../../src/Smb2/Message/Create.ts"
import * as ErrorResponse from "../../src/Smb2/Message/ErrorResponse.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import { type Client, link, place, rename } from "./people.ts"
import { statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.76"
const folder = { createDisposition: D.FILE_CREATE, createOptions: O.FILE_DIRECTORY_FILE }
const open = { createDisposition: D.FILE_OPEN }
const made = { createDisposition: D.FILE_CREATE }
const { FILE_DIRECTORY_FILE: DIRECTORY, FILE_NON_DIRECTORY_FILE: FILE } = O

/** A share with the file `f`, and the directory `d` with the file `d\g`. */
const share = (body: (client: Client) => Promise<void>) =>
  Effect.scoped(Effect.gen(function*() {
    const { client } = yield* place(host)
    const root = yield* client("root")
    yield* Effect.promise(async () => {
      await root.status(Requests.close(await root.must("d", folder)))
      for (const name of ["f", "d\\g"]) {
        const file = await root.must(name, made)
        await root.status(Requests.write(file, Buffer.from(name)))
        await root.status(Requests.close(file))
      }
      await body(root)
    })
  }))

/** The name of the status of a CREATE; `OK` if it succeeded. The open is closed. */
const outcome = async (client: Client, name: string, how: Partial<Create.Request>): Promise<string> => {
  const opened = await client.open(name, how)
  if (typeof opened === "number") return Status.name(opened)!.replace("STATUS_", "")
  assert.strictEqual(await client.status(Requests.close(opened)), 0)
  return "OK"
}

it.live("a CREATE has the status that its name and its options have together", () =>
  share(async (client) => {
    const table: ReadonlyArray<readonly [string, Partial<Create.Request>, string]> = [
      ["d\\.\\g", open, "OK"],
      ["d\\none\\..\\g", open, "OK"],
      ["d\\..\\f", open, "INVALID_PARAMETER"],
      ["d\\..\\..\\f", open, "INVALID_PARAMETER"],
      ["d\\none\\..", { ...open, createOptions: DIRECTORY }, "OK"],
      // A backslash at the end.
      ["d\\", open, "OK"],
      ["d\\", { ...open, createOptions: DIRECTORY }, "OK"],
      ["d\\", { ...open, createOptions: FILE }, "OBJECT_NAME_INVALID"],
      ["f\\", open, "OBJECT_NAME_INVALID"],
      ["f\\", { ...open, createOptions: FILE }, "OBJECT_NAME_INVALID"],
      ["f\\", { ...open, createOptions: DIRECTORY }, "NOT_A_DIRECTORY"],
      ["none\\", open, "OBJECT_NAME_NOT_FOUND"],
      ["none\\", made, "OBJECT_NAME_INVALID"],
      ["none\\", { ...made, createOptions: FILE }, "OBJECT_NAME_INVALID"],
      ["new\\", { ...made, createOptions: DIRECTORY }, "OK"],
      ["new", { ...open, createOptions: DIRECTORY }, "OK"],
      ["d\\\\g", open, "OBJECT_PATH_NOT_FOUND"],
      ["none\\\\g", { ...made, createOptions: FILE }, "OBJECT_PATH_NOT_FOUND"],
      // Types of streams.
      ["d::$INDEX_ALLOCATION", open, "OK"],
      ["d:$I30:$INDEX_ALLOCATION", open, "OK"],
      ["d::$INDEX_ALLOCATION\\g", open, "OK"],
      ["d::$INDEX_ALLOCATION", { ...open, createOptions: FILE }, "FILE_IS_A_DIRECTORY"],
      ["f::$INDEX_ALLOCATION", open, "NOT_A_DIRECTORY"],
      ["d::$DATA", open, "FILE_IS_A_DIRECTORY"],
      ["f::$DATA", open, "OK"],
      ["f::$DATA", { ...open, createOptions: DIRECTORY }, "NOT_A_DIRECTORY"],
      ["x:s:$INDEX_ALLOCATION", { ...made, createOptions: DIRECTORY }, "INVALID_PARAMETER"],
      ["x::$INDEX_ALLOCATION", made, "OK"],
      ["x", { ...open, createOptions: DIRECTORY }, "OK"],
      ["f:", { ...made, createOptions: FILE }, "OBJECT_NAME_INVALID"],
      ["f::$OTHER", open, "OBJECT_NAME_INVALID"]
    ]
    for (const [name, how, expected] of table) {
      const { createDisposition, createOptions = 0 } = how
      assert.strictEqual(await outcome(client, name, how), expected, `${name} ${createDisposition} ${createOptions}`)
    }
  }))

it.live("a rename and a hard link accept a leading backslash, and read the rest of the name as a CREATE does", () =>
  share(async (client) => {
    const file = await client.must("f", open)
    const statuses = async (give: typeof rename, table: Readonly<Record<string, number>>) => {
      for (const [name, expected] of Object.entries(table)) {
        assert.strictEqual(await client.status(give(file, name)), expected, name)
      }
    }
    const faults = {
      "..\\x": NtStatus.STATUS_OBJECT_PATH_SYNTAX_BAD,
      "d\\\\x": NtStatus.STATUS_OBJECT_PATH_NOT_FOUND,
      "x\\": NtStatus.STATUS_OBJECT_NAME_INVALID,
      "x::$DATA\\": NtStatus.STATUS_OBJECT_NAME_INVALID,
      ".": NtStatus.STATUS_OBJECT_NAME_INVALID
    }
    await statuses(link, { ...faults, "\\d\\.\\linked": 0 })
    await statuses(rename, { ...faults, "\\d\\x\\..\\moved": 0 })
    assert.strictEqual(await client.status(Requests.close(file)), 0)
    const directory = await client.must("d", open)
    assert.strictEqual(await client.status(rename(directory, "e\\")), 0)
    assert.strictEqual(await client.status(Requests.close(directory)), 0)
    for (const name of ["linked", "moved"]) assert.strictEqual(await client.text(`e\\${name}`), "f")
  }))

it.live("a CREATE through a symbolic link tells the client how much of its own name comes after the link", () =>
  share(async (client) => {
    const target = Codec.encode(Reparse.ReparseDataBuffer)({
      _tag: "SymbolicLink",
      substituteName: "target",
      printName: "shown",
      flags: Reparse.SYMLINK_FLAG_RELATIVE
    })
    for (const [name, type] of [["d\\leaf", FILE], ["d\\way", DIRECTORY]] as const) {
      const made = await client.must(name, { createOptions: type | O.FILE_OPEN_REPARSE_POINT })
      assert.strictEqual(await client.status(Requests.fsctl(made, Fsctl.FSCTL_SET_REPARSE_POINT, target)), 0)
      assert.strictEqual(await client.status(Requests.close(made)), 0)
    }
    const rests: Readonly<Record<string, string>> = {
      "d\\leaf": "",
      "d\\leaf\\x": "\\x",
      "d\\leaf\\x\\y:s:$DATA": "\\x\\y:s:$DATA",
      "d\\.\\leaf\\.\\x\\..\\y": "\\.\\x\\..\\y",
      "d\\leaf:s": ":s",
      "d\\leaf::$DATA": "::$DATA",
      "d\\way": "",
      "d\\way\\": "\\",
      "d\\way\\x\\": "\\x\\",
      "d\\way::$INDEX_ALLOCATION\\x": "::$INDEX_ALLOCATION\\x",
      "d\\way:s": ":s"
    }
    for (const [name, rest] of Object.entries(rests)) {
      const isFile = !name.includes(":") && !name.endsWith("\\")
      for (const createDisposition of [D.FILE_OPEN, D.FILE_OPEN_IF, ...isFile ? [D.FILE_CREATE] : []]) {
        const answer = (await client.ask(Requests.create(name, { createDisposition })))!
        assert.strictEqual(statusOf(answer), NtStatus.STATUS_STOPPED_ON_SYMLINK, name)
        const length = answer.readUInt32LE(64 + 4)
        const decoded = Codec.decode("link", ErrorResponse.SymbolicLinkErrorResponse)(
          answer.subarray(64 + 8, 64 + 8 + length)
        )
        if (decoded._tag === "Failure") return assert.fail(String(decoded.failure))
        assert.deepStrictEqual(
          decoded.success,
          { unparsedPathLength: rest.length * 2, flags: 1, substituteName: "target", printName: "shown" },
          name
        )
      }
    }
    // No stream was made on a link.
    assert.strictEqual(
      await outcome(client, "d\\leaf:s", { ...open, createOptions: O.FILE_OPEN_REPARSE_POINT }),
      "OBJECT_NAME_NOT_FOUND"
    )
  }))

it.live("a pipe has its name in any case of ASCII, and no other letter stands for one of it", () =>
  Effect.scoped(Effect.gen(function*() {
    const { client } = yield* place(host)
    const root = yield* client("root", "IPC$")
    yield* Effect.promise(async () => {
      assert.isObject(await root.open("WKSsvc", open))
      // JavaScript's lower case of the Kelvin sign is a k.
      assert.strictEqual(await root.open("w\u212assvc", open), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
    })
  })))
