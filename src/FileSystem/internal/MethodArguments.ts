/**
 * What the numbers and names of a program have to be, for the methods that do not check them themselves. A wrong one is
 * `BadArgument`, as with Node's functions.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Sink from "effect/Sink"
import * as Arguments from "../../Protocol/Arguments.ts"
import { badArgument } from "./Failures.ts"

type Methods = {
  readonly [K in keyof FileSystem.FileSystem]?: FileSystem.FileSystem[K] extends (...args: infer Args) => any
    ? (...args: Args) => Arguments.Given
    : never
}

/** Permission bits and the type of a file (`st_mode`), as Node takes them. */
const mode = Arguments.integer(0, 0xffff_ffff)

const ofMode = (options: { readonly mode?: number | undefined } | undefined): Arguments.Given => ({
  mode: [mode, options?.mode]
})

const suffix: Arguments.Rule = {
  holds: (text: string) => !/[/\0]/.test(text),
  expected: "the end of a name, without / and without a NUL"
}

const ofSuffix = (options: { readonly suffix?: string | undefined } | undefined): Arguments.Given => ({
  suffix: [suffix, options?.suffix]
})

const methods: Methods = {
  chmod: (_, given) => ({ mode: [mode, given] }),
  makeDirectory: (_, options) => ofMode(options),
  makeTempFile: ofSuffix,
  makeTempFileScoped: ofSuffix,
  open: (_, options) => ofMode(options),
  sink: (_, options) => ofMode(options),
  writeFile: (_, _data, options) => ofMode(options)
}

type Method = (...args: ReadonlyArray<any>) => unknown

const checked =
  (name: string, check: (...args: ReadonlyArray<any>) => Arguments.Given, method: Method): Method => (...args) => {
    const error = Arguments.objection(check(...args))
    if (error === undefined) return method(...args)
    const refused = badArgument(name, error.message, error)
    return name === "sink" ? Sink.fail(refused) : Effect.fail(refused)
  }

/** The same methods, with a check of their arguments. */
export const each = <F extends Partial<FileSystem.FileSystem>>(fs: F): F =>
  Object.fromEntries(
    Object.entries(fs).map(([name, method]) => {
      const check = methods[name as keyof Methods] as ((...args: ReadonlyArray<any>) => Arguments.Given) | undefined
      return [name, check === undefined ? method : checked(name, check, method as Method)]
    })
  ) as F
