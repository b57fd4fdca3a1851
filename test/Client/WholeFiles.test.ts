/**
 * readFile and writeFile: which files go in one compound, how many requests the others take, the limits at their
 * borders, and the file on the server afterwards. Over a scripted share that has one file.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as PathOperations from "../../src/Client/internal/PathOperations.ts"
import * as OpenMode from "../../src/Client/OpenMode.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, type RequestError } from "../../src/Protocol/Errors.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import type * as Share from "../../src/Protocol/Share.ts"
import { CreateDisposition } from "../../src/Smb2/Message/Constants.ts"
import * as Scripted from "./scripted.ts"

const path = "\\\\nas\\data\\f"
const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff)
const overwrites = new Set<number>([CreateDisposition.FILE_OVERWRITE_IF, CreateDisposition.FILE_CREATE])

/** A share with one file. Opens that overwrite empty it. */
const served = (given: {
  readonly content?: Uint8Array
  readonly endOfFile?: bigint
  readonly limit?: number
  readonly answer?: Scripted.Answer
}) => {
  let content = given.content ?? new Uint8Array(0)
  const opens: Array<Share.OpenOptions> = []
  const requests: Array<Operation.Any> = []
  let closes = 0
  const opened = (options: Share.OpenOptions, inCompound: boolean) => {
    opens.push(options)
    if (overwrites.has(options.createDisposition)) content = new Uint8Array(0)
    const file = Scripted.file({
      content,
      endOfFile: given.endOfFile ?? BigInt(content.length),
      answer: (one) => {
        const index = requests.push(one) - 1
        return given.answer?.(one, index)
      }
    })
    const run = ((one: Operation.Any) =>
      Effect.map(file.open.run(one), (result) => {
        content = file.content()
        return result
      })) as Share.OpenFile["run"]
    return { ...file.open, run, inCompound, close: Effect.sync(() => void closes++) }
  }
  const limit = given.limit ?? 1_000_000
  const share = Scripted.share({
    limits: { read: limit, write: limit, transact: 65_536 },
    open: (_, options) => Effect.sync(() => opened(options, false)),
    batch: ((_: string, options: Share.OpenOptions, operations: ReadonlyArray<Operation.Any>) =>
      Effect.suspend(() => {
        const file = opened(options, true)
        return Effect.map(
          Effect.forEach(operations, (one) => Effect.result(file.run(one) as Effect.Effect<unknown, RequestError>)),
          (results) => ({ opened: file.opened, results })
        )
      })) as unknown as Share.Share["batch"]
  })
  return {
    smb: PathOperations.operations(Scripted.context(share)),
    opens,
    requests,
    content: () => content,
    closes: () => closes
  }
}

describe("readFile", () => {
  for (const limit of [1000, 65_536, 1_000_000]) {
    // The READ of the compound has 64 KiB or the limit.
    const first = Math.min(limit, 65_536)
    for (const size of [0, 1, first - 1, first, first + 1, 3 * first]) {
      it.effect(`reads a file in one compound if it is shorter than the READ: ${size} bytes, limit ${limit}`, () =>
        Effect.gen(function*() {
          const content = bytes(size)
          const { opens, requests, smb } = served({ content, limit })
          assert.deepStrictEqual(yield* smb.readFile(path), content)
          assert.deepInclude(requests[0]!, { _tag: "Read", offset: 0n, length: first })
          assert.deepStrictEqual(opens, size < first ? [OpenMode.read] : [OpenMode.read, OpenMode.readSequentially])
          if (size < first) assert.strictEqual(requests.length, 1)
        }))
    }
  }

  it.effect("fails with FileTooLarge for one byte more than `maximum`, whether the size is known or not", () =>
    Effect.gen(function*() {
      for (const size of [1, 10, 999, 1000, 2500]) {
        for (const endOfFile of [BigInt(size), 0n]) {
          const content = bytes(size)
          const given = { content, endOfFile, limit: 1000 }
          assert.deepStrictEqual(yield* served(given).smb.readFile(path, { maximum: size }), content)
          const error = yield* Effect.flip(served(given).smb.readFile("//nas/data/f", { maximum: size - 1 }))
          assert.deepInclude({ ...error } as object, { _tag: "FileTooLarge", path: "//nas/data/f", maximum: size - 1 })
          // Without a size, the client knows how many bytes it has read.
          const found = (error as unknown as { readonly size: bigint }).size
          assert.isTrue(found > BigInt(size - 1) && found <= BigInt(size))
        }
      }
    }))

  it.effect("returns at most 2 GiB by default", () =>
    Effect.gen(function*() {
      const { requests, smb } = served({ content: bytes(2000), endOfFile: 0x8000_0001n, limit: 1000 })
      assert.deepInclude({ ...yield* Effect.flip(smb.readFile(path)) } as object, {
        _tag: "FileTooLarge",
        size: 0x8000_0001n,
        maximum: 0x8000_0000
      })
      assert.strictEqual(requests.length, 1)
    }))

  it.effect("reads on if the compound's READ has fewer bytes than the file", () =>
    Effect.gen(function*() {
      const content = bytes(800)
      const { opens, smb } = served({
        content,
        answer: (_, index) => index === 0 ? Effect.succeed(content.slice(0, 300)) : undefined
      })
      assert.deepStrictEqual(yield* smb.readFile(path), content)
      assert.strictEqual(opens.length, 2)
    }))

  it.effect("fails with FileShortened if the file is shorter than its open says, and with the READ's error", () =>
    Effect.gen(function*() {
      const { smb } = served({ content: bytes(1500), endOfFile: 2500n, limit: 1000 })
      assert.deepInclude({ ...yield* Effect.flip(smb.readFile(path)) } as object, {
        _tag: "FileShortened",
        path,
        expected: 2500n,
        found: 1500n
      })
      const locked = fromStatus(NtStatus.STATUS_FILE_LOCK_CONFLICT, "READ", path)
      assert.strictEqual(yield* Effect.flip(served({ answer: () => Effect.fail(locked) }).smb.readFile(path)), locked)
    }))

  it.effect("gives text as UTF-8", () =>
    Effect.gen(function*() {
      const { smb } = served({ content: new TextEncoder().encode("größer ☃") })
      assert.strictEqual(yield* smb.readFileString(path), "größer ☃")
    }))
})

