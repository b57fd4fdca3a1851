/** All targets by their names. */
import type { Target } from "../Engine.ts"
import { client } from "../sessions/HostileServer.ts"
import { server } from "../sessions/Server.ts"
import { smb1Client } from "../sessions/Smb1Server.ts"
import { logon, tokensOfLogons } from "./Auth.ts"
import { dfs } from "./Dfs.ts"
import { framing } from "./Frames.ts"
import { informationClasses, sddl, security } from "./Information.ts"
import { hasKerberos, kerberos } from "./Kerberos.ts"
import { rpc } from "./Rpc.ts"
import { smb1 } from "./Smb1.ts"
import { smb2 } from "./Smb2.ts"
import { stores } from "./Stores.ts"
import { files, texts } from "./Text.ts"

/** Decoders and parsers: one execution is one input. Tickets need a library of the system. */
export const decoders: ReadonlyArray<Target> = [
  smb2,
  smb1,
  framing,
  dfs,
  tokensOfLogons,
  logon,
  ...hasKerberos ? [kerberos] : [],
  rpc,
  informationClasses,
  security,
  sddl,
  texts,
  files,
  stores
]

/** Whole sessions: one execution is one connection with many packets. */
export const sessions: ReadonlyArray<Target> = [server, client, smb1Client]

export const targets: ReadonlyArray<Target> = [...decoders, ...sessions]
