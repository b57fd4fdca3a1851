/**
 * What `put` sends to replace a file (docs/command.md): when the part gets the final name, what happens if a request fails
 * or has no response, which files exist afterwards, and what the user is told.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { type SmbClient, type TestTransport, VirtualTime } from "effect-smb"
import * as FileReplacement from "../../src/Client/FileReplacement.ts"
import * as UncPath from "../../src/Client/UncPath.ts"
import { type SmbError, TransportError } from "../../src/Protocol/Errors.ts"
import { AccessMask } from "../../src/Smb2/Message/Constants.ts"
import { at, content, isDeletion, isRename, refuses, run, type Says } from "./remoteFile.ts"

const part = /^f\.txt\.[0-9a-f]{12}\.part$/

/** The user can delete files of the folder later too. */
const deletable: Says = { maximalAccess: 0x1f01ff }

const look = ["open f.txt", "CLOSE"]
/** The question for the user's rights in the folder, at the same time as the look at the existing file. */
const rights = ["open ", "CLOSE"]
const byName = ["CREATE f.txt.PART", "WRITE", "CLOSE", "open f.txt.PART", "rename f.txt", "CLOSE"]
const byOpen = ["CREATE f.txt.PART", "WRITE", "FLUSH", "rename f.txt", "CLOSE"]
const compound = byName.map((word) => word === "WRITE" ? "+WRITE" : word)

describe("a part gets the final name", () => {
  const table: ReadonlyArray<readonly [string, Says, ReadonlyArray<string>]> = [
    ["by its name and after its CLOSE, if the user can delete it later", deletable, byName],
    ["by its open and after a FLUSH, if the server does not say so", {}, byOpen],
    [
      "by its open, if the user cannot delete it later",
      { maximalAccess: 0x1f01ff & ~AccessMask.DELETE },
      byOpen
    ],
    ["by its open over SMB 1, whose servers say so of all files", { ...deletable, dialect: "NT1" }, byOpen]
  ]
  it.effect.each(table)(
    "%s",
    ([, says, words]) =>
      run(
        [],
        (put, { names, sent, text, told }) =>
          Effect.gen(function*() {
            const asked = says.dialect === "NT1" ? [] : rights
            assert.deepStrictEqual(yield* sent(put()), [...look, ...asked, ...words])
            assert.deepStrictEqual([yield* names, yield* text, told], [["f.txt"], "new content", []])
          }),
        { "f.txt": "old" },
        says
      )
  )

  it.effect("without a look at the existing file, if the folder is new", () =>
    run([], (put, { sent, text }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* sent(put(undefined, true)), [...rights, ...byOpen])
        assert.strictEqual(yield* text, "new content")
        assert.deepStrictEqual((yield* sent(put(undefined, false))).slice(0, 1), ["open f.txt"])
      })))
})

describe("a small file in a folder whose files the user can delete (FILE_DELETE_CHILD)", () => {
  it.effect("takes one round trip for the part and one for the rename from the first on", () =>
    run(
      [],
      (put, { names, sent, text }) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* sent(put()), [...look, ...rights, ...compound])
          assert.deepStrictEqual(yield* sent(put()), [...look, ...compound])
          assert.deepStrictEqual([yield* names, yield* text], [["f.txt"], "new content"])
        }),
      { "f.txt": "old" },
      { folderAccess: AccessMask.FILE_DELETE_CHILD }
    ))

  it.effect("takes as many as without that right over SMB 1, whose servers do not know the rights of a user", () =>
    run(
      [],
      (put, { sent }) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* sent(put()), [...look, ...byOpen])
        }),
      { "f.txt": "old" },
      { folderAccess: AccessMask.FILE_DELETE_CHILD, dialect: "NT1" }
    ))

  it.effect("is asked for the rights again after a failure of the connection", () =>
    run([], (_, { sent, smb }) =>
      Effect.gen(function*() {
        let asked = 0
        const replace = FileReplacement.make({
          ...smb,
          withShare: (path, use) =>
            UncPath.format(path as UncPath.UncPath) === "\\\\nas\\data" && asked++ === 0
              ? Effect.fail(new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445 }))
              : smb.withShare(path, use)
        }, { hint: "", tell: () => Effect.void })
        const put = replace<never, never>(at("f.txt"), { _tag: "Bytes", bytes: Buffer.from("a") }, { isNew: true })
        assert.strictEqual((yield* Effect.flip(put))._tag, "TransportError")
        assert.deepStrictEqual((yield* sent(put)).slice(0, 2), rights)
      })))
})

