/**
 * The spans of a file system's methods: `SmbFileSystem` and the name of the method. Every method gets one here, also those
 * that Effect derives from others. `file.path` is the path as the program names it.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type * as UncPath from "../../Client/UncPath.ts"
import * as Spans from "../../Protocol/Spans.ts"

const { Attribute } = Spans

/** The methods with two paths. */
const twoPaths: ReadonlySet<string> = new Set<keyof FileSystem.FileSystem>([
  "copy",
  "copyFile",
  "link",
  "rename",
  "symlink"
])

/** The bytes that a method has moved, by its result and its arguments. */
const moved: {
  readonly [K in keyof FileSystem.FileSystem]?: (result: any, args: ReadonlyArray<any>) => number
} = {
  readFile: (data: Uint8Array) => data.length,
  readFileString: (text: string) => Buffer.byteLength(text),
  writeFile: (_, [, data]) => (data as Uint8Array).length,
  writeFileString: (_, [, text]) => Buffer.byteLength(text as string)
}

type Method = (...args: ReadonlyArray<any>) => unknown

const withSpan = (base: Spans.Attributes, name: string, method: Method): Method => {
  const span = `SmbFileSystem.${name}`
  const bytes = moved[name as keyof FileSystem.FileSystem]
  return (...args) => {
    const [path, to] = args
    const about: Spans.About = {
      attributes: {
        ...base,
        ...(typeof path === "string" ? { [Attribute.filePath]: path } : {}),
        ...(twoPaths.has(name) ? { [Attribute.destinationPath]: String(to) } : {})
      }
    }
    const made = method(...args)
    if (Effect.isEffect(made)) {
      return Spans.effect(made, span, about, bytes && ((result) => bytes(result, args)))
    }
    if (Stream.isStream(made)) {
      const size = name === "stream" ? (chunk: unknown) => (chunk as Uint8Array).length : undefined
      return Spans.stream(made, span, () => about, size)
    }
    return Sink.isSink(made) ? Spans.sink(made, span, () => about) : made
  }
}

/** The file system below `base`, each method in its span. */
export const each = (fs: FileSystem.FileSystem, base: UncPath.UncPath): FileSystem.FileSystem => {
  const attributes: Spans.Attributes = { ...Spans.ofServer(base), [Attribute.share]: base.share }
  const methods = Object.entries(fs).map(([name, method]) => [
    name,
    typeof method === "function" ? withSpan(attributes, name, method as Method) : method
  ])
  return { ...fs, ...Object.fromEntries(methods) } as FileSystem.FileSystem
}
