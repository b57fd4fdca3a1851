/**
 * Proves how a LocalStore finds names: which directories it keeps open, that it closes each of them once and never
 * while it is in use, and which names it knows while other programs change the folder.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import type { StoreError } from "../../src/Server/ShareStore.ts"
import * as Local from "../../src/Server/Store/internal/Local.ts"
import { type Directory, type Limits, LocalTree } from "../../src/Server/Store/internal/LocalTree.ts"
import { sidecarName } from "../../src/Server/Store/internal/SidecarFolder.ts"

let folder = ""
let tree: LocalTree
const at = (...names: ReadonlyArray<string>) => join(folder, ...names)

beforeEach(() => {
  folder = Fs.realpathSync(Fs.mkdtempSync(join(tmpdir(), "effect-smb-tree-")))
})
afterEach(async () => {
  await tree.close()
  Fs.rmSync(folder, { recursive: true })
})

const make = async (limits: Partial<Limits> = {}) => {
  tree = await LocalTree.make(folder, sidecarName, { directories: 9, names: 1000, byPath: false, ...limits }, false)
}

const reason = (promise: Promise<unknown>) =>
  promise.then(() => assert.fail("it did not fail"), (error: StoreError) => error.reason._tag)

/** Waits until the closes that have begun are done: the thread pool takes its calls in order. */
const closed = async () => {
  // oxlint-disable-next-line no-await-in-loop -- one after the other, so that each thread has had a turn
  for (let i = 0; i < 12; i++) await Local.lstat(folder)
}

/** The directories that are open in this process at or below the folder, without the root's and the sidecar. */
const open = async (): Promise<ReadonlyArray<string>> => {
  await closed()
  return Fs.readdirSync(Local.descriptors).flatMap((fd) => {
    try {
      const place = Fs.readlinkSync(`${Local.descriptors}/${fd}`).replace(" (deleted)", "")
      const below = place.startsWith(`${folder}/`) ? place.slice(folder.length + 1) : ""
      return below === "" || below.startsWith(sidecarName) ? [] : [below]
    } catch {
      return []
    }
  }).sort()
}

/** A use of a directory that lasts until `end`. */
const held = async (...path: ReadonlyArray<string>) => {
  const began = Promise.withResolvers<Directory>()
  const end = Promise.withResolvers<void>()
  const done = tree.within(path, async (directory) => {
    began.resolve(directory)
    await end.promise
    return Fs.readdirSync(tree.at(directory, "."))
  })
  done.catch(began.reject)
  const directory = await began.promise
  return { directory, end: async () => (end.resolve(), await done) }
}

const list = (...path: ReadonlyArray<string>) =>
  tree.within(path, (directory) => Promise.resolve(Fs.readdirSync(tree.at(directory, "."))))

const onLinux = process.platform === "linux" ? "" : " (skipped: only Linux lists the descriptors of a process)"

