/** The command's actions against the own server on loopback, in this process; and what they print. */
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer, Option, Redacted, Result } from "effect"
import { Credentials, DfsAdapter, SmbClient, TcpTransport } from "effect-smb"
import * as Failure from "../../src/Cli/Failure.ts"
import * as Remote from "../../src/Cli/Remote.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"

export const credential = Credentials.password("joe", Redacted.make("secret"))

/** A server with the share `data`, on a free port. */
export const server = (options: Partial<SmbServer.Options> = {}) =>
  SmbServer.make({
    host: "127.0.0.1",
    port: 0,
    users: UserStore.inMemory({ joe: Redacted.make("secret"), ann: Redacted.make("other") }),
    shares: { data: MemoryStore.make() },
    ...options
  })

/** A client that follows DFS, with its resolver. `port`: of the servers that referrals name. */
export const client = (
  options: SmbClient.Options & { readonly user?: Credentials.Credential; readonly port?: number } = {}
) => {
  const { port, user, ...rest } = options
  return DfsAdapter.layerWithoutDiscovery({ port }).pipe(
    Layer.provide(SmbClient.layer(rest)),
    Layer.provide(Credentials.layer(user ?? credential)),
    Layer.provideMerge(TcpTransport.layer()),
    Layer.provideMerge(NodeServices.layer)
  )
}

/** A path as the user types it. */
export const path = (text: string): Remote.Remote => Result.getOrThrow(Remote.parse(text, { share: false }))

/** A line of a failure as the command prints it, or `undefined` for a success. */
export const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.match(effect, { onSuccess: () => undefined, onFailure: (error) => Failure.report(error) })

/** What is written to standard output and standard error while `effect` runs. */
export const printed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const said = { out: "", err: "" }
    const keep = (key: "out" | "err") => (chunk: string | Uint8Array, ...rest: ReadonlyArray<unknown>) => {
      said[key] += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString()
      const done = rest.at(-1)
      if (typeof done === "function") done()
      return true
    }
    const { stderr, stdout } = process
    const own = { out: stdout.write.bind(stdout), err: stderr.write.bind(stderr) }
    stdout.write = keep("out")
    stderr.write = keep("err")
    return Effect.map(Effect.result(effect), (result) => ({
      ...said,
      lines: said.out.split("\n").slice(0, -1),
      objects: () => said.out.trimEnd().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line)),
      failure: Option.getOrUndefined(Option.map(Result.getFailure(result), (error) => Failure.report(error)))
    })).pipe(Effect.ensuring(Effect.sync(() => {
      stdout.write = own.out
      stderr.write = own.err
    })))
  })
