/** The error of an operation on a client that was closed. */
import * as Schema from "effect/Schema"

/**
 * The client was closed before the operation began, or while it ran. If it ran, it is not known how far it came.
 *
 * @category errors
 * @since 0.2.0
 */
export class ClientClosed extends Schema.TaggedError<ClientClosed>()("ClientClosed", {}) {
  override get message(): string {
    return "the client is closed: call connect for a new one, and close it after the last operation has ended"
  }
}