describe.skipIf(onLinux !== "")(`the directories that a local tree keeps open${onLinux}`, () => {
  it("are at most the limit, without the root, and the longest unused is closed first", async () => {
    for (const name of ["a", "b", "c"]) Fs.mkdirSync(at(name))
    await make({ directories: 2 })
    for (const name of ["a", "b", "a", "c"]) await list(name)
    assert.deepStrictEqual(await open(), ["a", "c"])
    // The file system is in use by its root and by the two.
    assert.strictEqual(tree.root.volume.users, 3)
    await list()
    await list("b")
    assert.deepStrictEqual(await open(), ["b", "c"])
    await tree.close()
    assert.deepStrictEqual(await open(), [])
    await make()
  })

  it("are opened once, by any names of one path, and at the same time", async () => {
    Fs.mkdirSync(at("Dir", "Sub"), { recursive: true })
    await make()
    await Promise.all([list("Dir", "Sub"), list("dir", "SUB"), list("DIR", "Sub")])
    await list("DIR", "sub")
    assert.deepStrictEqual(await open(), ["Dir", "Dir/Sub"])
    assert.strictEqual(tree.root.volume.users, 3)
    const [one, other] = [await held("dir"), await held("Dir")]
    assert.strictEqual(one.directory, other.directory)
    assert.strictEqual(one.directory.users, 2)
    await one.end()
    await other.end()
    assert.strictEqual(one.directory.users, 0)
  })

  it("stay open while they are used, also by several calls, after another directory has taken their place", async () => {
    Fs.mkdirSync(at("d"))
    Fs.writeFileSync(at("d", "old"), "")
    await make()
    const uses = [await held("d"), await held("D")]
    Fs.renameSync(at("d"), at("moved"))
    Fs.mkdirSync(at("d"))
    Fs.writeFileSync(at("d", "new"), "")
    assert.deepStrictEqual(await list("d"), ["new"])
    assert.deepStrictEqual(await list("d"), ["new"])
    assert.deepStrictEqual(await open(), ["d", "moved"])
    assert.isTrue(uses[0]!.directory.dropped)
    assert.deepStrictEqual(await uses[0]!.end(), ["old"])
    assert.deepStrictEqual(await open(), ["d", "moved"])
    assert.deepStrictEqual(await uses[1]!.end(), ["old"])
    assert.deepStrictEqual(await open(), ["d"])
    // The other directory is still the one of this place.
    assert.deepStrictEqual(await list("d"), ["new"])
    assert.deepStrictEqual(await open(), ["d"])
  })

  it("are closed once when several calls find at the same time that another directory has taken their place", async () => {
    Fs.mkdirSync(at("d"))
    await make()
    await Promise.all([list("d"), list("D")])
    for (const name of ["x", "y"]) {
      Fs.rmSync(at("d"), { recursive: true })
      Fs.mkdirSync(at("d", name), { recursive: true })
      assert.deepStrictEqual(await Promise.all([list("d"), list("D"), list("d")]), [[name], [name], [name]])
      assert.deepStrictEqual(await open(), ["d"])
      assert.strictEqual(tree.root.volume.users, 2)
    }
  })

  it("that are in use are not closed for the limit, and are closed for it after their use", async () => {
    for (const name of ["a", "b", "c"]) {
      Fs.mkdirSync(at(name))
      Fs.writeFileSync(at(name, `in ${name}`), "")
    }
    await make({ directories: 1 })
    const [a, b] = [await held("a"), await held("b")]
    assert.deepStrictEqual(await list("c"), ["in c"])
    assert.deepStrictEqual(await open(), ["a", "b"])
    assert.deepStrictEqual(await a.end(), ["in a"])
    assert.deepStrictEqual(await open(), ["b"])
    assert.deepStrictEqual(await b.end(), ["in b"])
    assert.deepStrictEqual([a.directory.users, b.directory.users], [0, 0])
    assert.deepStrictEqual(await open(), ["b"])
  })

  it("that are in use when the tree is closed are closed after their use", async () => {
    Fs.mkdirSync(at("d"))
    await make()
    const use = await held("d")
    await tree.close()
    assert.deepStrictEqual(await open(), ["d"])
    await use.end()
    assert.deepStrictEqual(await open(), [])
    await make()
  })

  it("are closed when another program has removed them or put a file or a symbolic link in their place", async () => {
    for (const replace of [() => {}, () => Fs.writeFileSync(at("d"), ""), () => Fs.symlinkSync("/", at("d"))]) {
      Fs.mkdirSync(at("d"))
      await make()
      await list("d")
      Fs.rmdirSync(at("d"))
      replace()
      assert.include(["PathNotFound", "AccessDenied"], await reason(list("d")))
      assert.deepStrictEqual(await open(), [])
      assert.isUndefined(tree.root.names?.get("D"))
      Fs.rmSync(at("d"), { force: true })
      await tree.close()
    }
    await make()
  })

  it("give back the uses of a path that ends in a missing name, a file or a link out", async () => {
    Fs.mkdirSync(at("d"))
    Fs.writeFileSync(at("d", "f"), "")
    Fs.symlinkSync("/", at("d", "out"))
    Fs.symlinkSync("d", at("in"))
    await make()
    for (const [name, expected] of [["no", "PathNotFound"], ["f", "PathNotFound"], ["out", "AccessDenied"]] as const) {
      for (const path of [["d", name], ["d", name, "x"], ["in", name], ["in", name, "x"]]) {
        assert.strictEqual(await reason(list(...path)), expected, path.join("/"))
      }
    }
    assert.deepStrictEqual((await list("in")).sort(), ["f", "out"])
    const { directory, end } = await held("in")
    assert.deepStrictEqual([directory.path, directory.users], [["d"], 1])
    await end()
    assert.strictEqual(directory.users, 0)
    assert.strictEqual(tree.root.users, 0)
  })

  it("are closed when another directory is found in their place by a path that was not used before", async () => {
    Fs.mkdirSync(at("d"))
    await make()
    await list("d")
    Fs.renameSync(at("d"), at("moved"))
    Fs.mkdirSync(at("d"))
    Fs.writeFileSync(at("d", "new"), "")
    assert.deepStrictEqual(await list("D"), ["new"])
    assert.deepStrictEqual(await open(), ["d"])
    assert.strictEqual(tree.root.volume.users, 2)
  })

  it("are closed when another program moves them at the moment when they are opened", async () => {
    Fs.mkdirSync(at("d"))
    await make()
    const platform = process.getBuiltinModule("node:fs")
    const { open: original, openSync } = platform
    const moves = (path: string) => {
      if (path.endsWith("/d")) Fs.renameSync(at("d"), at("moved"))
    }
    Object.assign(platform, {
      open: (path: string, flags: number, mode: number, done: (error: Error | null, fd: number) => void) =>
        original(path, flags, mode, (error, fd) => {
          moves(path)
          done(error, fd)
        }),
      openSync: (path: string, flags: number, mode: number) => {
        const fd = openSync(path, flags, mode)
        moves(path)
        return fd
      }
    })
    syncBuiltinESMExports()
    try {
      assert.strictEqual(await reason(list("d")), "PathNotFound")
    } finally {
      Object.assign(platform, { open: original, openSync })
      syncBuiltinESMExports()
    }
    assert.deepStrictEqual(await open(), [])
    assert.strictEqual(tree.root.volume.users, 1)
    assert.deepStrictEqual(await list("moved"), [])
  })

  it("are all closed when the tree cannot be made", async () => {
    await make()
    await tree.close()
    const roots = async () => {
      await closed()
      return Fs.readdirSync(Local.descriptors).filter((fd) => {
        try {
          return Fs.readlinkSync(`${Local.descriptors}/${fd}`) === folder
        } catch {
          return false
        }
      }).length
    }
    assert.strictEqual(await roots(), 0)
    const stamp = at(sidecarName, "stamp")
    const bytes = Fs.readFileSync(stamp)
    Fs.writeFileSync(stamp, "{}")
    const refused = LocalTree.make(folder, sidecarName, { directories: 9, names: 9, byPath: false }, false)
    assert.strictEqual(await reason(refused), "Failed")
    assert.strictEqual(await roots(), 0)
    Fs.writeFileSync(stamp, bytes)
    const file = LocalTree.make(stamp, sidecarName, { directories: 9, names: 9, byPath: false }, false)
    assert.strictEqual(await reason(file), "NotDirectory")
    await make()
    assert.isAtLeast(await roots(), 1)
  })

  it("are found without a look at their names, with their own case and at their own place only", async () => {
    Fs.mkdirSync(at("Dir", "Sub"), { recursive: true })
    Fs.mkdirSync(at("other"))
    await make()
    const { directory, end } = await held("Dir", "Sub")
    const sub = Fs.statSync(at("Dir", "Sub"), { bigint: true })
    for (const path of [["Dir", "Sub"], ["dir", "SUB"], ["Dir", "sub"]]) {
      const found = await tree.find(path)
      assert.deepStrictEqual(
        [found?.path, found?.name, found?.stats.ino, found?.volume],
        [["Dir", "Sub"], "Sub", sub.ino, tree.root.volume]
      )
    }
    assert.strictEqual(directory.users, 1)
    // Another program renames it: the open directory does not stand for the path any more.
    Fs.renameSync(at("Dir", "Sub"), at("Dir", "Moved"))
    assert.isUndefined(await tree.find(["Dir", "Sub"]))
    assert.strictEqual(directory.users, 1)
    Fs.mkdirSync(at("Dir", "Sub"))
    assert.notStrictEqual((await tree.find(["Dir", "Sub"]))?.stats.ino, sub.ino)
    // The state of the used directory itself is known at its new place.
    assert.strictEqual((await tree.stats(directory)).ino, sub.ino)
    await end()
    assert.strictEqual(directory.users, 0)
    const root = await tree.find([])
    assert.deepStrictEqual([root?.name, root?.path, root?.stats.ino], [
      "",
      [],
      Fs.statSync(folder, { bigint: true }).ino
    ])
    assert.strictEqual(tree.root.users, 0)
  })
})

