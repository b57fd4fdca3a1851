/**
 * The pages of `serve http`: a listing, and what went wrong. HTML without scripts, and without anything from elsewhere.
 * All texts of a share are escaped. Pure.
 */
import { createHash } from "node:crypto"
import type { Entry } from "../../Client/Entry.ts"
import * as FileTime from "../../Codec/FileTime.ts"
import { escape, style as common } from "../Markup.ts"
import * as Output from "../Output.ts"
import { encodeName } from "./UrlPath.ts"

/** The columns by which a listing is sorted. */
export const columns = ["name", "size", "time"] as const

export type Column = typeof columns[number]

/** How a listing is sorted: by name upwards unless the URL says otherwise. */
export interface Order {
  readonly by: Column
  readonly descending: boolean
}

/** The order that the parameters of a URL ask for. */
export const orderOf = (sort: string | undefined, order: string | undefined): Order => {
  const by = columns.find((column) => column === sort) ?? "name"
  return { by, descending: order === "desc" }
}

const isUsual = ({ by, descending }: Order): boolean => by === "name" && !descending

const queryOf = (order: Order): string =>
  isUsual(order) ? "" : `?sort=${order.by}${order.descending ? "&amp;order=desc" : ""}`

const style = `${common}
header{position:sticky;top:0;background:var(--page);border-bottom:1px solid var(--line);padding:.9rem 1rem;z-index:1}
nav{display:flex;flex-wrap:wrap;gap:.25rem .5rem;overflow-wrap:anywhere}
nav span{color:var(--quiet)}
main{max-width:72rem;margin:0 auto;padding:.5rem 1rem 1rem}
table{width:100%;border-collapse:collapse}
th{text-align:left;font-weight:600;white-space:nowrap;padding:.5rem}
th a{color:inherit;text-decoration:none}
th a:hover{text-decoration:underline}
td{padding:.35rem .5rem;border-top:1px solid var(--line);vertical-align:top}
tbody tr:hover{background:var(--hover)}
.size,.time{white-space:nowrap;color:var(--quiet);font-variant-numeric:tabular-nums}
.size{text-align:right}
th.size{color:inherit}th.time{color:inherit}
td.name{padding-left:2.2rem}
td.name svg{margin-left:-1.6rem}
.name a{overflow-wrap:anywhere;unicode-bidi:isolate}
.save{width:1.5rem;text-align:right}
.save a{text-decoration:none;padding:0 .3rem}
svg{width:1.1em;height:1.1em;vertical-align:-.2em;margin-right:.5rem;flex:none}
svg.symbols{position:absolute;width:0;height:0}
.folder{fill:var(--folder)}.file{fill:none;stroke:var(--quiet);stroke-width:1.3}
.notice{background:var(--hover);border-left:3px solid var(--warn);padding:.6rem .8rem;overflow-wrap:anywhere}
footer{max-width:72rem;margin:0 auto;padding:0 1.5rem 2rem;color:var(--quiet);font-size:.875rem}
@media(max-width:40rem){
main{padding:.25rem .25rem 1rem}
table,thead,tbody{display:block}
thead tr{display:flex;gap:1rem}
th.name{flex:1}
tbody tr{display:grid;grid-template-columns:1fr auto;border-top:1px solid var(--line);padding:.2rem 0}
tbody td{border:0;padding:.2rem .5rem}
tbody .name{grid-column:1/-1;font-size:1.05rem}
tbody .time{grid-column:1;grid-row:2;padding-left:2.1rem}
tbody .size{grid-column:2;grid-row:2}
.save{display:none}
}`

/** The policy of a page: only its own style and icon, no script, no frame around it (CSP Level 3). */
export const contentSecurityPolicy = `default-src 'none'; style-src 'sha256-${
  createHash("sha256").update(style).digest("base64")
}'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'`

const icon = `<link rel="icon" href="data:image/svg+xml,${
  encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#c98a1b" d="M1 3h5l2 2h7v9H1z"/></svg>`
  )
}">`

