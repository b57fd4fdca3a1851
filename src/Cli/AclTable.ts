/** Permissions as a person reads them: a table of 80 columns, lines of what changes, and the fields of JSON. */
import * as Account from "../Client/Account.ts"
import type { Entry, Permissions } from "../Client/Permissions.ts"
import * as Sddl from "../Codec/Sddl.ts"
import { printable } from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Table from "./Table.ts"

const nameOf = (account: Account.Account | undefined): string | undefined =>
  account === undefined ? undefined : Account.format(account)

/** Where an entry counts: `all` is the folder and everything below it. */
const appliesTo = ({ containerInherit, inheritOnly, noPropagateInherit, objectInherit }: Entry): string => {
  const below = containerInherit && objectInherit
    ? "below"
    : containerInherit
    ? "folders"
    : objectInherit
    ? "files"
    : undefined
  const where = below === undefined
    ? inheritOnly ? "nothing" : "here"
    : inheritOnly
    ? below
    : below === "below"
    ? "all"
    : `here+${below}`
  return noPropagateInherit && below !== undefined ? `${where}, 1 level` : where
}

/** An entry as cells; the name comes last, because it is the longest. */
const cells = (entry: Entry): ReadonlyArray<string> => [
  entry.type,
  entry.rights,
  appliesTo(entry),
  entry.inherited ? "above" : "here",
  nameOf(entry.account) ?? `an entry of type ${entry.ace.aceType}, which has no name here`
]

const heads = ["Type", "Rights", "For", "From", "Name"] as const

const aligned = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = heads.map((_, i) => Math.max(0, ...rows.map((row) => row[i]!.length)))
  const lines = rows.map((row) =>
    `${row.map((cell, i) => i === heads.length - 1 ? printable(cell) : cell.padEnd(widths[i]!)).join("  ")}\n`
  )
  const indentation = widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0)
  return process.stdout.isTTY === true
    ? Output.fold(lines.join(""), Output.columnsOf(process.stdout), indentation)
    : lines.join("")
}

/** The permissions of a path as text. */
export const text = (path: string, permissions: Permissions): string => {
  const { entries, isProtected } = permissions
  const list = entries === undefined
    ? "there is no list: everybody has all rights"
    : entries.length === 0
    ? "the list is empty: no account has any rights"
    : undefined
  const facts = Table.lines([
    ["path", path],
    ["owner", nameOf(permissions.owner)],
    ["group", nameOf(permissions.group)],
    ["inherits", isProtected ? "no" : "yes"],
    ["entries", list]
  ])
  return entries === undefined || entries.length === 0 ? facts : facts + aligned([heads, ...entries.map(cells)])
}

const entryObject = (entry: Entry) => ({
  type: entry.type,
  name: nameOf(entry.account) ?? null,
  sid: entry.account?.sid ?? null,
  accountType: entry.account?.type ?? null,
  rights: entry.rights,
  mask: entry.mask,
  objectInherit: entry.objectInherit,
  containerInherit: entry.containerInherit,
  noPropagateInherit: entry.noPropagateInherit,
  inheritOnly: entry.inheritOnly,
  inherited: entry.inherited,
  aceType: entry.ace.aceType
})

const accountObject = (account: Account.Account | undefined) =>
  account === undefined ? null : { name: Account.format(account), sid: account.sid, accountType: account.type }

/** The permissions of a path as the fields of an object. */
export const object = (path: string, permissions: Permissions): Readonly<Record<string, unknown>> => ({
  path,
  owner: accountObject(permissions.owner),
  group: accountObject(permissions.group),
  protected: permissions.isProtected,
  entries: permissions.entries?.map(entryObject) ?? null,
  sddl: Sddl.toSddl(permissions.descriptor) ?? null
})

const line = (entry: Entry): string => printable(cells(entry).join("  "))

/** What a change removes (`-`) and adds (`+`), a line each. */
export const changes = (before: Permissions, after: Permissions): ReadonlyArray<string> => {
  const of = ({ entries, isProtected, owner }: Permissions): ReadonlyArray<string> => [
    `owner  ${printable(nameOf(owner) ?? "none")}`,
    `inherits  ${isProtected ? "no" : "yes"}`,
    ...(entries === undefined ? ["no list: everybody has all rights"] : entries.map(line))
  ]
  const left = of(before)
  const added = [...of(after)]
  const removed: Array<string> = []
  for (const one of left) {
    const at = added.indexOf(one)
    if (at < 0) removed.push(one)
    else added.splice(at, 1)
  }
  return [...removed.map((one) => `- ${one}`), ...added.map((one) => `+ ${one}`)]
}