describe("the second small file in a folder", () => {
  const small = { _tag: "Bytes", bytes: Buffer.from("more") } as const

  it.effect("takes one round trip for the part and one for the rename, if the first part was renamed by its name", () =>
    run(
      [],
      (put, { names, replace, sent, text }) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* sent(put()), [...look, ...rights, ...byName])
          assert.deepStrictEqual(yield* sent(put(undefined, true)), compound)
          let count = 0n
          const again = yield* sent(Effect.map(replace<never, never>(at("f.txt"), small), (written) => {
            count = written
          }))
          assert.deepStrictEqual(again.slice(-6), compound)
          assert.deepStrictEqual([count, yield* text, yield* names], [4n, "more", ["d", "f.txt"]])
        }),
      { "f.txt": "old", d: {} },
      deletable
    ))

  it.effect("takes as many as the first, if it is in another folder, is a stream of bytes, or replaces a hidden file", () =>
    run(
      [],
      (put, { replace, sent, smb }) =>
        Effect.gen(function*() {
          yield* put()
          const other = yield* sent(put(at("d\\f.txt"), true))
          assert.deepStrictEqual(other, [
            "open d",
            "CLOSE",
            ...byName.map((word) => word.replace("f.txt", "d\\f.txt"))
          ])
          const flow = yield* sent(replace(at("f.txt"), {
            _tag: "Flow",
            run: (to) => {
              let left = 1
              return to.writeFrom((buffer) =>
                Effect.sync(() => {
                  buffer[0] = 65
                  return left-- > 0 ? 1 : 0
                })
              )
            }
          }, { isNew: true }))
          assert.deepStrictEqual(flow.slice(0, 3), ["CREATE f.txt.PART", "WRITE", "CLOSE"])
          yield* smb.setAttributes("\\\\nas\\data\\f.txt", { fileAttributes: 0x22 })
          assert.notInclude(yield* sent(put()), "+WRITE")
        }),
      { "f.txt": "old", d: {} },
      deletable
    ))

  it.effect("takes as many as the first, if the server refuses the usual name of a part, or knows no later deletion", () =>
    Effect.gen(function*() {
      for (
        const [faults, says] of [
          [[refuses(/\.part$/, "STATUS_OBJECT_NAME_INVALID")], deletable],
          [[], {}]
        ] as const
      ) {
        yield* run(
          faults,
          (put, { sent, text }) =>
            Effect.gen(function*() {
              yield* put()
              assert.notInclude(yield* sent(put()), "+WRITE")
              assert.strictEqual(yield* text, "new content")
            }),
          { "f.txt": "old" },
          says
        )
      }
    }))

  it.effect("goes the way of the first, if the server refuses the name of its part", () =>
    run(
      [refuses(/^g\.txt\..*\.part$/, "STATUS_OBJECT_NAME_INVALID")],
      (put, { names, sent, told }) =>
        Effect.gen(function*() {
          yield* put()
          const words = yield* sent(put(at("g.txt"), true))
          assert.deepStrictEqual(words, [
            "CREATE g.txt.PART",
            "+WRITE",
            "CLOSE",
            "CREATE g.txt.PART",
            "CREATE g.txt.BARE",
            "WRITE",
            "CLOSE",
            "open g.txt.BARE",
            "rename g.txt",
            "CLOSE"
          ])
          assert.deepStrictEqual([yield* names, told], [["f.txt", "g.txt"], []])
        }),
      {},
      deletable
    ))

  const failures: ReadonlyArray<readonly [string, TestTransport.Fault, string, string]> = [
    ["the CREATE of the part", refuses(/^g\.txt/, "STATUS_DISK_FULL"), "CREATE", "STATUS_DISK_FULL"],
    ["the WRITE", { on: "WRITE", skip: 1, is: { status: "STATUS_DISK_FULL" } }, "WRITE", "STATUS_DISK_FULL"],
    // The first file has three CLOSEs: of its folder, of its part and of the rename.
    [
      "the CLOSE of the part",
      { on: "CLOSE", skip: 3, times: 1, is: { status: "STATUS_DISK_FULL" } },
      "CLOSE",
      "STATUS_DISK_FULL"
    ],
    [
      "the rename",
      { on: "SET_INFO", when: isRename, skip: 1, is: { status: "STATUS_ACCESS_DENIED" } },
      "SET_INFO",
      "STATUS_ACCESS_DENIED"
    ]
  ]
  it.effect.each(failures)("leaves no part if the server refuses %s, and the error has the name that the user knows", (
    [, fault, command, status]
  ) =>
    run(
      [fault],
      (put, { names, sent, told }) =>
        Effect.gen(function*() {
          yield* put(undefined, true)
          const isCreate = command === "CREATE"
          let error: SmbError | undefined
          const words = yield* sent(Effect.map(Effect.flip(put(at("g.txt"), true)), (failed) => error = failed))
          assert.deepStrictEqual([error!.command, error!.statusName], [command, status])
          assert.strictEqual(isCreate ? "\\\\nas\\data\\g.txt" : error!.path, "\\\\nas\\data\\g.txt")
          assert.notMatch(error!.message, /--in-place/, "no file exists that could be written in place")
          assert.deepStrictEqual([yield* names, told], [["f.txt"], []])
          // A part that was never made is not removed.
          assert.strictEqual(words.some((word) => word.startsWith("open g.txt.PART")), !isCreate)
          assert.strictEqual(words.length, isCreate ? 3 : words.length)
        }),
      {},
      deletable
    ))

  it.effect("is not tried again under another name if the server refuses the rename", () =>
    run(
      [{ on: "SET_INFO", when: isRename, skip: 1, is: { status: "STATUS_ACCESS_DENIED" } }],
      (put, { names, sent, text }) =>
        Effect.gen(function*() {
          yield* put()
          const words = yield* sent(Effect.flip(put()))
          assert.strictEqual(words.filter((word) => word.startsWith("CREATE")).length, 1)
          const error = yield* Effect.flip(put())
          assert.match(error.message, /the existing file could not be replaced: --in-place writes into the file itself/)
          assert.deepStrictEqual([yield* names, yield* text], [["f.txt"], "new content"])
        }),
      { "f.txt": "old" },
      deletable
    ))

  it.effect("may have left its part if the connection ends: it is removed, or the user is told of it", () =>
    Effect.gen(function*() {
      for (const isBack of [true, false]) {
        // With the WRITE, the server may have made the part.
        const drop: TestTransport.Fault = { on: "WRITE", skip: 1, times: 1, is: "drop" }
        const refuse: TestTransport.Fault = {
          on: "CREATE",
          when: ({ request }) =>
            request._tag === "CREATE" && request.body.name.endsWith(".part") && request.body.createDisposition === 1,
          skip: 1,
          is: { status: "STATUS_ACCESS_DENIED" }
        }
        yield* run(
          isBack ? [drop] : [drop, refuse],
          (put, { names, told }) =>
            Effect.gen(function*() {
              yield* put()
              const error: unknown = yield* Effect.flip(put())
              assert(error instanceof TransportError)
              const after = yield* names
              if (isBack) return assert.deepStrictEqual([after, told], [["f.txt"], []])
              assert.lengthOf(after, 2)
              assert.lengthOf(told, 1)
              assert.include(told[0]!.message, `\\${after[1]!}: an unfinished file is left there`)
            }),
          { "f.txt": "old" },
          deletable
        )
      }
    }))
})

