/**
 * Proves which files and directories may be removed (MS-FSA 2.1.5.5, 2.1.5.15.3), and which open names still stand for
 * their files: with stores that can be asked about a removal, and with stores that can only list.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { NtStatus as Status } from "effect-smb/Codec"
import * as DeletionCheck from "../../src/Server/internal/Command/DeletionCheck.ts"
import * as OpensByName from "../../src/Server/internal/Command/OpensByName.ts"
import type { FileOpen, Link, Share } from "../../src/Server/internal/State/Model.ts"
import { storeError, type StoreReason } from "../../src/Server/ShareStore.ts"

type Reason = StoreReason["_tag"]

interface Scene {
  readonly directory?: boolean
  /** Entries that the store lists, or why it cannot list them. */
  readonly entries?: number | Reason
  /** Whether the store lets the name be removed. Undefined: it cannot be asked. */
  readonly mayRemove?: true | Reason | undefined
}

const identity = "17"
const path = ["a", "b"]

/** An open whose store notes how many entries were asked of it. */
const make = ({ directory = true, entries = 0, mayRemove }: Scene) => {
  const seen = { listed: 0 }
  const expects = (at: ReadonlyArray<string>, options: { readonly expected?: string | undefined } | undefined) => {
    assert.deepStrictEqual(at, path)
    // Another program can have put another file in this place.
    assert.deepStrictEqual(options, { expected: identity })
  }
  const store = {
    list: (at: ReadonlyArray<string>, options: { readonly expected: string }) => {
      expects(at, options)
      return typeof entries !== "number"
        ? Stream.fail(storeError(entries))
        : Stream.fromIterable(Array.from({ length: entries }, (_, i) => ({ name: `${i}` }))).pipe(
          Stream.rechunk(1),
          Stream.tap(() => Effect.sync(() => seen.listed++))
        )
    },
    ...mayRemove === undefined ? {} : {
      mayRemove: (at: ReadonlyArray<string>, options: { readonly expected: string }) => {
        expects(at, options)
        return mayRemove === true ? Effect.void : Effect.fail(storeError(mayRemove))
      }
    }
  }
  const open = { path, share: { store }, stream: { file: { identity, directory } } } as unknown as FileOpen
  return { open, seen }
}

const outcome = (effect: Effect.Effect<unknown, any>): Promise<unknown> =>
  Effect.runPromise(Effect.match(effect, {
    onSuccess: (value) => value,
    onFailure: (failure) => "status" in failure ? Status.name(failure.status) : failure.reason._tag
  }))

describe("a directory", () => {
  // A store that can be asked knows of entries that it does not list.
  const table: ReadonlyArray<readonly [string, Scene, boolean | Reason, boolean | Reason]> = [
    ["without entries, of a store that only lists", { entries: 0 }, true, true],
    ["with an entry, of a store that only lists", { entries: 1 }, false, false],
    ["that cannot be listed", { entries: "AccessDenied" }, "AccessDenied", "AccessDenied"],
    ["that the store would remove", { entries: 0, mayRemove: true }, true, true],
    ["with hidden entries", { entries: 0, mayRemove: "NotEmpty" }, false, false],
    // Other reasons say nothing about entries.
    ["that the store protects", { entries: 0, mayRemove: "AccessDenied" }, true, true],
    // The storage's own symbolic link to a directory.
    ["that is a link to a directory with entries", { entries: 3, mayRemove: true }, true, false],
    ["with entries that the store can be asked about", { entries: 3, mayRemove: "NotEmpty" }, false, false],
    ["that can be removed but not listed", { entries: "Failed", mayRemove: true }, true, "Failed"]
  ]
  it.each(table)("%s is clearable, and empty, as the table says", async (_, scene, clearable, empty) => {
    assert.strictEqual(await outcome(DeletionCheck.isClearable(make(scene).open)), clearable)
    assert.strictEqual(await outcome(DeletionCheck.isEmpty(make(scene).open)), empty)
  })

  it("with 1000 entries is known not to be empty after the first one", async () => {
    const { open, seen } = make({ entries: 1000 })
    assert.strictEqual(await outcome(DeletionCheck.isEmpty(open)), false)
    assert.strictEqual(seen.listed, 1)
  })
})

