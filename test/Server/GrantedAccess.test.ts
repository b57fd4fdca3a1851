/**
 * Proves which access a CREATE of an existing file gets (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1.2.1), which rights of the parent
 * directory count, and which of them a new or replaced name needs, against a model that looks at one right at a time.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { NtStatus as Status } from "effect-smb/Codec"
import * as CreateCheck from "../../src/Server/internal/Command/CreateCheck.ts"
import * as FileRights from "../../src/Server/internal/Command/FileRights.ts"
import * as Access from "../../src/Server/internal/State/Access.ts"
import type { StoreNode } from "../../src/Server/ShareStore.ts"
import { AccessMask as A, CreateOptions as O, FileAttributes as F } from "../../src/Smb2/Message/Constants.ts"
import { random } from "../random.ts"
import { descriptor, sids } from "./people.ts"
import * as Requests from "./requests.ts"

const { STATUS_ACCESS_DENIED, STATUS_CANNOT_DELETE, STATUS_PRIVILEGE_NOT_HELD } = Status.NtStatus

/** Each right of a file by itself. */
const rights = [
  A.FILE_READ_DATA,
  A.FILE_WRITE_DATA,
  A.FILE_APPEND_DATA,
  A.FILE_READ_EA,
  A.FILE_WRITE_EA,
  A.FILE_EXECUTE,
  A.FILE_DELETE_CHILD,
  A.FILE_READ_ATTRIBUTES,
  A.FILE_WRITE_ATTRIBUTES,
  A.DELETE,
  A.READ_CONTROL,
  A.WRITE_DAC,
  A.WRITE_OWNER,
  A.SYNCHRONIZE,
  A.ACCESS_SYSTEM_SECURITY
] as const
const sum = (some: Iterable<number>): number => [...some].reduce((all, one) => all | one, 0)
const split = (mask: number): Set<number> => new Set(rights.filter((right) => (mask & right) !== 0))

interface Case {
  readonly desired: number
  /** The rights that the file's descriptor gives the user. */
  readonly own: number
  /** The rights that the parent's descriptor gives the user, if the parent is asked. */
  readonly above: number | undefined
  readonly share: number
  readonly administrator: boolean
  readonly fileAttributes: number
  readonly type: "file" | "directory"
  readonly overwrite: boolean
  readonly isStream: boolean
  readonly deletesOnClose: boolean
}

const user = (administrator: boolean) => ({
  name: "joe",
  sid: sids.joe,
  groups: new Set<string>(),
  administrator,
  guest: false,
  anonymous: false
})

const bearer = (maximalAccess: number = Access.generic.all): FileRights.Bearer => ({ user: user(false), maximalAccess })

const request = (desiredAccess: number, createOptions = 0) => {
  const { body } = Requests.create("f", { desiredAccess, createOptions })
  return body as Parameters<typeof CreateCheck.grant>[1]
}

const grant = (one: Case) =>
  CreateCheck.grant(
    { session: { user: user(one.administrator) }, tree: { maximalAccess: one.share } } as never,
    request(one.desired, one.deletesOnClose ? O.FILE_DELETE_ON_CLOSE : O.FILE_NON_DIRECTORY_FILE),
    { fileAttributes: one.fileAttributes, type: one.type } as StoreNode,
    descriptor(sids.ann, { joe: one.own }),
    one.above === undefined ? undefined : descriptor(sids.ann, { joe: one.above }),
    one.overwrite,
    one.isStream
  )

