/**
 * Values that a client's requests give an open (MS-SMB2 3.3.1.10): by which it is found again after the loss of its
 * connection, by which an application instance owns it, and by which its requests are ordered.
 */

/** The values by which a durable or resilient open is found again. */
export interface Durable {
  /** A resilient open keeps its place, no matter who else wants the file, until its timeout (3.3.5.15.9). */
  readonly resilient: boolean
  /**
   * A persistent open keeps its place as a resilient one does, also after the end of the server (3.3.5.9.10): an
   * `OpenStore` has it.
   */
  readonly persistent: boolean
  readonly version: 1 | 2
  readonly createGuid: string | undefined
  /** Milliseconds that it stays after the loss of its connection. */
  readonly timeout: number
  readonly clientGuid: string
  readonly owner: string
}

/** The kinds of durable opens, for metrics. */
export type DurableKind = "durable" | "persistent" | "resilient"

/** The kind of a durable open. */
export const kindOf = ({ persistent, resilient }: Durable): DurableKind =>
  persistent ? "persistent" : resilient ? "resilient" : "durable"

/**
 * Whether an open keeps its place while its client is away, no matter who else wants the file: a break waits for its
 * client (3.3.4.6, 3.3.4.7).
 */
export const keepsPlace = (durable: Durable | undefined): boolean =>
  durable !== undefined && (durable.resilient || durable.persistent)

/** The version of an application instance (MS-SMB2 2.2.13.2.15): the greater one belongs to the later client. */
export interface AppInstanceVersion {
  readonly high: bigint
  readonly low: bigint
}

/** The application instance of an open, by the values of its CREATE (MS-SMB2 3.3.1.10). */
export interface AppInstance {
  /** The AppInstanceId in hexadecimal digits. */
  readonly id: string
  readonly version: AppInstanceVersion | undefined
  readonly clientGuid: string
}

/**
 * The number of an open's requests under way that change something: those of its present channel sequence, and of
 * earlier ones (3.3.5.2.10).
 */
export interface Outstanding {
  sequence: number
  present: number
  before: number
}

/** The create options that FileModeInformation has (MS-FSCC 2.4.31). */
export const fileModes = 0x0000_103e
