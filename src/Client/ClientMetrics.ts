/**
 * What a client counts, all in this module: families of `effect/Metric`s that any exporter sees. The client takes the
 * registry of the context in which it was made. No label has the name of a path, a user or a server.
 */
import * as MetricFamily from "../Protocol/MetricFamily.ts"

/**
 * @category connections
 * @since 0.2.0
 */
export const connections = MetricFamily.gauge({
  name: "effect_smb_client_connections",
  unit: "{connection}",
  description: "Connections that are open"
})

/**
 * @category connections
 * @since 0.2.0
 */
export const connectionAttempts = MetricFamily.counter({
  name: "effect_smb_client_connection_attempts",
  unit: "{attempt}",
  labels: ["outcome"],
  description: "Attempts to connect and negotiate, by outcome: connected or failed"
})

/**
 * @category connections
 * @since 0.2.0
 */
export const reconnects = MetricFamily.counter({
  name: "effect_smb_client_reconnects",
  unit: "{connection}",
  description: "Connections that replace one that has broken"
})

/**
 * @category sessions
 * @since 0.2.0
 */
export const sessions = MetricFamily.gauge({
  name: "effect_smb_client_sessions",
  unit: "{session}",
  description: "Sessions: users that are logged on to a server"
})

/**
 * @category sessions
 * @since 0.2.0
 */
export const logons = MetricFamily.counter({
  name: "effect_smb_client_logons",
  unit: "{logon}",
  labels: ["outcome"],
  description: "Logons, by outcome: succeeded or failed"
})

/**
 * @category sessions
 * @since 0.2.0
 */
export const trees = MetricFamily.gauge({
  name: "effect_smb_client_trees",
  unit: "{share}",
  description: "Shares that are connected"
})

/**
 * @category files
 * @since 0.2.0
 */
export const opens = MetricFamily.gauge({
  name: "effect_smb_client_opens",
  unit: "{file}",
  description: "Files that are open, without those that a compound opens and closes"
})

/**
 * @category files
 * @since 0.2.0
 */
export const locks = MetricFamily.gauge({
  name: "effect_smb_client_locks",
  unit: "{lock}",
  description: "Byte ranges that are locked by the lock operation"
})

/**
 * @category files
 * @since 0.2.0
 */
export const breaks = MetricFamily.counter({
  name: "effect_smb_client_breaks",
  unit: "{break}",
  labels: ["kind"],
  description: "Breaks that servers sent, by kind: oplock or lease"
})

/**
 * @category requests
 * @since 0.2.0
 */
export const requests = MetricFamily.counter({
  name: "effect_smb_client_requests",
  unit: "{request}",
  labels: ["command", "status"],
  description: "Requests that have ended, by command and NTSTATUS; NONE if the connection ended first"
})

/**
 * @category requests
 * @since 0.2.0
 */
export const requestLatency = MetricFamily.latency({
  name: "effect_smb_client_request_latency_ms",
  labels: ["command"],
  description: "Time from a request to its last response, also of requests that wait, such as CHANGE_NOTIFY"
})

/**
 * @category requests
 * @since 0.2.0
 */
export const requestsInFlight = MetricFamily.gauge({
  name: "effect_smb_client_requests_in_flight",
  unit: "{request}",
  description: "Requests that were sent and have no last response yet"
})

/**
 * @category requests
 * @since 0.2.0
 */
export const requestsWaiting = MetricFamily.gauge({
  name: "effect_smb_client_requests_waiting",
  unit: "{request}",
  description: "Requests that wait for credits, a compound as one; by SMB 1 for the server's limit"
})

/**
 * @category requests
 * @since 0.2.0
 */
export const credits = MetricFamily.gauge({
  name: "effect_smb_client_credits",
  unit: "{credit}",
  description: "Credits that servers have granted and that are not in use"
})

/**
 * @category data
 * @since 0.2.0
 */
export const bytesRead = MetricFamily.counter({
  name: "effect_smb_client_bytes_read",
  unit: "By",
  description: "Bytes in successful responses to READ"
})

/**
 * @category data
 * @since 0.2.0
 */
export const bytesWritten = MetricFamily.counter({
  name: "effect_smb_client_bytes_written",
  unit: "By",
  description: "Bytes in WRITE requests that succeeded"
})