describe("the file that is replaced", () => {
  const attributes = (fileAttributes: number) => (smb: SmbClient.Client) =>
    smb.setAttributes("\\\\nas\\data\\f.txt", { fileAttributes })

  it.effect("is not replaced if it is read-only, and the error says what to do; nothing is sent", () =>
    run([], (put, { sent, smb, text }) =>
      Effect.gen(function*() {
        for (const value of [0x01, 0x21, 0x23]) {
          yield* attributes(value)(smb)
          let error: SmbError | undefined
          const words = yield* sent(Effect.map(Effect.flip(put()), (failed) => error = failed))
          assert.deepStrictEqual(words, look)
          assert.deepInclude(error, { command: "CREATE", statusName: "STATUS_ACCESS_DENIED" })
          assert.strictEqual(error!.path, "\\\\nas\\data\\f.txt")
          assert.match(error!.message, /The file is read-only, and is not replaced\. Clear that attribute/)
        }
        assert.strictEqual(yield* text, "old")
        yield* attributes(0x20)(smb)
        yield* put()
        assert.strictEqual(yield* text, "new content")
      }), { "f.txt": "old" }))

  it.effect("is no directory; nothing is sent", () =>
    run([], (put, { sent }) =>
      Effect.gen(function*() {
        let error: SmbError | undefined
        assert.deepStrictEqual(yield* sent(Effect.map(Effect.flip(put()), (failed) => error = failed)), look)
        assert.deepStrictEqual(
          [error!.statusName, error!.command, error!.path],
          ["STATUS_FILE_IS_A_DIRECTORY", "CREATE", "\\\\nas\\data\\f.txt"]
        )
      }), { "f.txt": {} }))

  it.effect("may exist if the user has no right to look at it: only --in-place would write into it", () =>
    run(
      [{
        on: "CREATE",
        when: ({ request }) => request._tag === "CREATE" && request.body.name === "f.txt",
        is: { status: "STATUS_ACCESS_DENIED" },
        times: 1
      }, refuses(/^f\.txt\./, "STATUS_ACCESS_DENIED")],
      (put, { names, text }) =>
        Effect.gen(function*() {
          assert.match((yield* Effect.flip(put())).message, /--in-place/)
          assert.deepStrictEqual([yield* names, yield* text], [["f.txt"], "old"])
        }),
      { "f.txt": "old" }
    ))

  it.effect("stays if the connection ends at the look at it; no part is made", () =>
    run([{ on: "CREATE", times: 1, is: "drop" }], (put, { names, sent }) =>
      Effect.gen(function*() {
        // A look changes nothing, so that the client connects again by itself.
        assert.deepStrictEqual((yield* sent(Effect.result(put()))).filter((word) => word.startsWith("open f.txt.")), [])
        assert.include(yield* names, "f.txt")
      }), { "f.txt": "old" }))
})

