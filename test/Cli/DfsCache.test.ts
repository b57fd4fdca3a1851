/** `dfs cache` with several paths, on a scripted resolver: each failure is told and counted, and the cache comes first. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { DfsResolver } from "effect-smb"
import * as DfsActions from "../../src/Cli/DfsActions.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as ReferralCache from "../../src/Dfs/ReferralCache.ts"
import * as TargetHealth from "../../src/Dfs/TargetHealth.ts"
import { fromStatus } from "../../src/Protocol/Errors.ts"
import * as Served from "./served.ts"

/** Refuses the logon to the server `closed`, and knows no path that has `none` in it. */
const resolver = (asked: Array<string>): DfsResolver.DfsResolver["Service"] => {
  const trace: DfsResolver.DfsResolver["Service"]["trace"] = (path) => {
    asked.push(path)
    return Effect.succeed({
      notes: [],
      result: path.includes("closed")
        ? Result.fail(fromStatus(NtStatus.STATUS_LOGON_FAILURE, "SESSION_SETUP", path))
        : path.includes("none")
        ? Result.fail(fromStatus(NtStatus.STATUS_OBJECT_PATH_NOT_FOUND, "CREATE", path))
        : Result.succeed({ path, resolvedPath: path, status: "plain", targets: [] })
    })
  }
  return {
    trace,
    knowledge: Effect.succeed({ cache: ReferralCache.make(), health: TargetHealth.none })
  } as unknown as DfsResolver.DfsResolver["Service"]
}

const run = (...paths: ReadonlyArray<string>) => {
  const asked: Array<string> = []
  return DfsActions.cache(paths.map(Served.path), { json: false }).pipe(
    Effect.provideService(DfsResolver.DfsResolver, resolver(asked)),
    Served.printed,
    Effect.map((said) => ({ ...said, asked, told: said.err.split("\n").slice(0, -1) }))
  )
}

describe("dfs cache", () => {
  it.effect("tells each path that could not be resolved, and counts them", () =>
    Effect.gen(function*() {
      const { failure, told } = yield* run("//a/dfs/none1", "//a/dfs/x", "//a/dfs/none2")
      assert.lengthOf(told, 2)
      assert.match(told[0]!, /none1/)
      assert.match(told[1]!, /none2/)
      assert.strictEqual(failure?.message, "2 entries could not be resolved")
    }))

  it.effect("asks a server that has refused the logon once", () =>
    Effect.gen(function*() {
      const { asked, failure, told } = yield* run("//closed/dfs/1", "//closed/dfs/2", "//a/dfs/x")
      assert.lengthOf(asked, 2)
      assert.lengthOf(told, 1)
      assert.match(told[0]!, /password is wrong.*; not tried: another path of this server$/)
      assert.strictEqual(failure?.message, "2 entries could not be resolved")
    }))

  it.effect("with one path fails with its own error", () =>
    Effect.gen(function*() {
      const { failure, told } = yield* run("//a/dfs/none")
      assert.deepStrictEqual(told, [])
      assert.match(failure!.message!, /STATUS_OBJECT_PATH_NOT_FOUND/)
    }))
})