describe("a local tree on a file system that ignores case", () => {
  it("finds a file in any case by the name that the file system keeps, before and after it knows the names", async () => {
    const platform = process.getBuiltinModule("node:fs")
    const { lstat } = platform
    const system = Object.getOwnPropertyDescriptor(process, "platform")!
    Fs.writeFileSync(at("Name"), "x")
    Object.defineProperty(process, "platform", { ...system, value: "darwin" })
    Object.assign(platform, {
      lstat: (path: string, ...rest: ReadonlyArray<unknown>) =>
        Reflect.apply(lstat, platform, [path.replace(/\/name$/i, "/Name"), ...rest])
    })
    syncBuiltinESMExports()
    try {
      await make({ byPath: true })
      const lookup = (name: string) => tree.within([], (root) => tree.lookup(root, name))
      for (const name of ["NAME", "Name", "name", "NAME"]) {
        const found = await lookup(name)
        assert.deepStrictEqual([found?.name, found?.stats.size], ["Name", 1n])
      }
      assert.isUndefined(await lookup("other"))
    } finally {
      Object.assign(platform, { lstat })
      Object.defineProperty(process, "platform", system)
      syncBuiltinESMExports()
    }
  })
})

for (const byPath of [false, true]) {
  describe(`the names that a local tree knows${byPath ? ", by paths" : ""}`, () => {
    const names = (...path: ReadonlyArray<string>) =>
      tree.within(path, async (directory) => [...(await tree.names(directory)).entries()].sort())

    /** Counts the reads of directories by the tree. */
    const reads = async (body: () => Promise<unknown>): Promise<number> => {
      const platform = process.getBuiltinModule("node:fs")
      const { readdir } = platform
      let count = 0
      Object.assign(platform, {
        readdir: (...args: Parameters<typeof readdir>) => {
          count++
          return Reflect.apply(readdir, platform, args)
        }
      })
      syncBuiltinESMExports()
      try {
        await body()
      } finally {
        Object.assign(platform, { readdir })
        syncBuiltinESMExports()
      }
      return count
    }

    /** Gives a directory a time of modification that is long enough ago. */
    const old = (seconds: number, ...path: ReadonlyArray<string>) => Fs.utimesSync(at(...path), seconds, seconds)

    it("are read once while the directory's time of modification is the same, and is not the current time", async () => {
      Fs.writeFileSync(at("Name"), "")
      await make({ byPath })
      old(1000)
      assert.strictEqual(await reads(() => names()), 1)
      assert.strictEqual(await reads(() => names()), 0)
      assert.deepStrictEqual(await names(), [["NAME", "Name"], [sidecarName.toUpperCase(), sidecarName]].sort())
      Fs.writeFileSync(at("Later"), "")
      old(2000)
      assert.strictEqual(await reads(() => names()), 1)
      assert.include((await names()).map(([, name]) => name), "Later")
      // A name that was made in the same moment as the last read would not change the time.
      const now = Date.now() / 1000 + 100
      old(now)
      await names()
      assert.strictEqual(await reads(() => names()), 1)
    })

    it("are read once for calls at the same time, and again for a call during the read", async () => {
      await make({ byPath })
      old(1000)
      const once = await reads(() => Promise.all([names(), names(), names()]))
      assert.isAtMost(once, 2)
      assert.isUndefined(tree.root.meanwhile)
      assert.isUndefined(tree.root.next)
    })

    it("have the changes of this process without another read", async () => {
      for (const name of ["A", "B"]) Fs.writeFileSync(at(name), "")
      await make({ byPath })
      await names()
      await tree.within([], (directory) =>
        tree.changing([directory], async () => {
          assert.strictEqual(directory.changing, 1)
          Fs.renameSync(at("A"), at("C"))
          await tree.changed(directory, "A", "C")
        }))
      assert.strictEqual(tree.root.changing, 0)
      const own = [["B", "B"], ["C", "C"], [sidecarName.toUpperCase(), sidecarName]].sort()
      let known: unknown
      assert.strictEqual(
        await reads(async () => {
          known = await names()
        }),
        0
      )
      assert.deepStrictEqual(known, own)
      const failed = tree.within(
        [],
        (directory) => tree.changing([directory], () => Promise.reject(Local.toStoreError({ code: "EIO" })))
      )
      assert.strictEqual(await reason(failed), "Failed")
      assert.strictEqual(tree.root.changing, 0)
      // Another program's change is seen.
      Fs.writeFileSync(at("D"), "")
      old(3000)
      assert.include((await names()).map(([name]) => name), "D")
    })

    it("have the changes of this process that come while they are being read", async () => {
      for (const name of ["A", "B"]) Fs.writeFileSync(at(name), "")
      await make({ byPath })
      const platform = process.getBuiltinModule("node:fs")
      const { readdir } = platform
      const came = Promise.withResolvers<void>()
      let answer = () => {}
      Object.assign(platform, {
        // The platform gives the names before the change.
        readdir: (path: string, done: (error: Error | null, list: Array<string>) => void) =>
          readdir(path, (error, list) => {
            answer = () => done(error, list)
            came.resolve()
          })
      })
      syncBuiltinESMExports()
      try {
        const reading = names()
        await came.promise
        await tree.within([], async (directory) => {
          Fs.renameSync(at("A"), at("a2"))
          await tree.changed(directory, "A", "a2")
          Fs.rmSync(at("B"))
          await tree.changed(directory, "B", undefined)
        })
        answer()
        assert.deepStrictEqual(await reading, [["A2", "a2"], [sidecarName.toUpperCase(), sidecarName]].sort())
      } finally {
        Object.assign(platform, { readdir })
        syncBuiltinESMExports()
      }
    })

    it("are kept of at most the limit, and the directories that are not in use lose theirs first", async () => {
      for (const name of ["a", "b", "c"]) {
        Fs.mkdirSync(at(name))
        for (let i = 0; i < 10; i++) Fs.writeFileSync(at(name, `${i}`), "")
      }
      await make({ byPath, names: 20 })
      const kept: Array<Directory> = []
      for (const name of ["a", "b", "c"]) {
        await tree.within([name], async (directory) => {
          await tree.names(directory)
          kept.push(directory)
        })
        if (name === "b") assert.deepStrictEqual(kept.map((directory) => directory.names?.size), [10, 10])
      }
      assert.deepStrictEqual(kept.map((directory) => directory.names?.size), [undefined, 10, 10])
      assert.deepStrictEqual(kept.map(({ dropped }) => dropped), [true, false, false])
      // Fewer names are kept after a removal, so that the names of one more directory fit.
      await tree.within(["b"], async (directory) => {
        for (let i = 0; i < 10; i++) {
          Fs.rmSync(at("b", `${i}`))
          await tree.changed(directory, `${i}`, undefined)
        }
      })
      await names("a")
      assert.deepStrictEqual(kept.map((directory) => directory.names?.size), [undefined, 0, 10])
      // And more after an addition.
      await tree.within(["b"], async (directory) => {
        for (let i = 0; i < 9; i++) {
          Fs.writeFileSync(at("b", `${i}`), "")
          await tree.changed(directory, undefined, `${i}`)
        }
      })
      await names("b")
      Fs.writeFileSync(at("b", "another"), "")
      old(4000, "b")
      await names("b")
      assert.deepStrictEqual(kept.map((directory) => directory.names?.size), [undefined, 10, undefined])
    })

    it("lead to an existing file in any case, and not to one that another program has removed", async () => {
      Fs.writeFileSync(at("Name"), "x")
      await make({ byPath })
      const lookup = (name: string) => tree.within([], (root) => tree.lookup(root, name))
      const inode = Fs.statSync(at("Name"), { bigint: true }).ino
      for (const name of ["Name", "NAME", "name"]) {
        const found = await lookup(name)
        assert.deepStrictEqual([found?.name, found?.stats.ino], ["Name", inode])
      }
      assert.isUndefined(await lookup("nam"))
      old(1000)
      await names()
      Fs.rmSync(at("Name"))
      // The time of modification says that nothing was changed.
      old(1000)
      for (const name of ["Name", "NAME"]) assert.isUndefined(await lookup(name))
    })

    it("are refused in any directory if no file can have them, and the hidden folder's in any case", async () => {
      await make({ byPath })
      for (const name of [sidecarName, sidecarName.toUpperCase(), "\ud800", "", ".", "..", "a/b", "a\0"]) {
        for (const path of [[name], ["d", name], [name, "d"]]) {
          assert.throws(() => tree.checked(path), undefined, undefined, JSON.stringify(path))
        }
      }
      const path = ["d", `${sidecarName}x`, "f"]
      assert.strictEqual(tree.checked(path), path)
    })

    it("lead through symbolic links to places in the folder only", async () => {
      Fs.mkdirSync(at("d"))
      Fs.writeFileSync(at("d", "..f"), "x")
      for (
        const [name, target] of [
          ["top", "."],
          ["dir", "d"],
          ["file", "d/..f"],
          ["out", ".."],
          ["no", "nothing"],
          ["loop", "loop"],
          ["hidden", sidecarName]
        ] as const
      ) Fs.symlinkSync(target, at(name))
      // A folder next to it whose name begins like its own.
      Fs.mkdirSync(`${folder}x`)
      Fs.symlinkSync(`../${folder.split("/").at(-1)}x`, at("near"))
      try {
        await make({ byPath })
        const found = async (linkItself: boolean, name: string) => {
          const one = await tree.find([name], linkItself).catch(Local.toStoreError)
          return one === undefined ? undefined : "reason" in one ? one.reason._tag : [one.name, one.path.join("/")]
        }
        for (const itself of [false, true]) {
          assert.deepStrictEqual(await found(itself, "top"), ["top", ""])
          assert.deepStrictEqual(await found(itself, "DIR"), ["dir", "d"])
          assert.deepStrictEqual(await found(itself, "file"), ["file", "d/..f"])
          assert.isUndefined(await found(itself, "x"))
        }
        for (const name of ["out", "no", "loop", "near"]) {
          assert.strictEqual(await found(false, name), "AccessDenied", name)
          assert.deepStrictEqual(await found(true, name), [name, name])
        }
        for (const itself of [false, true]) assert.strictEqual(await found(itself, "hidden"), "InvalidName")
        assert.strictEqual((await tree.find(["no"], true))?.volume, tree.root.volume)
      } finally {
        Fs.rmdirSync(`${folder}x`)
      }
    })
  })
}