describe("writeFile", () => {
  const names = (requests: ReadonlyArray<Operation.Any>) => requests.map(({ _tag }) => _tag)

  for (const size of [0, 1, 65_535, 65_536, 65_537, 200_000]) {
    for (const flush of [undefined, false, true]) {
      it.effect(`sends a file of ${size} bytes in one compound up to 64 KiB, and flushes after it with flush: ${flush}`, () =>
        Effect.gen(function*() {
          const { closes, content, opens, requests, smb } = served({ content: bytes(5), limit: 65_536 })
          yield* smb.writeFile(path, bytes(size), { flush })
          assert.deepStrictEqual(content(), bytes(size))
          assert.deepStrictEqual(opens, [OpenMode.overwrite])
          // A compound closes the file by itself.
          assert.strictEqual(closes(), size > 65_536 ? 1 : 0)
          const writes = Array.from({ length: Math.ceil(size / 65_536) }, () => "Write")
          assert.deepStrictEqual(names(requests), [...writes, ...(flush === true ? ["Flush"] : [])])
        }))
    }
  }

  it.effect("writes the rest of a small file to the file that it made, if the server took a part", () =>
    Effect.gen(function*() {
      for (const [size, limit] of [[3000, 1000], [1001, 1000], [1000, 1000]] as const) {
        const { content, opens, requests, smb } = served({ content: bytes(5), limit })
        yield* smb.writeFile(path, bytes(size), { create: true, flush: true })
        assert.deepStrictEqual(content(), bytes(size))
        assert.deepStrictEqual(opens, size > limit ? [OpenMode.create, OpenMode.write] : [OpenMode.create])
        // The rest is flushed too.
        assert.strictEqual(names(requests).at(-1), "Flush")
      }
    }))

  it.effect("overwrites by default, and writes text as UTF-8", () =>
    Effect.gen(function*() {
      for (
        const [options, mode] of [
          [undefined, OpenMode.overwrite],
          [{ create: false }, OpenMode.overwrite],
          [{ create: true }, OpenMode.create]
        ] as const
      ) {
        const { content, opens, smb } = served({})
        yield* smb.writeFile(path, "größer ☃", options)
        assert.strictEqual(new TextDecoder().decode(content()), "größer ☃")
        assert.deepStrictEqual(opens, [mode])
      }
    }))

  it.effect("fails with the error of the first request that fails", () =>
    Effect.gen(function*() {
      const full = fromStatus(NtStatus.STATUS_DISK_FULL, "WRITE", path)
      for (const size of [10, 200_000]) {
        for (const refused of ["Write", "Flush"]) {
          const answer: Scripted.Answer = ({ _tag }) => _tag === refused ? Effect.fail(full) : undefined
          const { smb } = served({ answer, limit: 65_536 })
          assert.deepStrictEqual(
            yield* Effect.result(smb.writeFile(path, bytes(size), { flush: true })),
            Result.fail(full)
          )
        }
      }
    }))
})

describe("sink, writeFrom and truncate", () => {
  it.effect("open the file as the options say: emptied without an offset, and kept with one", () =>
    Effect.gen(function*() {
      const kept = { ...OpenMode.overwrite, createDisposition: CreateDisposition.FILE_OPEN_IF }
      const table = [
        [undefined, OpenMode.overwrite],
        [{}, OpenMode.overwrite],
        [{ create: true }, OpenMode.create],
        [{ create: false }, OpenMode.overwrite],
        [{ offset: 0 }, kept],
        [{ offset: 0, create: true }, kept],
        [{ offset: undefined, truncate: true }, OpenMode.overwrite]
      ] as const
      for (const [options, mode] of table) {
        const { closes, opens, requests, smb } = served({ content: bytes(5) })
        yield* smb.writeFrom(path, () => Effect.succeed(0), options)
        assert.deepStrictEqual(opens, [mode])
        assert.strictEqual(closes(), 1)
        const isCut = options !== undefined && "truncate" in options
        assert.deepStrictEqual(requests.map(({ _tag }) => _tag), isCut ? ["SetInfo"] : [])
      }
    }))

  it.effect("truncate sets the end of the file at once: FileEndOfFileInformation, class 20 (MS-FSCC 2.4.14)", () =>
    Effect.gen(function*() {
      for (const size of [0, 3, 3n]) {
        const { content, opens, requests, smb } = served({ content: bytes(5) })
        yield* smb.truncate(path, size)
        assert.deepStrictEqual(content(), bytes(Number(size)))
        assert.deepStrictEqual(opens, [OpenMode.write])
        assert.deepInclude(requests[0]!, { information: { _tag: "File", fileInformationClass: 20 } })
      }
    }))
})
