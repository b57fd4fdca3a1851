/**
 * What a connection of a client tells about its requests, for metrics. Plain code, because every request passes here.
 */
import * as Context from "effect/Context"

/**
 * The functions that a connection calls. They must not throw, and the connection waits for them.
 *
 * @category models
 * @since 0.2.0
 */
export interface RequestMeter {
  /**
   * A request has ended after `millis` milliseconds: with an NTSTATUS, or with `undefined` because the connection ended.
   * `read` and `written` are bytes of file data that were moved.
   */
  readonly ended: (command: string, status: number | undefined, millis: number, read: number, written: number) => void
  /** The server has broken an oplock or a lease. */
  readonly broken: (kind: "oplock" | "lease") => void
}

/**
 * The meter of new connections. Default: none. `SmbClient` provides its own one to the connections that it makes.
 *
 * @category settings
 * @since 0.2.0
 */
export const CurrentRequestMeter: Context.Reference<RequestMeter | undefined> = Context.Reference(
  "effect-smb/Protocol/CurrentRequestMeter",
  { defaultValue: (): RequestMeter | undefined => undefined }
)
