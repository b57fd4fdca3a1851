/** The command with its subcommands, in the groups that the help shows. */
import * as Command from "effect/cli/Command"
import { attrib, mkdir, mv, rm, touch } from "./Commands/Change.ts"
import { check, cp, get, put, sync } from "./Commands/Copy.ts"
import { dfs } from "./Commands/Dfs.ts"
import { login, logout } from "./Commands/Login.ts"
import { cat, df, du, find, ls, stat, streams, tree, versions } from "./Commands/Look.ts"
import { top } from "./Commands/Root.ts"
import { serve } from "./Commands/Serve.ts"
import { doctor, info, shares } from "./Commands/Servers.ts"

/** `effect-smb` */
export const command = top.pipe(
  Command.withSubcommands([
    { group: "Look", commands: [ls, tree, find, cat, stat, streams, versions, du, df] },
    { group: "Copy", commands: [get, put, cp, sync, check] },
    { group: "Change", commands: [rm, mkdir, mv, touch, attrib] },
    { group: "Servers", commands: [shares, info, doctor, login, logout, dfs, serve] }
  ])
)