describe("a request that fails", () => {
  const table: ReadonlyArray<readonly [string, TestTransport.Fault, Says]> = [
    ["the WRITE", { on: "WRITE", is: { status: "STATUS_DISK_FULL" } }, {}],
    ["the WRITE", { on: "WRITE", is: { status: "STATUS_DISK_FULL" } }, deletable],
    ["the FLUSH", { on: "FLUSH", is: { status: "STATUS_DISK_FULL" } }, {}],
    // The first CLOSEs are those of the looks at the existing file and at the folder.
    ["the CLOSE of the part", { on: "CLOSE", skip: 2, times: 1, is: { status: "STATUS_DISK_FULL" } }, deletable],
    ["the rename by the open", { on: "SET_INFO", when: isRename, is: { status: "STATUS_DISK_FULL" } }, {}],
    ["the rename by the name", { on: "SET_INFO", when: isRename, is: { status: "STATUS_DISK_FULL" } }, deletable]
  ]
  it.effect.each(table)(
    "leaves the old file and no part: %s (%#)",
    ([what, fault, says]) =>
      run(
        [fault],
        (put, { names, text, told }) =>
          Effect.gen(function*() {
            const error = yield* Effect.flip(put())
            assert.deepStrictEqual([error.statusName, error.path], ["STATUS_DISK_FULL", "\\\\nas\\data\\f.txt"])
            assert.strictEqual(/--in-place/.test(error.message), what.startsWith("the rename"))
            assert.deepStrictEqual([yield* names, yield* text, told], [["f.txt"], "old", []])
          }),
        { "f.txt": "old" },
        says
      )
  )

  it.effect("leaves no file if it is a new one at its final name", () =>
    run(
      [refuses(/^f\.txt\./, "STATUS_OBJECT_NAME_INVALID"), { on: "WRITE", is: { status: "STATUS_DISK_FULL" } }],
      (put, { names, told }) =>
        Effect.gen(function*() {
          assert.strictEqual((yield* Effect.flip(put())).path, "\\\\nas\\data\\f.txt")
          assert.deepStrictEqual([yield* names, told], [[], []])
        })
    ))

  it.effect("is reported with the part's status, command and path if the part is in the place of the new name", () =>
    run(
      [{ on: "SET_INFO", when: isRename, is: { status: "STATUS_SHARING_VIOLATION" } }],
      (put) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(put())
          assert.deepStrictEqual([error.command, error.statusName], ["SET_INFO", "STATUS_SHARING_VIOLATION"])
          assert.notProperty(error, "detail", "no file exists that could be written in place")
        }),
      {}
    ))

  it.effect("because of the share has the share's path, and is no reason for another name", () =>
    run([{ on: "TREE_CONNECT", is: { status: "STATUS_ACCESS_DENIED" } }], (put, { creates }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(put(undefined, true))
        assert.deepStrictEqual([error.command, error.path], ["TREE_CONNECT", "\\\\nas\\data"])
        assert.deepStrictEqual(yield* creates, [])
      })))

  it.effect("is a failure of the CLOSE after the rename: it is reported, and the new file stays", () =>
    run(
      [{ on: "CLOSE", skip: 1, is: { status: "STATUS_DISK_FULL" } }],
      (put, { sent, text, told }) =>
        Effect.gen(function*() {
          let error: SmbError | undefined
          const words = yield* sent(Effect.map(Effect.flip(put()), (failed) => error = failed))
          assert.deepStrictEqual([error!.command, error!.path], ["CLOSE", "\\\\nas\\data\\f.txt"])
          assert.notInclude(words, "delete")
          assert.deepStrictEqual([yield* text, told], ["new content", []])
        }),
      { "f.txt": "old" }
    ))
})

