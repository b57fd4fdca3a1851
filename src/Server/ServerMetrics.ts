/**
 * What a server counts, all in this module: families of `effect/Metric`s that any exporter sees. The server takes the
 * registry of the context in which it was made; several servers in one registry are added up. No label has the name of a
 * path, a user, a share or an address.
 */
import * as MetricFamily from "../Protocol/MetricFamily.ts"

/**
 * @category connections
 * @since 0.2.0
 */
export const connections = MetricFamily.gauge({
  name: "effect_smb_server_connections",
  unit: "{connection}",
  description: "Connections, also those without a logon"
})

/**
 * @category connections
 * @since 0.2.0
 */
export const unauthenticatedConnections = MetricFamily.gauge({
  name: "effect_smb_server_unauthenticated_connections",
  unit: "{connection}",
  description: "Connections without a logon yet"
})

/**
 * @category connections
 * @since 0.2.0
 */
export const connectionsAccepted = MetricFamily.counter({
  name: "effect_smb_server_connections_accepted",
  unit: "{connection}",
  description: "Connections that were accepted"
})

/**
 * @category sessions
 * @since 0.2.0
 */
export const sessions = MetricFamily.gauge({
  name: "effect_smb_server_sessions",
  unit: "{session}",
  description: "Sessions, also those whose logon is under way"
})

/**
 * @category sessions
 * @since 0.2.0
 */
export const logons = MetricFamily.counter({
  name: "effect_smb_server_logons",
  unit: "{logon}",
  labels: ["outcome"],
  description:
    "Logons to new sessions that succeeded, and all logons that were refused, by outcome: succeeded or refused"
})

/**
 * @category sessions
 * @since 0.2.0
 */
export const waitingLogons = MetricFamily.gauge({
  name: "effect_smb_server_waiting_logons",
  unit: "{logon}",
  description: "Logons that are delayed because of earlier refused logons"
})

/**
 * @category connections
 * @since 0.2.0
 */
export const refusals = MetricFamily.counter({
  name: "effect_smb_server_refusals",
  unit: "{refusal}",
  labels: ["what"],
  description: "Connections and requests that were refused because of a limit, by what: connection or request"
})

/**
 * @category files
 * @since 0.2.0
 */
export const opens = MetricFamily.gauge({
  name: "effect_smb_server_opens",
  unit: "{file}",
  description: "Files and pipes that are open, also those that wait for their clients to reconnect"
})

/**
 * @category files
 * @since 0.2.0
 */
export const absentOpens = MetricFamily.gauge({
  name: "effect_smb_server_absent_opens",
  unit: "{file}",
  description: "Durable and resilient opens that wait for their clients to reconnect"
})

/**
 * @category files
 * @since 0.2.0
 */
export const locks = MetricFamily.gauge({
  name: "effect_smb_server_locks",
  unit: "{lock}",
  description: "Byte ranges that are locked"
})

/**
 * @category files
 * @since 0.2.0
 */
export const leases = MetricFamily.gauge({
  name: "effect_smb_server_leases",
  unit: "{lease}",
  description: "Leases of clients"
})

/**
 * @category files
 * @since 0.2.0
 */
export const oplocks = MetricFamily.gauge({
  name: "effect_smb_server_oplocks",
  unit: "{oplock}",
  description: "Oplocks of opens"
})

/**
 * @category files
 * @since 0.2.0
 */
export const breaks = MetricFamily.counter({
  name: "effect_smb_server_breaks",
  unit: "{break}",
  labels: ["kind"],
  description: "Breaks that clients were told of, or will be when they reconnect, by kind: oplock or lease"
})

/**
 * @category files
 * @since 0.2.0
 */
export const breakTimeouts = MetricFamily.counter({
  name: "effect_smb_server_break_timeouts",
  unit: "{break}",
  labels: ["kind"],
  description: "Breaks that a client did not acknowledge in time, by kind: oplock or lease"
})

/**
 * @category files
 * @since 0.2.0
 */
export const watches = MetricFamily.gauge({
  name: "effect_smb_server_watches",
  unit: "{watch}",
  description: "Directories that clients watch"
})

/**
 * @category requests
 * @since 0.2.0
 */
export const requests = MetricFamily.counter({
  name: "effect_smb_server_requests",
  unit: "{request}",
  labels: ["command", "status"],
  description: "Requests that have ended, by command and NTSTATUS; NONE for those without a response"
})

/**
 * @category requests
 * @since 0.2.0
 */
export const requestLatency = MetricFamily.latency({
  name: "effect_smb_server_request_latency_ms",
  labels: ["command"],
  description: "Time from the start of a request to its response, also of requests that wait, such as CHANGE_NOTIFY"
})

/**
 * @category requests
 * @since 0.2.0
 */
export const requestsInFlight = MetricFamily.gauge({
  name: "effect_smb_server_requests_in_flight",
  unit: "{request}",
  description: "Requests under way, also those that wait"
})

/**
 * @category requests
 * @since 0.2.0
 */
export const credits = MetricFamily.gauge({
  name: "effect_smb_server_credits",
  unit: "{credit}",
  description: "Credits that clients have and have not used"
})

/**
 * @category data
 * @since 0.2.0
 */
export const bytesRead = MetricFamily.counter({
  name: "effect_smb_server_bytes_read",
  unit: "By",
  description: "Bytes in responses to READ"
})

/**
 * @category data
 * @since 0.2.0
 */
export const bytesWritten = MetricFamily.counter({
  name: "effect_smb_server_bytes_written",
  unit: "By",
  description: "Bytes of WRITE requests that succeeded"
})

/**
 * @category stores
 * @since 0.2.0
 */
export const storeCalls = MetricFamily.counter({
  name: "effect_smb_server_store_calls",
  unit: "{call}",
  labels: ["call", "outcome"],
  description:
    "Calls of stores that have ended, by function and outcome: Success, the reason of a StoreError, Other, Interrupted or Defect"
})

/**
 * @category stores
 * @since 0.2.0
 */
export const storeLatency = MetricFamily.latency({
  name: "effect_smb_server_store_latency_ms",
  labels: ["call"],
  description: "Time of a call of a store"
})

/**
 * @category stores
 * @since 0.2.0
 */
export const storeCallsInFlight = MetricFamily.gauge({
  name: "effect_smb_server_store_calls_in_flight",
  unit: "{call}",
  description: "Calls of stores that have not ended"
})