const symbols =
  `<svg class="symbols" aria-hidden="true"><symbol id="d" viewBox="0 0 16 16"><path d="M1 2.5h5l1.6 2H15v9H1z"/></symbol>` +
  `<symbol id="f" viewBox="0 0 16 16"><path d="M3.5 1.7h6l3 3v9.6h-9z M9.5 1.7v3h3"/></symbol></svg>`

/** A page up to its body, and its end. */
const begin = (title: string): string =>
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
${icon}
<style>${style}</style>
</head>
<body>
${symbols}
`

const end = `
</body>
</html>
`

const page = (title: string, body: string): string => `${begin(title)}${body}${end}`

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" })

/** What a listing shows of an entry. */
export type Shown = Pick<Entry, "name" | "type" | "size" | "lastWriteTime">

const compareNames = (a: Shown, b: Shown): number =>
  collator.compare(a.name, b.name) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

const compareNumbers = (a: bigint, b: bigint): number => a < b ? -1 : a > b ? 1 : 0

/** The entries in an order, folders always first. Folders have no size: they stay in the order of their names. */
export const sort = (entries: ReadonlyArray<Shown>, { by, descending }: Order): ReadonlyArray<Shown> => {
  const sign = descending ? -1 : 1
  return entries.toSorted((a, b) => {
    const [isFolderA, isFolderB] = [a.type === "directory", b.type === "directory"]
    if (isFolderA !== isFolderB) return isFolderA ? -1 : 1
    if (by === "name") return sign * compareNames(a, b)
    const difference = by === "time"
      ? compareNumbers(a.lastWriteTime, b.lastWriteTime)
      : isFolderA
      ? 0
      : compareNumbers(a.size, b.size)
    return sign * difference || compareNames(a, b)
  })
}

const two = (value: number): string => String(value).padStart(2, "0")

/** The time of the last write, in this machine's time zone. */
const timeOf = (entry: Shown): string => {
  if (!FileTime.isTime(entry.lastWriteTime)) return ""
  const date = new Date(FileTime.toMillis(entry.lastWriteTime))
  const text = `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}`
  return `<time datetime="${date.toISOString()}">${text}</time>`
}

/** The name as a person reads it: the client has U+F026 for a backslash that is part of a name. */
export const shown = (name: string): string =>
  name.replace(/\uf07f?\uf026/g, (one) => one === "\uf026" ? "\\" : "\uf026").toWellFormed()

const row = (order: Order) => (entry: Shown): string => {
  const url = `./${encodeName(entry.name)}`
  const isFolder = entry.type === "directory"
  const name =
    `<svg aria-hidden="true" class="${isFolder ? "folder" : "file"}"><use href="#${isFolder ? "d" : "f"}"/></svg>` +
    `<a href="${escape(url)}${isFolder ? `/${queryOf(order)}` : ""}">${escape(shown(entry.name))}${
      isFolder ? "/" : entry.type === "symlink" ? " (link)" : ""
    }</a>`
  // A link can lead to a folder, which cannot be downloaded.
  const size = entry.type === "file"
    ? `<td class="size" title="${entry.size} bytes">${Output.bytes(Number(entry.size))}</td>`
    : "<td class=\"size\"></td>"
  const save = entry.type === "file"
    ? `<a href="${escape(url)}?download" title="Download" aria-label="Download ${
      escape(shown(entry.name))
    }">&#8595;</a>`
    : ""
  return `<tr><td class="name">${name}</td>${size}<td class="time">${
    timeOf(entry)
  }</td><td class="save">${save}</td></tr>`
}

const titles: Readonly<Record<Column, string>> = { name: "Name", size: "Size", time: "Last write" }