describe("a request without a response", () => {
  it.effect("to create the part: the part is removed, or the user is told that it may exist", () =>
    Effect.gen(function*() {
      for (const isRemoved of [true, false]) {
        const drop = { ...refuses(/\.part$/, "STATUS_ACCESS_DENIED"), times: 1, is: "drop" } as const
        const refuse: TestTransport.Fault = {
          on: "CREATE",
          when: ({ request }) => request._tag === "CREATE" && request.body.name.endsWith(".part"),
          is: { status: "STATUS_ACCESS_DENIED" }
        }
        yield* run(isRemoved ? [drop] : [drop, refuse], (put, { sent, told }) =>
          Effect.gen(function*() {
            let error: unknown
            const words = yield* sent(Effect.map(Effect.flip(put()), (failed) => error = failed))
            assert(error instanceof TransportError)
            assert.include(words, "open f.txt.PART")
            if (isRemoved) return assert.deepStrictEqual(told, [])
            // The server has the name, since it refuses the removal.
            assert.lengthOf(told, 1)
            assert.match(
              told[0]!.message!,
              /\.part: an unfinished file is left there, since it could not be removed \(/
            )
            assert.strictEqual(told[0]!.kind, "Unfinished")
          }), { "f.txt": "old" })
      }
    }))

  it.effect("to remove the part: the user is told within a second that it may exist", () =>
    run(
      [
        { ...refuses(/\.part$/, "STATUS_ACCESS_DENIED"), times: 1, is: "drop" },
        {
          on: "CREATE",
          when: ({ request }) => request._tag === "CREATE" && request.body.name.endsWith(".part"),
          is: "silence"
        }
      ],
      (put, { told }) =>
        Effect.gen(function*() {
          const { took } = yield* VirtualTime.run(Effect.flip(put()))
          assert.strictEqual(took, 1000)
          assert.lengthOf(told, 1)
          assert.match(
            told[0]!.message!,
            /\.part: an unfinished file may be left there, .* \(no answer within 1 second\)\. Remove it\.$/
          )
        }),
      { "f.txt": "old" }
    ))

  it.effect("to create a new file at its final name: the user is told of it if it exists, and it stays", () =>
    Effect.gen(function*() {
      for (const exists of [true, false]) {
        const faults: ReadonlyArray<TestTransport.Fault> = [
          refuses(/^f\.txt\./, "STATUS_OBJECT_NAME_INVALID"),
          { ...refuses(/^f\.txt$/, "STATUS_ACCESS_DENIED"), times: 1, is: "drop" }
        ]
        yield* run(faults, (put, { names, told }) =>
          Effect.gen(function*() {
            const error: unknown = yield* Effect.flip(put(undefined, true))
            assert(error instanceof TransportError)
            assert.deepStrictEqual(yield* names, exists ? ["f.txt"] : [])
            assert.lengthOf(told, exists ? 1 : 0)
            if (!exists) return
            assert.match(
              told[0]!.message!,
              /f\.txt: an unfinished file may be left there\. Look at it, and remove it or/
            )
          }), exists ? { "f.txt": "theirs" } : {})
      }
    }))

  it.effect("to create a new file at its final name: the user is told of it if the server cannot be asked, or is silent", () =>
    Effect.gen(function*() {
      for (const isSilent of [false, true]) {
        const faults: ReadonlyArray<TestTransport.Fault> = [
          refuses(/^f\.txt\./, "STATUS_OBJECT_NAME_INVALID"),
          { ...refuses(/^f\.txt$/, "STATUS_ACCESS_DENIED"), times: 1, is: "drop" },
          {
            on: "CREATE",
            when: ({ request }) => request._tag === "CREATE" && request.body.name === "f.txt",
            is: isSilent ? "silence" : { status: "STATUS_ACCESS_DENIED" }
          }
        ]
        yield* run(faults, (put, { told }) =>
          Effect.gen(function*() {
            const { took } = yield* VirtualTime.run(Effect.flip(put(undefined, true)))
            assert.strictEqual(took, isSilent ? 1000 : 0)
            assert.lengthOf(told, 1)
            assert.match(told[0]!.message!, /f\.txt: an unfinished file may be left there\. Look at it/)
          }))
      }
    }))

  it.effect("to rename by the open: only the name of the part is removed, never the open, which may be the target", () =>
    run(
      [{ on: "SET_INFO", when: isRename, times: 1, is: "drop" }],
      (put, { names, sent, text, told }) =>
        Effect.gen(function*() {
          const words = yield* sent(Effect.flip(put()))
          assert.notInclude(words.slice(0, words.indexOf("rename f.txt")), "delete")
          assert.include(words.slice(words.indexOf("rename f.txt")), "open f.txt.PART")
          assert.deepStrictEqual([yield* names, yield* text, told], [["f.txt"], "old", []])
        }),
      { "f.txt": "old" }
    ))

  it.effect("after the rename by the open was refused, the part is removed by the open", () =>
    run(
      [{ on: "SET_INFO", when: isRename, is: { status: "STATUS_SHARING_VIOLATION" } }],
      (put, { names, sent }) =>
        Effect.gen(function*() {
          const words = yield* sent(Effect.flip(put()))
          assert.deepStrictEqual(words.slice(words.indexOf("rename f.txt")), ["rename f.txt", "delete", "CLOSE"])
          assert.deepStrictEqual(yield* names, ["f.txt"])
        }),
      { "f.txt": "old" }
    ))
})

describe("an incomplete part", () => {
  const full: TestTransport.Fault = { on: "WRITE", is: { status: "STATUS_DISK_FULL" } }
  const opensPart = ({ request }: TestTransport.Received) =>
    request._tag === "CREATE" && request.body.name.endsWith(".part") && request.body.createDisposition === 1

  it.effect("that can be deleted later is removed by its open, and by its name if that is refused", () =>
    Effect.gen(function*() {
      yield* run(
        [full],
        (put, { names, sent }) =>
          Effect.gen(function*() {
            assert.deepStrictEqual((yield* sent(Effect.flip(put()))).slice(-3), ["WRITE", "delete", "CLOSE"])
            assert.deepStrictEqual(yield* names, [])
          }),
        {},
        deletable
      )
      yield* run(
        [full, { on: "SET_INFO", when: isDeletion, times: 1, is: { status: "STATUS_ACCESS_DENIED" } }],
        (put, { names, sent, told }) =>
          Effect.gen(function*() {
            const words = yield* sent(Effect.flip(put()))
            assert.deepStrictEqual(words.slice(-5), ["delete", "CLOSE", "open f.txt.PART", "delete", "CLOSE"])
            assert.deepStrictEqual([yield* names, told], [[], []])
          }),
        {},
        deletable
      )
    }))

  it.effect("that cannot be deleted later is removed by its open, and by its name if that is refused", () =>
    Effect.gen(function*() {
      yield* run([full], (put, { names, sent }) =>
        Effect.gen(function*() {
          assert.deepStrictEqual((yield* sent(Effect.flip(put()))).slice(-3), ["WRITE", "delete", "CLOSE"])
          assert.deepStrictEqual(yield* names, [])
        }))
      yield* run(
        [full, { on: "SET_INFO", when: isDeletion, times: 1, is: { status: "STATUS_ACCESS_DENIED" } }],
        (put, { names, sent, told }) =>
          Effect.gen(function*() {
            assert.include(yield* sent(Effect.flip(put())), "open f.txt.PART")
            assert.deepStrictEqual([yield* names, told], [[], []])
          })
      )
    }))

  it.effect("that is gone is not reported", () =>
    run(
      [full, { on: "SET_INFO", when: isDeletion, is: { status: "STATUS_ACCESS_DENIED" } }, {
        on: "CREATE",
        when: opensPart,
        is: { status: "STATUS_OBJECT_NAME_NOT_FOUND" }
      }],
      (put, { told }) =>
        Effect.gen(function*() {
          assert.strictEqual((yield* Effect.flip(put())).statusName, "STATUS_DISK_FULL")
          assert.deepStrictEqual(told, [])
        })
    ))

  it.effect("is reported as left if the server does not respond to its removal", () =>
    run([full, { on: "SET_INFO", when: isDeletion, is: "silence" }], (put, { told }) =>
      Effect.gen(function*() {
        const { took } = yield* VirtualTime.run(Effect.flip(put()))
        assert.strictEqual(took, 1000)
        assert.lengthOf(told, 1)
        assert.match(
          told[0]!.message!,
          /an unfinished file is left there, since it could not be removed \(no answer within 1 second\)/
        )
      })))

  it.effect("is removed after an interruption", () =>
    Effect.gen(function*() {
      for (const says of [{}, deletable]) {
        yield* run(
          [],
          (_, { names, replace, told }) =>
            Effect.gen(function*() {
              const fiber = yield* Effect.forkChild(
                replace(at("f.txt"), { _tag: "Flow", run: (to) => to.writeFrom(() => Effect.never) })
              )
              for (let i = 0; i < 1000 && (yield* names).length < 2; i++) {
                yield* Effect.yieldNow
              }
              assert.match((yield* names)[1] ?? "", part)
              yield* Fiber.interrupt(fiber)
              assert.deepStrictEqual([yield* names, told], [["f.txt"], []])
            }),
          { "f.txt": "old" },
          says
        )
      }
    }))
})

it.effect("the count of written bytes is that of the content", () =>
  run([], (put, { replace }) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* put(), BigInt(content.length))
      assert.strictEqual(yield* replace(at("g"), { _tag: "Flow", run: () => Effect.succeed(7n) }), 7n)
    })))