describe("the check before a file is marked for deletion", () => {
  const table: ReadonlyArray<readonly [Scene, string | undefined]> = [
    [{ directory: false, entries: "Failed" }, undefined],
    [{ directory: false, mayRemove: true }, undefined],
    [{ directory: false, mayRemove: "AccessDenied" }, "STATUS_ACCESS_DENIED"],
    [{ entries: 0 }, undefined],
    [{ entries: 1 }, "STATUS_DIRECTORY_NOT_EMPTY"],
    [{ entries: "Busy" }, "STATUS_SHARING_VIOLATION"],
    [{ mayRemove: true, entries: 5 }, undefined],
    [{ mayRemove: "NotEmpty", entries: 0 }, "STATUS_DIRECTORY_NOT_EMPTY"],
    [{ mayRemove: "ReadOnly", entries: 0 }, "STATUS_MEDIA_WRITE_PROTECTED"]
  ]
  it("refuses what the store would refuse, or a directory with entries", async () => {
    for (const [scene, expected] of table) {
      assert.strictEqual(await outcome(DeletionCheck.check(make(scene).open)), expected, JSON.stringify(scene))
    }
  })
})

describe("the open names", () => {
  /** A share whose store has these files by their path, and which has these links open. */
  const share = (files: Record<string, string>, links: ReadonlyArray<Link>) => {
    const asked: Array<string> = []
    const name = (at: ReadonlyArray<string>) => at.join("/")
    return {
      asked,
      share: {
        store: {
          stat: (at: ReadonlyArray<string>) => {
            asked.push(name(at))
            const found = files[name(at)]
            return found === undefined ? Effect.fail(storeError("NotFound")) : Effect.succeed({ identity: found })
          }
        },
        table: {
          at: (at: ReadonlyArray<string>) => links.filter((link) => name(link.path) === name(at)),
          below: (at: ReadonlyArray<string>) => links.filter((link) => name(link.path).startsWith(`${name(at)}/`))
        }
      } as unknown as Share
    }
  }
  const link = (at: string, of: string, deletePending = false, opens = 1): Link =>
    ({
      path: at.split("/"),
      file: { identity: of },
      deletePending,
      opens: new Set(Array.from({ length: opens }, () => ({})))
    }) as unknown as Link

  it("at a path are those whose file still has that name, of the links that matter", async () => {
    const [old, current, other] = [link("a", "1"), link("a", "2"), link("b", "3")]
    const { share: place } = share({ a: "2", b: "3" }, [old, current, other])
    const at = (of: string, concern: (one: Link) => boolean = () => true) =>
      Effect.runPromise(OpensByName.at(place, [of], concern))
    assert.deepStrictEqual(await at("a"), [current])
    assert.deepStrictEqual(await at("b"), [other])
    assert.deepStrictEqual(await at("a", (one) => one !== current), [])
    assert.deepStrictEqual(await at("c"), [])
  })

  it("at a path of which the store knows nothing are none, and the store is asked only if a link matters", async () => {
    const { asked, share: place } = share({}, [link("a", "1")])
    assert.deepStrictEqual(await Effect.runPromise(OpensByName.at(place, ["a"], () => true)), [])
    assert.deepStrictEqual(asked, ["a"])
    assert.deepStrictEqual(await Effect.runPromise(OpensByName.at(place, ["a"], () => false)), [])
    assert.deepStrictEqual(asked, ["a"])
  })

  it("are pending if one of them is marked for deletion and still stands for its file", async () => {
    const pending = (files: Record<string, string>, ...links: ReadonlyArray<Link>) =>
      Effect.runPromise(OpensByName.isPending(share(files, links).share, ["a"]))
    assert.isTrue(await pending({ a: "1" }, link("a", "1", true)))
    assert.isFalse(await pending({ a: "1" }, link("a", "1")))
    assert.isFalse(await pending({ a: "2" }, link("a", "1", true)))
    assert.isTrue(await pending({ a: "2" }, link("a", "1"), link("a", "2", true)))
    assert.isFalse(await pending({ a: "2" }, link("a", "2"), link("a", "1", true)))
  })

  it("below a directory are open if one of them still stands for its file", async () => {
    const below = (files: Record<string, string>, ...links: ReadonlyArray<Link>) =>
      Effect.runPromise(OpensByName.isOpenBelow(share(files, links).share, ["d"]))
    assert.isFalse(await below({}))
    assert.isTrue(await below({ "d/a": "1" }, link("d/a", "1")))
    assert.isFalse(await below({ "d/a": "2" }, link("d/a", "1")))
    // A name whose last open is about to be forgotten is not open; one that is about to be removed is.
    assert.isFalse(await below({ "d/a": "1" }, link("d/a", "1", false, 0)))
    assert.isTrue(await below({ "d/a": "1" }, link("d/a", "1", true, 0)))
    assert.isTrue(await below({ "d/b/c": "2" }, link("d/a", "1"), link("d/b/c", "2")))
    assert.isFalse(await below({ "e/a": "1", d: "2" }, link("e/a", "1"), link("d", "2")))
  })
})
