/** File systems for tests of FileSystemStore: over a temporary folder, with calls that a test replaces. */
import { NodeFileSystem } from "@effect/platform-node"
import { it } from "@effect/vitest"
import { Effect, FileSystem, Option, PlatformError } from "effect"
import * as Fs from "node:fs"
import { join } from "node:path"

/** A temporary folder; `over` gives its file system with some calls replaced. */
export const folder = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = Fs.realpathSync(yield* fs.makeTempDirectoryScoped({ prefix: "effect-smb-store-" }))
  const over = (change: (fs: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>) => ({ ...fs, ...change(fs) })
  return { at: (...names: ReadonlyArray<string>) => join(path, ...names), fs, over, path }
})

/** A test with Node's file system. */
export const live = (title: string, body: () => Generator<Effect.Effect<any, unknown, any>, void, any>) =>
  it.live(
    title,
    () => Effect.gen(body as () => any).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer)) as Effect.Effect<void>
  )

/** The error of a call that the platform refuses: Effect's tag, and the platform's code in the cause. */
export const refusal = (tag: PlatformError.SystemErrorTag, code?: string) =>
  PlatformError.systemError({
    _tag: tag,
    module: "FileSystem",
    method: "test",
    ...(code === undefined ? {} : { cause: Object.assign(new Error(code), { code }) })
  })

/** The information of a file system that says only the type of a file. */
export const info = (over: Partial<FileSystem.File.Info>): FileSystem.File.Info => ({
  type: "File",
  mtime: Option.none(),
  atime: Option.none(),
  birthtime: Option.none(),
  dev: 3n,
  ino: Option.none(),
  mode: 0o644,
  nlink: Option.none(),
  uid: Option.none(),
  gid: Option.none(),
  rdev: Option.none(),
  size: 0 as unknown as FileSystem.File.Info["size"],
  blksize: Option.none(),
  blocks: Option.none(),
  ...over
})

/** A file system without inode numbers and creation times, as many network protocols have it. */
export const unnumbered = (fs: FileSystem.FileSystem): FileSystem.FileSystem => {
  const less = (info: FileSystem.File.Info): FileSystem.File.Info => ({
    ...info,
    ino: Option.none(),
    birthtime: Option.none()
  })
  return {
    ...fs,
    stat: (path) => Effect.map(fs.stat(path), less),
    open: (path, options) =>
      Effect.map(fs.open(path, options), (file) =>
        new Proxy(file, {
          get: (target, key) => key === "stat" ? Effect.map(target.stat, less) : Reflect.get(target, key, target)
        }))
  }
}
