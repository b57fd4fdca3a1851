/**
 * Which name `put` writes to if the server refuses the name of the incomplete file, and what stays after a failure: with
 * servers in memory that refuse names by a pattern, as `veto files` of smbd does.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestTransport } from "effect-smb"
import { SmbError } from "../../src/Protocol/Errors.ts"
import { AccessMask } from "../../src/Smb2/Message/Constants.ts"
import { content, isDeletion, refuses, run, target } from "./remoteFile.ts"

const part = /^f\.txt\.[0-9a-f]{12}(?:\.part)?$/

const unwelcome = [
  "STATUS_OBJECT_NAME_NOT_FOUND",
  "STATUS_NO_SUCH_FILE",
  "STATUS_ACCESS_DENIED",
  "STATUS_OBJECT_NAME_INVALID",
  "STATUS_NAME_TOO_LONG"
] as const

describe.each(unwelcome)("a server that says %s to the names of incomplete files", (status) => {
  it.effect("takes the second name if it refuses only the first", () =>
    run([refuses(/\.part$/, status)], (put, { creates, names, smb }) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* put(), BigInt(content.length))
        assert.strictEqual(yield* smb.readFileString("\\\\nas\\data\\f.txt"), "new content")
        const tried = (yield* creates).map(([name]) => name)
        assert.strictEqual(tried.length, 2)
        for (const name of tried) assert.match(name, part)
        assert.deepStrictEqual(yield* names, ["f.txt"])
      })))

  it.effect("gets a new file at its final name", () =>
    run([refuses(part, status)], (put, { creates, names, smb }) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* put(), BigInt(content.length))
        assert.strictEqual(yield* smb.readFileString("\\\\nas\\data\\f.txt"), "new content")
        assert.deepStrictEqual((yield* creates).map(([name]) => name).slice(2), ["f.txt"])
        assert.deepStrictEqual(yield* names, ["f.txt"])
      })))

  it.effect("keeps an existing file, and the error names --in-place and the final name", () =>
    run([refuses(part, status)], (put, { names, smb }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(put())
        assert(error instanceof SmbError)
        assert.match(error.message, /--in-place writes into the file itself/)
        assert.strictEqual(yield* smb.readFileString("\\\\nas\\data\\f.txt"), "old")
        assert.deepStrictEqual(yield* names, ["f.txt"])
      }), { "f.txt": "old" }))
})

describe("a server that refuses the part for another reason", () => {
  it.effect.each((["STATUS_DISK_FULL", "STATUS_SHARING_VIOLATION"] as const).map((status) => ({ status })))(
    "is not asked for a second name: $status",
    ({ status }) =>
      run([refuses(part, status)], (put, { creates, names }) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(put())
          assert.strictEqual(error.statusName, status)
          assert.strictEqual((yield* creates).length, 1)
          assert.deepStrictEqual(yield* names, [])
        }))
  )
})

describe("a server that refuses the account or the share", () => {
  for (
    const [on, status] of [
      ["SESSION_SETUP", "STATUS_LOGON_FAILURE"],
      ["TREE_CONNECT", "STATUS_BAD_NETWORK_NAME"]
    ] as const
  ) {
    it.effect(`is asked once for ${on}, and not taken for one that hides the old file`, () =>
      run([{ on, is: { status } }], (put) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(put())
          assert.deepStrictEqual([error.statusName, error.command], [status, on])
          assert.notMatch(error.message, /not tried again/)
          const servers = yield* TestTransport.TestServers
          const asked = (yield* servers.requests).filter(({ request }) => request._tag === on)
          assert.strictEqual(asked.length, 1)
        })))
  }
})

describe("a folder that allows new files, and not their times", () => {
  it.effect("gets the file through a part that is made without the right to its times", () =>
    run(
      [refuses(part, "STATUS_ACCESS_DENIED", AccessMask.FILE_WRITE_ATTRIBUTES)],
      (_, { names, replace, sent, text }) =>
        Effect.gen(function*() {
          const copy = replace<never, never>(target, { _tag: "Bytes", bytes: content }, {
            lastWriteTime: 132_000_000_000_000_000n
          })
          const words = yield* sent(copy)
          const made = words.filter((word) => word.startsWith("CREATE"))
          assert.deepStrictEqual(made, ["CREATE f.txt.PART", "CREATE f.txt.PART"])
          assert.deepStrictEqual([yield* names, yield* text], [["f.txt"], "new content"])
        })
    ))
})

describe("a new file at its final name", () => {
  it.effect("is created without DELETE if the server refuses that right", () =>
    run(
      [refuses(part, "STATUS_ACCESS_DENIED"), refuses(/^f\.txt$/, "STATUS_ACCESS_DENIED", AccessMask.DELETE)],
      (put, { names, smb }) =>
        Effect.gen(function*() {
          yield* put()
          assert.strictEqual(yield* smb.readFileString("\\\\nas\\data\\f.txt"), "new content")
          assert.deepStrictEqual(yield* names, ["f.txt"])
        })
    ))

  it.effect("that the server vetoes too fails with its status, and with the advice to use another name", () =>
    Effect.gen(function*() {
      for (
        const [status, isVeto] of [
          ["STATUS_OBJECT_NAME_NOT_FOUND", true],
          ["STATUS_NO_SUCH_FILE", true],
          ["STATUS_OBJECT_NAME_INVALID", false],
          ["STATUS_ACCESS_DENIED", false]
        ] as const
      ) {
        yield* run([refuses(/^f\.txt/, status)], (put) =>
          Effect.gen(function*() {
            const error = yield* Effect.flip(put())
            assert.deepStrictEqual([error.statusName, error.command], [status, "CREATE"])
            assert.strictEqual(error.path, "\\\\nas\\data\\f.txt")
            assert.strictEqual(/may have vetoed it/.test(error.message), isVeto, status)
          }))
      }
    }))
})

it.effect("a file that replaces a hidden or system file gets its attributes, and any other file none", () =>
  run([], (put, { creates, smb }) =>
    Effect.gen(function*() {
      const wanted = [[0x20, 0], [0x22, 0x22], [0x24, 0x24], [0x26, 0x26], [0x102, 0x22]] as const
      for (const [fileAttributes, kept] of wanted) {
        yield* smb.setAttributes("\\\\nas\\data\\f.txt", { fileAttributes })
        const before = (yield* creates).length
        yield* put()
        const made = (yield* creates).slice(before)
        assert.deepStrictEqual(made.map(([, attributes]) => attributes), [kept])
        assert.strictEqual(yield* smb.readFileString("\\\\nas\\data\\f.txt"), "new content")
      }
    }), { "f.txt": "old" }))

describe("a part that is not complete", () => {
  const full = TestTransport.fault("WRITE", { status: "STATUS_DISK_FULL" })

  it.effect("is removed, and nothing is reported", () =>
    run([full], (put, { names, told }) =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Effect.flip(put())).statusName, "STATUS_DISK_FULL")
        assert.deepStrictEqual(yield* names, [])
        assert.deepStrictEqual(told, [])
      })))

  it.effect("is reported by its name if the server refuses to remove it", () =>
    run(
      [full, { on: "SET_INFO", when: isDeletion, is: { status: "STATUS_ACCESS_DENIED" } }],
      (put, { names, told }) =>
        Effect.gen(function*() {
          assert.strictEqual((yield* Effect.flip(put())).statusName, "STATUS_DISK_FULL")
          const [name] = yield* names
          assert.match(name!, part)
          assert.strictEqual(told.length, 1)
          assert.include(told[0]!.message, `\\${name!}: an unfinished file is left there`)
          assert.include(told[0]!.message, "Remove it.")
        })
    ))
})