const heading = (order: Order) => (column: Column): string => {
  const isSorted = order.by === column
  // The first click on sizes and times shows the largest and the newest.
  const next: Order = { by: column, descending: isSorted ? !order.descending : column !== "name" }
  const mark = isSorted ? order.descending ? " &#9662;" : " &#9652;" : ""
  const sorted = isSorted ? ` aria-sort="${order.descending ? "descending" : "ascending"}"` : ""
  return `<th scope="col" class="${column}"${sorted}><a href="./${queryOf(next)}">${titles[column]}${mark}</a></th>`
}

/** The way from the served folder to this one; each name but the last is a link. `root`: the name of the served folder. */
const breadcrumbs = (root: string, names: ReadonlyArray<string>, isFolder: boolean, query: string): string => {
  const all = [root, ...names.map(shown)]
  const depth = all.length - 1
  return `<nav aria-label="Folders">${
    all.map((name, index) => {
      const up = depth - index - (isFolder ? 0 : 1)
      return index === depth
        ? `<b>${escape(name)}</b>`
        : `<a href="${up <= 0 ? "./" : "../".repeat(up)}${query}">${escape(name)}</a><span>/</span>`
    }).join("")
  }</nav>`
}

const count = (number: number, one: string, many: string): string => `${number} ${number === 1 ? one : many}`

/** A folder. */
export interface Listing {
  /** The name of the served folder, such as `\\server\share`. */
  readonly root: string
  /** The names from the served folder to this one. */
  readonly names: ReadonlyArray<string>
  readonly entries: ReadonlyArray<Shown>
  readonly order: Order
  /** The number of entries after which the listing ended early; `undefined` for a whole listing. */
  readonly cutAt: number | undefined
  /** The time zone of the times, such as `Europe/Berlin`. */
  readonly timeZone: string
}

/** How many rows are in one part of a page: about 50 kB. */
const rowsOfPart = 100

/**
 * The page of a folder in parts, each of which is made when it is asked for: the whole page of a large folder is several
 * times as large as its entries.
 */
export function* listing({ cutAt, entries, names, order, root, timeZone }: Listing): Generator<string, void> {
  const folders = entries.filter(({ type }) => type === "directory").length
  const size = entries.reduce((sum, entry) => entry.type === "file" ? sum + entry.size : sum, 0n)
  const cut = cutAt === undefined
    ? ""
    : `<p class="notice">This folder has more entries than a page shows: these are the first ${cutAt} that the server ` +
      `listed. The command <code>effect-smb ls</code> shows all.</p>`
  const sum = `${count(folders, "folder", "folders")}, ${count(entries.length - folders, "file", "files")}, ` +
    `${Output.bytes(Number(size))}. Times are in the time zone ${escape(timeZone)}.`
  const last = names.at(-1)
  yield `${begin(last === undefined ? root : shown(last))}<header>${
    breadcrumbs(root, names, true, queryOf(order))
  }</header>
<main>${cut}`
  if (entries.length === 0) {
    yield "<p>This folder is empty.</p>"
  } else {
    yield `<table><thead><tr>${columns.map(heading(order)).join("")}<th class="save"></th></tr></thead>\n<tbody>\n`
    const sorted = sort(entries, order)
    for (let at = 0; at < sorted.length; at += rowsOfPart) {
      yield `${sorted.slice(at, at + rowsOfPart).map(row(order)).join("\n")}\n`
    }
    yield "</tbody></table>"
  }
  yield `</main>
<footer>${sum} Shown read-only by effect-smb.</footer>${end}`
}

/** What went wrong. */
export interface Failure {
  readonly root: string
  readonly names: ReadonlyArray<string>
  readonly isFolder: boolean
  readonly status: number
  readonly title: string
  readonly message: string
}

/** The page of a failure: what happened, to what, and the way back. */
export const failure = ({ isFolder, message, names, root, status, title }: Failure): string =>
  page(
    `${status} ${title}`,
    `<header>${breadcrumbs(root, names, isFolder, "")}</header>
<main><h1>${escape(title)}</h1>
<p class="notice">${escape(message)}</p></main>
<footer>HTTP status ${status}. Shown read-only by effect-smb.</footer>`
  )
