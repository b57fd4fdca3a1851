/**
 * What a server counts, all in this module: families of `effect/Metric`s that any exporter sees. The server takes the
 * registry of the context in which it was made; several servers in one registry are added up. No label has the name of a
 * path, a user, a share or an address.
 */
import * as MetricFamily from "../Protocol/MetricFamily.ts"

const { counter, gauge, latency } = MetricFamily.ofRoom("server")

/**
 * @category connections
 * @since 0.2.0
 */
export const connections = gauge("connections", "{connection}", "Connections, also those without a logon")

/**
 * @category connections
 * @since 0.2.0
 */
export const unauthenticatedConnections = gauge(
  "unauthenticated_connections",
  "{connection}",
  "Connections without a logon yet"
)

/**
 * @category connections
 * @since 0.2.0
 */
export const connectionsAccepted = counter("connections_accepted", "{connection}", "Connections that were accepted")

/**
 * @category sessions
 * @since 0.2.0
 */
export const sessions = gauge("sessions", "{session}", "Sessions, also those whose logon is under way")

/**
 * @category sessions
 * @since 0.2.0
 */
export const logons = counter(
  "logons",
  "{logon}",
  "Logons to new sessions that succeeded, and all logons that were refused, by outcome: succeeded or refused",
  ["outcome"]
)

/**
 * @category sessions
 * @since 0.2.0
 */
export const waitingLogons = gauge(
  "waiting_logons",
  "{logon}",
  "Logons that are delayed because of earlier refused logons"
)

/**
 * @category connections
 * @since 0.2.0
 */
export const refusals = counter(
  "refusals",
  "{refusal}",
  "Connections and requests that were refused because of a limit, by what: connection or request",
  ["what"]
)

/**
 * @category files
 * @since 0.2.0
 */
export const opens = gauge(
  "opens",
  "{file}",
  "Files and pipes that are open, also those that wait for their clients to reconnect"
)

/**
 * @category files
 * @since 0.2.0
 */
export const absentOpens = gauge(
  "absent_opens",
  "{file}",
  "Durable and resilient opens that wait for their clients to reconnect"
)

/**
 * @category files
 * @since 0.2.0
 */
export const reclaimedOpens = counter(
  "reclaimed_opens",
  "{file}",
  "Opens that clients got back after they had lost their connection, by kind: durable, persistent or resilient",
  ["kind"]
)

/**
 * @category files
 * @since 0.2.0
 */
export const expiredOpens = counter(
  "expired_opens",
  "{file}",
  "Opens that were closed because their client did not return in time, by kind: durable, persistent or resilient",
  ["kind"]
)

/**
 * @category files
 * @since 0.2.0
 */
export const restoredOpens = counter(
  "restored_opens",
  "{file}",
  "Opens of an earlier server, by outcome: restored, or lost if the file is not there any more",
  ["outcome"]
)

/**
 * @category files
 * @since 0.2.0
 */
export const locks = gauge("locks", "{lock}", "Byte ranges that are locked")

/**
 * @category files
 * @since 0.2.0
 */
export const leases = gauge("leases", "{lease}", "Leases of clients")

/**
 * @category files
 * @since 0.2.0
 */
export const oplocks = gauge("oplocks", "{oplock}", "Oplocks of opens")

/**
 * @category files
 * @since 0.2.0
 */
export const breaks = counter(
  "breaks",
  "{break}",
  "Breaks that clients were told of, or will be when they reconnect, by kind: oplock or lease",
  ["kind"]
)

/**
 * @category files
 * @since 0.2.0
 */
export const breakTimeouts = counter(
  "break_timeouts",
  "{break}",
  "Breaks that a client did not acknowledge in time, by kind: oplock or lease",
  ["kind"]
)

/**
 * @category files
 * @since 0.2.0
 */
export const watches = gauge("watches", "{watch}", "Directories that clients watch")

/**
 * @category requests
 * @since 0.2.0
 */
export const requests = counter(
  "requests",
  "{request}",
  "Requests that have ended, by command and NTSTATUS; NONE for those without a response",
  ["command", "status"]
)

/**
 * @category requests
 * @since 0.2.0
 */
export const requestLatency = latency(
  "request_latency_ms",
  "Time from the start of a request to its response, also of requests that wait, such as CHANGE_NOTIFY",
  ["command"]
)

/**
 * @category requests
 * @since 0.2.0
 */
export const requestsInFlight = gauge("requests_in_flight", "{request}", "Requests under way, also those that wait")

/**
 * @category requests
 * @since 0.2.0
 */
export const credits = gauge("credits", "{credit}", "Credits that clients have and have not used")

/**
 * @category data
 * @since 0.2.0
 */
export const bytesRead = counter("bytes_read", "By", "Bytes in responses to READ")

/**
 * @category data
 * @since 0.2.0
 */
export const bytesWritten = counter("bytes_written", "By", "Bytes of WRITE requests that succeeded")

/**
 * @category stores
 * @since 0.2.0
 */
export const storeCalls = counter(
  "store_calls",
  "{call}",
  "Calls of stores that have ended, by function and outcome: Success, the reason of a StoreError, Other, Interrupted or Defect",
  ["call", "outcome"]
)

/**
 * @category stores
 * @since 0.2.0
 */
export const storeLatency = latency("store_latency_ms", "Time of a call of a store", ["call"])

/**
 * @category stores
 * @since 0.2.0
 */
export const storeCallsInFlight = gauge("store_calls_in_flight", "{call}", "Calls of stores that have not ended")
