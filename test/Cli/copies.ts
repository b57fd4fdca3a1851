/** What the tests of `get` and `put` share: one copy in this process, with a server in memory and real local files. */
import { NodeServices } from "@effect/platform-node"
import { afterEach, beforeEach, vi } from "@effect/vitest"
import { Effect, FileSystem, Layer, Option, Redacted, Result } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import * as Fs from "node:fs"
import { join, relative } from "node:path"
import * as Copying from "../../src/Cli/Copying.ts"
import * as Remote from "../../src/Cli/Remote.ts"
import { CreateDisposition } from "../../src/Smb2/Message/Constants.ts"
import type * as Message from "../../src/Smb2/Message/Message.ts"
import type * as Transfer from "../../src/Transfer/Transfer.ts"

export const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 3) & 0xff)

/** What the command says on standard error, a line each, and on standard output, in each test of the file. */
export const capturedOutput = (): { readonly said: Array<string>; printed: string } => {
  const output = { said: [] as Array<string>, printed: "" }
  beforeEach(() => {
    output.said = []
    output.printed = ""
    const keep = (use: (text: string) => void) => (chunk: string | Uint8Array, ...rest: ReadonlyArray<unknown>) => {
      use(typeof chunk === "string" ? chunk : Buffer.from(chunk).toString())
      const done = rest.at(-1)
      if (typeof done === "function") done()
      return true
    }
    vi.spyOn(process.stderr, "write").mockImplementation(keep((text) => void output.said.push(text.trimEnd())))
    vi.spyOn(process.stdout, "write").mockImplementation(keep((text) => void (output.printed += text)))
  })
  afterEach(() => void vi.restoreAllMocks())
  return output
}

export const plain = {
  json: false,
  quiet: true,
  recursive: false,
  resume: false,
  inPlace: false,
  transfer: { retries: 0 } as Transfer.TransferOptions
}
export const path = (text: string): Remote.Remote => Result.getOrThrow(Remote.parse(text, { share: true }))

export const provide = (files: TestTransport.Files, options: Omit<TestTransport.ServerOptions, "shares"> = {}) =>
  Effect.provide(
    SmbClient.layer({ reconnect: "never" }).pipe(
      Layer.provideMerge(TestTransport.layerFiles({ data: files }, options)),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password")))),
      Layer.provideMerge(NodeServices.layer)
    )
  )

export const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

/** All below a local folder: files with their text, folders with undefined, links with their target. */
export const below = (top: string): Record<string, string | undefined> => {
  const all: Record<string, string | undefined> = {}
  for (const entry of Fs.readdirSync(top, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    all[relative(top, path)] = entry.isSymbolicLink()
      ? `-> ${Fs.readlinkSync(path)}`
      : entry.isDirectory()
      ? undefined
      : Fs.readFileSync(path, "utf8")
  }
  return all
}

export const get = (from: string, to: string, options: Partial<typeof plain> = {}) =>
  Copying.get(path(from), Option.some(to), { ...plain, ...options })
export const put = (from: string, to: string, options: Partial<typeof plain> = {}) =>
  Copying.put(from, path(to), { ...plain, ...options })

/** The tag of a failure, and its reason. */
export const failed = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(
    Effect.flip(effect),
    (error) => ({ tag: error._tag, message: "message" in error ? `${error.message}` : "" })
  )

/** The requests for a file by its name. */
export const opens =
  (name: string) => ({ command, request }: { command: Message.CommandName; request: Message.Request }) =>
    command === "CREATE" && request._tag === "CREATE" && request.body.name.endsWith(name)

/** A CREATE that makes a file of such a path below the share. */
export const creates = (pattern: RegExp) => ({ request }: TestTransport.Received) =>
  request._tag === "CREATE" && pattern.test(request.body.name) && request.body.createDisposition !== 1

/** A CREATE that opens an existing file of such a path. */
export const reads = (pattern: RegExp) => ({ request }: TestTransport.Received) =>
  request._tag === "CREATE" && pattern.test(request.body.name) &&
  request.body.createDisposition === CreateDisposition.FILE_OPEN

export const fault = (
  on: Message.CommandName,
  is: TestTransport.Fault["is"],
  more: Partial<TestTransport.Fault> = {}
) => ({
  on,
  is,
  ...more
})
