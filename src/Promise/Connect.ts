/** The way into this room: a client from options. */
import type { Client, ConnectOptions } from "./Client.ts"
import * as Connecting from "./internal/Connecting.ts"

/**
 * A client. It opens connections when an operation needs them, so it does not fail for a server or an account: the
 * first operation does. Close it with `close` or `await using`, or the process may wait for its connections.
 *
 * @example
 * ```ts
 * await using smb = await connect({ user: "joe", password: "secret", dfs: "fallback" })
 * for await (const entry of smb.list("//nas/media")) console.log(entry.name, entry.size)
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const connect = (options: ConnectOptions): Promise<Client> => Connecting.connect(options)
