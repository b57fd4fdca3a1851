/**
 * A transport whose servers are data: for testing an app without a network and without a server.
 *
 * `layerFiles` gives a server in memory that really logs on, signs and encrypts, and serves a tree of files; `faults` make
 * it fail where you say. `layer` has several servers by host name, some of them down, with DFS referrals between them.
 * `layerScripted` has exact expectations, request by request. Time is Effect's Clock: under `TestClock` no wait takes time.
 *
 * It is not a full server. One process, no disk; no locks, oplocks, leases, access control, share modes, streams,
 * change notifications or named pipes (so no list of shares). The response to these is STATUS_NOT_SUPPORTED.
 *
 * ```ts
 * const Server = TestTransport.layerFiles({ data: { "readme.txt": "hello" } }, { user: "joe", password: "secret" })
 * const Client = SmbClient.layer().pipe(Layer.provideMerge(Server), Layer.provide(Credentials.layer(joe)))
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Transport from "../Protocol/Transport.ts"
import type * as Message from "../Smb2/Message/Message.ts"
import * as TestHosts from "./internal/TestHosts.ts"
import type { Fault, Files, Hosts, ServerOptions, Servers, Step } from "./TestServer.ts"

export { link } from "./TestServer.ts"
export type {
  Answer,
  Content,
  Fault,
  Files,
  Hosts,
  Link,
  Logged,
  Reaction,
  Received,
  Referral,
  ServerOptions,
  Servers,
  Step
} from "./TestServer.ts"

/**
 * The test's view of the servers: their requests, their files, and their switches. Hosts are named as in `layer`.
 *
 * @category services
 * @since 0.1.0
 */
export class TestServers extends Context.Service<TestServers, Servers>()("effect-smb/Testing/TestServers") {}

/**
 * Servers by host name; `*` is any other host. A host that is not in the table has no address (`HostNotFound`), and a
 * host that is down refuses (`ConnectionRefused`). Names are compared without regard to case, and ports are ignored.
 *
 * @example
 * ```ts
 * fs1: "down",
 * fs2: { ...account, shares: { plans: { "readme.txt": "hello" } } }
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (hosts: Hosts): Layer.Layer<Transport.Transport | TestServers> =>
  Layer.effectContext(
    Effect.map(TestHosts.make(hosts), ({ connect, servers }) =>
      Context.make(Transport.Transport, Transport.Transport.of({ connect })).pipe(
        Context.add(TestServers, TestServers.of(servers))
      ))
  )

/**
 * One server that answers to every name and has these shares. Default: user `user` with password `password`.
 *
 * @example
 * ```ts
 * export const Troubled = TestTransport.layerFiles(files, {
 *   ...account,
 *   faults: [
 *     TestTransport.fault("CREATE", { status: "STATUS_SHARING_VIOLATION" }, { times: 1 }),
 *     TestTransport.fault("WRITE", { delay: "5 seconds" })
 *   ]
 * })
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layerFiles = (
  shares: { readonly [share: string]: Files },
  options: Omit<ServerOptions, "shares"> = {}
): Layer.Layer<Transport.Transport | TestServers> => layer({ "*": { ...options, shares } })

/**
 * One server that answers to every name and expects exactly these requests on each connection, in order. For everything
 * that a step does not set, it behaves as `layerFiles` does.
 *
 * @example
 * ```ts
 * export const Scripted = TestTransport.layerScripted(
 *   [TestTransport.negotiate, TestTransport.sessionSetup, TestTransport.drop],
 *   account
 * )
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layerScripted = (
  script: ReadonlyArray<Step>,
  options: Omit<ServerOptions, "script" | "faults"> = {}
): Layer.Layer<Transport.Transport | TestServers> => layer({ "*": { ...options, script } })

// -----------------------------------------------------------------------------
// steps and faults
// -----------------------------------------------------------------------------

/**
 * Expects a NEGOTIATE, and answers it. @category steps
 *
 * @since 0.1.0
 */
export const negotiate: Step = { on: "NEGOTIATE" }

/**
 * Expects a logon, all its legs, and completes it. @category steps
 *
 * @since 0.1.0
 */
export const sessionSetup: Step = { on: "SESSION_SETUP", repeated: true }

/**
 * Expects a TREE_CONNECT, and answers it. @category steps
 *
 * @since 0.1.0
 */
export const treeConnect: Step = { on: "TREE_CONNECT" }

/**
 * Expects a request, and answers it by `is` or as usual. @category steps
 *
 * @since 0.1.0
 */
export const expect = (on: Message.CommandName, is?: Step["is"]): Step => is === undefined ? { on } : { on, is }

/**
 * Expects any request, and closes the connection. @category steps
 *
 * @since 0.1.0
 */
export const drop: Step = { is: "drop" }

/**
 * A fault for every request of a command, or the one after `skip` others. @category faults
 *
 * @since 0.1.0
 */
export const fault = (
  on: Message.CommandName,
  is: Fault["is"],
  options: { readonly skip?: number | undefined; readonly times?: number | undefined } = {}
): Fault => ({ on, is, ...options })
