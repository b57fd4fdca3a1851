/**
 * How a place on a network is called: `\\server\share\path`, with the server's port only where it is not that of SMB.
 * On the wire goes the name without a port; what people and programs are told can be opened as it stands.
 */

/** The port of SMB over TCP. */
export const defaultPort = 445

/** A server, by its name or address, and its TCP port. */
export interface Server {
  readonly server: string
  readonly port: number
}

/** The name of a server, or of what `components` lead to there; an empty one counts for none. */
export const format = ({ port, server }: Server, ...components: ReadonlyArray<string>): string => {
  const host = server.includes(":") ? `[${server}]` : server
  const first = port === defaultPort ? host : `${host}:${port}`
  return `\\\\${[first, ...components].filter((component) => component !== "").join("\\")}`
}
