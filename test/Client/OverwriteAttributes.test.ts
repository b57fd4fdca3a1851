/**
 * What the client does after ACCESS_DENIED to an open for writing. MS-FSA 2.1.5.1.2.1: a file that is hidden or system
 * is overwritten only by a request with the same attributes, and a read-only file is not written to.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as OverwriteAttributes from "../../src/Client/internal/OverwriteAttributes.ts"
import * as OpenMode from "../../src/Client/OpenMode.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, SmbError } from "../../src/Protocol/Errors.ts"
import type * as Share from "../../src/Protocol/Share.ts"
import { AccessMask, CreateDisposition } from "../../src/Smb2/Message/Constants.ts"

const READONLY = 0x1
const HIDDEN = 0x2
const SYSTEM = 0x4
const DIRECTORY = 0x10
const ARCHIVE = 0x20
const denied = fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", "\\\\nas\\data\\f")

/**
 * Opens a file with these attributes (`undefined`: the user cannot query them) at a server as in MS-FSA, or at one that
 * refuses every open with `refuses`.
 */
const open = (
  attributes: number | undefined,
  options: Partial<Share.OpenOptions> = {},
  refuses?: SmbError
) => {
  const opens: Array<number | undefined> = []
  let queries = 0
  const share = {
    batch: (_: string, { desiredAccess }: Share.OpenOptions) => {
      queries++
      assert.strictEqual(desiredAccess, OpenMode.attributes.desiredAccess)
      return attributes === undefined
        ? Effect.fail(denied)
        : Effect.succeed({ opened: { fileAttributes: attributes }, results: [] })
    }
  } as unknown as Share.Share
  const result = Effect.result(
    OverwriteAttributes.retrying(share, (_, { fileAttributes }) => {
      opens.push(fileAttributes)
      if (refuses !== undefined) return Effect.fail(refuses)
      const existing = (attributes ?? 0) & (HIDDEN | SYSTEM)
      const isAllowed = ((attributes ?? 1) & READONLY) === 0 && ((fileAttributes ?? 0) & existing) === existing
      return isAllowed ? Effect.succeed("opened") : Effect.fail(denied)
    })("f", { ...OpenMode.create, createDisposition: CreateDisposition.FILE_OVERWRITE_IF, ...options })
  )
  return Effect.map(result, (result) => ({ result, opens, queries }))
}

describe("an overwriting open that the server refuses", () => {
  const dispositions = ["FILE_SUPERSEDE", "FILE_OVERWRITE", "FILE_OVERWRITE_IF"] as const
  for (const disposition of dispositions) {
    for (const existing of [HIDDEN, SYSTEM, HIDDEN | SYSTEM, HIDDEN | ARCHIVE, SYSTEM | 0x2000]) {
      it.effect(`succeeds with the attributes of the existing file: ${disposition}, 0x${existing.toString(16)}`, () =>
        Effect.gen(function*() {
          const { opens, queries, result } = yield* open(existing, {
            createDisposition: CreateDisposition[disposition]
          })
          assert.strictEqual(result._tag, "Success")
          // A file that was written to is to be archived, as with every write.
          assert.deepStrictEqual(opens, [undefined, existing & (HIDDEN | SYSTEM) | ARCHIVE])
          assert.strictEqual(queries, 1)
        }))
    }
  }

  it.effect("fails with the reason for a read-only file, which stays", () =>
    Effect.gen(function*() {
      for (const attributes of [READONLY, READONLY | HIDDEN, READONLY | ARCHIVE]) {
        for (const createDisposition of Object.values(CreateDisposition)) {
          const { opens, result } = yield* open(attributes, { createDisposition })
          assert(result._tag === "Failure" && result.failure instanceof SmbError)
          assert.strictEqual(result.failure.because, OverwriteAttributes.isReadOnly)
          assert.strictEqual(result.failure.reason._tag, "AccessDenied")
          assert.deepStrictEqual(opens, [undefined])
        }
      }
    }))

  it.effect("fails with the server's own error if the attributes are not the reason", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [string, Parameters<typeof open>]> = [
        ["no right", [ARCHIVE, {}, denied]],
        ["a directory", [DIRECTORY, {}, denied]],
        ["attributes that cannot be queried", [undefined]],
        ["attributes that the caller has chosen", [HIDDEN, { fileAttributes: ARCHIVE }]],
        ["an open that does not overwrite", [HIDDEN, { createDisposition: CreateDisposition.FILE_OPEN_IF }]]
      ]
      for (const [what, given] of cases) {
        const { opens, queries, result } = yield* open(...given)
        assert.deepStrictEqual([result._tag, opens.length, queries], ["Failure", 1, 1], what)
        assert.strictEqual(result._tag === "Failure" ? result.failure : undefined, denied, what)
      }
    }))

  it.effect("queries the attributes only after ACCESS_DENIED to a CREATE", () =>
    Effect.gen(function*() {
      for (
        const refusal of [
          fromStatus(NtStatus.STATUS_SHARING_VIOLATION, "CREATE", "f"),
          fromStatus(NtStatus.STATUS_ACCESS_DENIED, "WRITE", "f")
        ]
      ) {
        const { opens, queries } = yield* open(READONLY, {}, refusal)
        assert.deepStrictEqual([opens.length, queries], [1, 0])
      }
      assert.deepStrictEqual((yield* open(ARCHIVE)).queries, 0)
    }))
})

it.effect("an open that does not write and does not overwrite is not repeated, and each right to write counts", () =>
  Effect.gen(function*() {
    const plain = { createDisposition: CreateDisposition.FILE_OPEN }
    const { FILE_APPEND_DATA, FILE_READ_DATA, FILE_WRITE_DATA, GENERIC_WRITE } = AccessMask
    for (const desiredAccess of [FILE_WRITE_DATA, FILE_APPEND_DATA, GENERIC_WRITE]) {
      assert.strictEqual((yield* open(READONLY, { ...plain, desiredAccess })).queries, 1)
    }
    assert.strictEqual((yield* open(READONLY, { ...plain, desiredAccess: FILE_READ_DATA })).queries, 0)
    for (const createDisposition of [CreateDisposition.FILE_SUPERSEDE, CreateDisposition.FILE_OVERWRITE]) {
      assert.strictEqual((yield* open(READONLY, { createDisposition, desiredAccess: FILE_READ_DATA })).queries, 1)
    }
  }))
