/**
 * What a client counts, all in this module: families of `effect/Metric`s that any exporter sees. The client takes the
 * registry of the context in which it was made. No label has the name of a path, a user or a server.
 */
import * as MetricFamily from "../Protocol/MetricFamily.ts"

const { counter, gauge, latency } = MetricFamily.ofRoom("client")

/**
 * @category connections
 * @since 0.2.0
 */
export const connections = gauge("connections", "{connection}", "Connections that are open")

/**
 * @category connections
 * @since 0.2.0
 */
export const connectionAttempts = counter(
  "connection_attempts",
  "{attempt}",
  "Attempts to connect and negotiate, by outcome: connected or failed",
  ["outcome"]
)

/**
 * @category connections
 * @since 0.2.0
 */
export const reconnects = counter("reconnects", "{connection}", "Connections that replace one that has broken")

/**
 * @category connections
 * @since 0.2.0
 */
export const losses = counter(
  "losses",
  "{loss}",
  "Shares that were lost while they were in use: once for all their files"
)

/**
 * @category connections
 * @since 0.2.0
 */
export const recoveryAttempts = counter("recovery_attempts", "{attempt}", "Attempts to reach a lost share again")

/**
 * @category connections
 * @since 0.2.0
 */
export const recoveries = counter(
  "recoveries",
  "{recovery}",
  "What lost connections came to, by outcome: back (a share), reclaimed or reopened (a file), given_up (either)",
  ["outcome"]
)

/**
 * @category sessions
 * @since 0.2.0
 */
export const sessions = gauge("sessions", "{session}", "Sessions: users that are logged on to a server")

/**
 * @category sessions
 * @since 0.2.0
 */
export const logons = counter("logons", "{logon}", "Logons, by outcome: succeeded or failed", ["outcome"])

/**
 * @category sessions
 * @since 0.2.0
 */
export const reauthentications = counter(
  "reauthentications",
  "{logon}",
  "Logons on sessions that had expired, by outcome: succeeded or failed",
  ["outcome"]
)

/**
 * @category sessions
 * @since 0.2.0
 */
export const trees = gauge("trees", "{share}", "Shares that are connected")

/**
 * @category files
 * @since 0.2.0
 */
export const opens = gauge("opens", "{file}", "Files that are open, without those that a compound opens and closes")

/**
 * @category files
 * @since 0.2.0
 */
export const locks = gauge("locks", "{lock}", "Byte ranges that are locked by the lock operation")

/**
 * @category files
 * @since 0.2.0
 */
export const breaks = counter("breaks", "{break}", "Breaks that servers sent, by kind: oplock or lease", ["kind"])

/**
 * @category requests
 * @since 0.2.0
 */
export const requests = counter(
  "requests",
  "{request}",
  "Requests that have ended, by command and NTSTATUS; NONE if the connection ended first",
  ["command", "status"]
)

/**
 * @category requests
 * @since 0.2.0
 */
export const requestLatency = latency(
  "request_latency_ms",
  "Time from a request to its last response, also of requests that wait, such as CHANGE_NOTIFY",
  ["command"]
)

/**
 * @category requests
 * @since 0.2.0
 */
export const requestsInFlight = gauge(
  "requests_in_flight",
  "{request}",
  "Requests that were sent and have no last response yet"
)

/**
 * @category requests
 * @since 0.2.0
 */
export const requestsWaiting = gauge(
  "requests_waiting",
  "{request}",
  "Requests that wait for credits, a compound as one; by SMB 1 for the server's limit"
)

/**
 * @category requests
 * @since 0.2.0
 */
export const credits = gauge("credits", "{credit}", "Credits that servers have granted and that are not in use")

/**
 * @category data
 * @since 0.2.0
 */
export const bytesRead = counter("bytes_read", "By", "Bytes in successful responses to READ")

/**
 * @category data
 * @since 0.2.0
 */
export const bytesWritten = counter("bytes_written", "By", "Bytes in WRITE requests that succeeded")