const model = (one: Case): CreateCheck.GrantedAccess => {
  const asksForAll = (one.desired & A.MAXIMUM_ALLOWED) !== 0
  const asked = split(Access.mapGeneric(one.desired))
  const has = split(one.own)
  if (one.administrator) { for (const right of [A.WRITE_OWNER, A.ACCESS_SYSTEM_SECURITY]) has.add(right) }
  if (one.above !== undefined) {
    const above = split(one.above)
    if (above.has(A.FILE_DELETE_CHILD) && !one.isStream) has.add(A.DELETE)
    if (above.has(A.FILE_READ_DATA)) has.add(A.FILE_READ_ATTRIBUTES)
  }
  const needed = new Set(asked)
  if (one.overwrite) needed.add(A.FILE_WRITE_DATA)
  needed.delete(A.SYNCHRONIZE)
  const needsPrivilege = needed.delete(A.ACCESS_SYSTEM_SECURITY)
  const share = split(one.share)
  for (const right of needed) if (!has.has(right)) return { refused: STATUS_ACCESS_DENIED }
  if (needsPrivilege && !one.administrator) return { refused: STATUS_PRIVILEGE_NOT_HELD }
  for (const right of needed) if (!share.has(right)) return { refused: STATUS_ACCESS_DENIED }
  const isReadOnly = (one.fileAttributes & F.FILE_ATTRIBUTE_READONLY) !== 0
  const keepsData = isReadOnly && one.type === "file"
  if (keepsData && (one.overwrite || asked.has(A.FILE_WRITE_DATA) || asked.has(A.FILE_APPEND_DATA))) {
    return { refused: STATUS_ACCESS_DENIED }
  }
  if (one.deletesOnClose && isReadOnly) return { refused: STATUS_CANNOT_DELETE }
  const granted = new Set(asked)
  if (asksForAll) {
    for (const right of has) {
      if (!share.has(right) || right === A.ACCESS_SYSTEM_SECURITY) continue
      if (keepsData && (right === A.FILE_WRITE_DATA || right === A.FILE_APPEND_DATA)) continue
      granted.add(right)
    }
  }
  if (one.deletesOnClose && !granted.has(A.DELETE)) return { refused: STATUS_ACCESS_DENIED }
  const access = sum(granted)
  return { access, checked: access | (one.overwrite ? A.FILE_WRITE_DATA : 0), maximal: sum(has) }
}

const whole: Case = {
  desired: A.FILE_READ_DATA,
  own: Access.generic.all,
  above: undefined,
  share: Access.generic.all,
  administrator: false,
  fileAttributes: 0,
  type: "file",
  overwrite: false,
  isStream: false,
  deletesOnClose: false
}

const check = (one: Case) => assert.deepStrictEqual(grant(one), model(one), JSON.stringify(one))

describe("a CREATE of an existing file", () => {
  it("needs each right that it asks for, from the file's descriptor and from the share", () => {
    for (const desired of [...rights, A.GENERIC_ALL, A.GENERIC_READ, A.GENERIC_WRITE, A.GENERIC_EXECUTE]) {
      for (const missing of [0, ...rights]) {
        for (const overwrite of [false, true]) {
          for (const administrator of [false, true]) {
            const one = { ...whole, desired, overwrite, administrator }
            check({ ...one, own: Access.generic.all & ~missing })
            check({ ...one, share: Access.generic.all & ~missing })
          }
        }
      }
    }
    // Without the share's right to write, a CREATE cannot have it: a user's own rights do not change that.
    assert.deepStrictEqual(
      grant({ ...whole, desired: A.FILE_WRITE_DATA, share: Access.readOnlyAccess }),
      { refused: STATUS_ACCESS_DENIED }
    )
  })

  it("gets what a model of single rights says, in any combination", () => {
    const next = random(20_317)
    const refused = new Map<string, number>()
    for (let turn = 0; turn < 3000; turn++) {
      const some = (often: number) => sum(rights.filter(() => next(often) > 0))
      const few = sum(rights.filter(() => next(8) === 0))
      const one: Case = {
        desired: few | (next(3) === 0 ? A.MAXIMUM_ALLOWED : 0) | (next(12) === 0 ? A.GENERIC_READ : 0),
        own: some(12),
        above: next(2) === 0 ? undefined : some(2),
        share: next(2) === 0 ? Access.generic.all : next(2) === 0 ? Access.readOnlyAccess : some(12),
        administrator: next(3) === 0,
        fileAttributes: next(3) === 0 ? F.FILE_ATTRIBUTE_READONLY : next(2) === 0 ? F.FILE_ATTRIBUTE_HIDDEN : 0,
        type: next(3) === 0 ? "directory" : "file",
        overwrite: next(4) === 0,
        isStream: next(4) === 0,
        deletesOnClose: next(4) === 0
      }
      check(one)
      const expected = model(one)
      const outcome = "refused" in expected ? String(expected.refused) : "granted"
      refused.set(outcome, (refused.get(outcome) ?? 0) + 1)
    }
    // The model must have said each thing often enough to prove something.
    for (const outcome of [STATUS_ACCESS_DENIED, STATUS_CANNOT_DELETE, STATUS_PRIVILEGE_NOT_HELD, "granted"]) {
      assert.isAbove(refused.get(String(outcome)) ?? 0, 30, String(outcome))
    }
  })

  it("needs the parent directory's rights only if they can change the result", () => {
    const granted = { access: 1, checked: 1, maximal: 1 }
    const asks = (maximalAccess: boolean) => ({ maximalAccess }) as never
    assert.isTrue(CreateCheck.mattersAbove({ refused: STATUS_ACCESS_DENIED }, request(1), asks(false)))
    assert.isTrue(CreateCheck.mattersAbove(granted, request(1), asks(true)))
    assert.isTrue(CreateCheck.mattersAbove(granted, request(A.MAXIMUM_ALLOWED | 1), asks(false)))
    assert.isFalse(CreateCheck.mattersAbove(granted, request(1), asks(false)))
  })
})

