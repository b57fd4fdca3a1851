/** Shares and open files with promises. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Operations from "../../Client/Operations.ts"
import * as SmbFile from "../../Client/SmbFile.ts"
import type { SmbError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as ProtocolShare from "../../Protocol/Share.ts"
import type { File, Lock, ReadableFile, Results, Share } from "../Client.ts"
import { call, fromIterable } from "./Callbacks.ts"
import { iterate } from "./Iterate.ts"
import type { Part, Runner } from "./Runner.ts"

const lock = (part: Part): Lock => {
  const unlock = () => part.close()
  return { unlock, [Symbol.asyncDispose]: unlock }
}

/** A file that is open in `part`. */
export const file = (runner: Runner, part: Part, opened: SmbFile.SmbFile): File => {
  const close = () => part.close(opened.close)
  return {
    path: opened.path,
    share: share(runner, opened.share, part.scope),
    opened: opened.opened,
    caching: opened.caching,
    read: (offset, length, options) => runner.run(opened.read(offset, length), options?.signal),
    readInto: (offset, destination, options) => runner.run(opened.readInto(offset, destination), options?.signal),
    stream: (range) => iterate(runner, Stream.suspend(() => opened.stream(range)), range?.signal),
    readTo: (use, range) =>
      runner.run(opened.readTo((chunk, offset) => call(() => use(chunk, offset)), range), range?.signal),
    write: (offset, data, options) => runner.run(opened.write(offset, data), options?.signal),
    append: (data, options) => runner.run(opened.append(data), options?.signal),
    sink: (source, options) => runner.run(Stream.run(fromIterable(source), opened.sink(options)), options?.signal),
    writeFrom: (fill, options) =>
      runner.run(opened.writeFrom((buffer, offset) => call(() => fill(buffer, offset)), options), options?.signal),
    flush: (options) => runner.run(opened.flush, options?.signal),
    truncate: (size, options) => runner.run(Effect.suspend(() => opened.truncate(size)), options?.signal),
    lock: async (ranges, options) => {
      const { part: held } = await runner.acquire(
        Effect.suspend(() => opened.lock(ranges, options)),
        options?.signal,
        part.scope
      )
      return lock(held)
    },
    run: (operation, options) => runner.run(opened.run(operation), options?.signal),
    close,
    [Symbol.asyncDispose]: close
  }
}

/** A file that is open in `part` for reading from start to end. */
export const readableFile = (runner: Runner, part: Part, opened: Operations.ReadableFile): ReadableFile => {
  const close = () => part.close()
  return {
    path: opened.path,
    opened: opened.opened,
    stream: (range) => iterate(runner, Stream.suspend(() => opened.stream(range)), range?.signal),
    readTo: (use, range) =>
      runner.run(opened.readTo((chunk, offset) => call(() => use(chunk, offset)), range), range?.signal),
    close,
    [Symbol.asyncDispose]: close
  }
}

const settled = (result: Result.Result<unknown, SmbError>) =>
  Result.isSuccess(result) ? { ok: true, value: result.success } : { ok: false, error: result.failure }

/** A share that stays while `scope` is open; the files that are opened on it close with that scope. */
export const share = (runner: Runner, given: ProtocolShare.Share, scope: Scope.Scope): Share => ({
  ...given,
  // The limits grow with the credits that the server grants.
  get limits() {
    return given.limits
  },
  open: async (path, { signal, ...options }) => {
    const { part, value } = await runner.acquire(given.open(path, options), signal, scope)
    return file(runner, part, SmbFile.make(given, value))
  },
  batch: <const Ops extends ReadonlyArray<Operation.Any>>(
    path: string,
    { signal, ...options }: ProtocolShare.OpenOptions & { readonly signal?: AbortSignal | undefined },
    operations: Ops
  ) =>
    runner.run(
      Effect.map(given.batch(path, options, operations), ({ opened, results }) => ({
        opened,
        results: results.map(settled) as unknown as Results<Ops>
      })),
      signal
    ),
  control: (operation, options) => runner.run(given.control(operation), options?.signal)
})
