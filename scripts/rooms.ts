/**
 * The rooms of `src`, and the imports between them: the one table of docs/adr/0002-rooms.md, from which `oxlint.config.ts`
 * makes the rules of lint.
 */

/** The rooms that each room may import. */
export const rooms = {
  Codec: [],
  Auth: ["Codec"],
  Protocol: ["Codec"],
  Smb2: ["Codec", "Auth", "Protocol"],
  Smb1: ["Codec", "Auth", "Protocol"],
  Client: ["Codec", "Auth", "Protocol", "Smb2", "Smb1"],
  Dfs: ["Codec", "Auth", "Protocol", "Smb2", "Smb1", "Client"],
  Transfer: ["Codec", "Auth", "Protocol", "Smb2", "Smb1", "Client"],
  Server: ["Codec", "Auth", "Protocol", "Smb2", "Dfs"],
  Layers: ["Codec", "Protocol"],
  FileSystem: ["Codec", "Protocol", "Smb2", "Client"],
  Smb: ["Auth", "Client", "Dfs", "Layers"],
  Promise: ["Codec", "Auth", "Protocol", "Client", "Smb"],
  Testing: ["Codec", "Auth", "Protocol", "Smb2", "Smb1", "Client", "Dfs", "Server", "Layers"],
  Cli: [
    "Codec",
    "Auth",
    "Protocol",
    "Smb2",
    "Smb1",
    "Client",
    "Transfer",
    "Dfs",
    "Server",
    "Layers",
    "FileSystem",
    "Smb"
  ]
} as const satisfies Record<string, ReadonlyArray<string>>

/** The folders of `src/Server/internal`, the lowest first: each may import those before it. */
export const serverFolders = ["Wire", "State", "Rpc", "Command", "Connection"] as const