describe("a name in a directory", () => {
  it("needs FILE_ADD_FILE for a file and FILE_ADD_SUBDIRECTORY for a directory, and no other right suffices", () => {
    for (const right of rights) {
      for (const isDirectory of [false, true]) {
        const parent = descriptor(sids.ann, { joe: right })
        const result = Effect.runSync(Effect.result(FileRights.checkAdding(parent, bearer(), isDirectory)))
        const expected = right === (isDirectory ? A.FILE_ADD_SUBDIRECTORY : A.FILE_ADD_FILE)
        assert.strictEqual(Result.isSuccess(result), expected, `${right.toString(16)} ${isDirectory}`)
        if (Result.isFailure(result)) assert.strictEqual(result.failure.status, STATUS_ACCESS_DENIED)
      }
    }
  })

  it("needs these rights from the share as well", () => {
    const parent = descriptor(sids.ann, { joe: Access.generic.all })
    for (const missing of rights) {
      const share = bearer(Access.generic.all & ~missing)
      for (const isDirectory of [false, true]) {
        const result = Effect.runSync(Effect.result(FileRights.checkAdding(parent, share, isDirectory)))
        const needed = isDirectory ? A.FILE_ADD_SUBDIRECTORY : A.FILE_ADD_FILE
        assert.strictEqual(Result.isSuccess(result), missing !== needed, `${missing.toString(16)} ${isDirectory}`)
      }
      const file = { getBlob: () => Effect.succeed(Access.encode(parent)) }
      const store = { open: () => Effect.succeed({ file, node: { identity: "it", type: "file", fileAttributes: 0 } }) }
      const result = Effect.runSync(Effect.result(FileRights.checkReplacing({ store } as never, ["f"], parent, share)))
      assert.strictEqual(Result.isSuccess(result), missing !== A.DELETE, missing.toString(16))
    }
  })

  it("can be taken from a file with DELETE of that file or FILE_DELETE_CHILD, unless the file is read-only", () => {
    const node = (type: "file" | "directory", fileAttributes: number) => ({ identity: "it", type, fileAttributes })
    for (const own of rights) {
      for (const above of rights) {
        for (const type of ["file", "directory"] as const) {
          for (const attributes of [F.FILE_ATTRIBUTE_READONLY, F.FILE_ATTRIBUTE_HIDDEN]) {
            const bytes = Access.encode(descriptor(sids.ann, { joe: own }))
            const file = { getBlob: () => Effect.succeed(bytes) }
            const store = { open: () => Effect.succeed({ file, node: node(type, attributes) }) }
            const parent = descriptor(sids.ann, { joe: above })
            const result = Effect.runSync(Effect.result(
              FileRights.checkReplacing({ store } as never, ["f"], parent, bearer())
            ))
            const expected = (own === A.DELETE || above === A.FILE_DELETE_CHILD) &&
              !(attributes === F.FILE_ATTRIBUTE_READONLY && type === "file")
            assert.strictEqual(Result.isSuccess(result), expected)
            if (Result.isSuccess(result)) assert.strictEqual(result.success?.identity, "it")
            else assert.strictEqual(result.failure.status, STATUS_ACCESS_DENIED)
          }
        }
      }
    }
  })
})
