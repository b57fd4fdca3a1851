/** The command with its subcommands, in the groups that the help shows. */
import * as Command from "effect/cli/Command"
import { acl } from "./Commands/Acl.ts"
import { attrib, ln, mkdir, mv, rm, touch } from "./Commands/Change.ts"
import { check, cp, get, put, sync } from "./Commands/Copy.ts"
import { dfs } from "./Commands/Dfs.ts"
import { login, logout } from "./Commands/Login.ts"
import { cat, df, du, find, ls, stat, streams, tree, versions, watch } from "./Commands/Look.ts"
import { top, topOfLines } from "./Commands/Root.ts"
import { serve } from "./Commands/Serve.ts"
import { doctor, info, locks, shares } from "./Commands/Servers.ts"
import * as Shell from "./Commands/Shell.ts"

const look = { group: "Look", commands: [ls, tree, find, cat, stat, streams, versions, du, df, watch] } as const
const copy = { group: "Copy", commands: [get, put, cp, sync, check] } as const
const change = { group: "Change", commands: [rm, mkdir, mv, ln, touch, attrib, acl] } as const

/** The lines of the shell: all subcommands that log on, in the session of the shell. */
const lines = topOfLines.pipe(
  Command.withSubcommands([
    look,
    copy,
    change,
    { group: "Servers", commands: [shares, info, locks, doctor, dfs] },
    { group: "Shell", commands: Shell.inside }
  ])
)

/** `effect-smb` */
export const command = top.pipe(
  Command.withSubcommands([
    look,
    copy,
    change,
    { group: "Servers", commands: [shares, info, locks, doctor, login, logout, dfs, Shell.make(lines), serve] }
  ])
)
