/**
 * A namespace as a page of HTML in one file: no script, nothing from elsewhere. Folders and links open and close.
 * Pure.
 */
import { escape, style as common } from "./Markup.ts"
import * as NamespaceTree from "./NamespaceTree.ts"

const style = `${common}
body{max-width:72rem;margin:0 auto;padding:1rem}
h1{overflow-wrap:anywhere;margin:.2rem 0}
p{margin:.3rem 0;color:var(--quiet)}
details{border-top:1px solid var(--line)}
details details{margin-left:1.2rem}
summary{cursor:pointer;padding:.35rem .2rem;overflow-wrap:anywhere}
summary:hover{background:var(--hover)}
summary .words{color:var(--quiet);font-size:.875rem;margin-left:.5rem}
table{border-collapse:collapse;margin:.1rem 0 .8rem 1.2rem}
td,th{text-align:left;vertical-align:top;padding:.2rem .7rem .2rem 0;overflow-wrap:anywhere}
th{font-weight:400;color:var(--quiet);font-size:.875rem;white-space:nowrap}
.target{min-width:11rem}
.folder>summary{font-weight:600}
.up{color:var(--up)}.partly{color:var(--warn)}.down{color:var(--down)}
.mark{display:inline-block;width:1.2rem;text-align:center}
label{display:inline-block;margin:.5rem 0;cursor:pointer}
body:has(#dead:checked) .well{display:none}`

/** A mark for each state; the words next to it say the same. */
const marks: Readonly<Record<NamespaceTree.Health, string>> = { up: "&#9679;", partly: "&#9650;", down: "&#10005;" }

const mark = (health: NamespaceTree.Health): string =>
  `<span class="mark ${health}" aria-hidden="true">${marks[health]}</span>`

const targetsOf = (node: NamespaceTree.Node): string => {
  if (node.targets.length === 0) return ""
  const sets = NamespaceTree.hasSets(node)
  const rows = node.targets.map((target, index) =>
    `<tr><td>${index + 1}</td>${sets ? `<td>${target.set ?? ""}</td>` : ""}<td class="target">${
      escape(target.target)
    }</td><td class="${target.state}">${mark(target.state)}${escape(NamespaceTree.stateText(target))}</td></tr>`
  )
  return `<table><thead><tr><th scope="col">Order</th>${
    sets ? "<th scope=\"col\">Set</th>" : ""
  }<th scope="col">Target</th><th scope="col">State</th></tr></thead><tbody>${rows.join("")}</tbody></table>`
}

const factsOf = ({ error, targetFailback, timeToLive }: NamespaceTree.Node): string => {
  const facts = [
    ...(error === undefined ? [] : [escape(error)]),
    ...(timeToLive === undefined ? [] : [`The referral is valid for ${timeToLive} more seconds.`]),
    ...(targetFailback === true ? ["Clients go back to an earlier set when it answers again."] : [])
  ]
  return facts.length === 0 ? "" : `<p>${facts.join(" ")}</p>`
}

/** A link is open if something is wrong with it. */
const linkElement = (name: string, link: NamespaceTree.Node): string => {
  const health = NamespaceTree.healthOf(link)
  return `<details class="link${health === "up" ? " well" : ""}"${health === "up" ? "" : " open"}>` +
    `<summary title="${escape(link.path)}">${mark(health)}${escape(name)}<span class="words">${
      NamespaceTree.healthText(link)
    }</span></summary>` +
    `${factsOf(link)}${targetsOf(link)}</details>`
}

/** A folder on the way to links. */
interface Folder {
  readonly folders: Map<string, Folder>
  readonly links: Array<readonly [name: string, link: NamespaceTree.Node]>
}

const emptyFolder = (): Folder => ({ folders: new Map(), links: [] })

/** The links in the folders that lead to them. */
const inFolders = ({ links, root }: NamespaceTree.NamespaceTree): Folder => {
  const top = emptyFolder()
  for (const link of links) {
    const names = NamespaceTree.nameBelow(root, link).split("\\")
    let folder = top
    for (const name of names.slice(0, -1)) {
      const next = folder.folders.get(name) ?? emptyFolder()
      folder.folders.set(name, next)
      folder = next
    }
    folder.links.push([names.at(-1)!, link])
  }
  return top
}

const compareNames = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare

const linksBelow = ({ folders, links }: Folder): ReadonlyArray<NamespaceTree.Node> => [
  ...links.map(([, link]) => link),
  ...[...folders.values()].flatMap(linksBelow)
]

const contentOf = (folder: Folder): string =>
  [...folder.folders].toSorted(([a], [b]) => compareNames(a, b)).map(([name, below]) => {
    const links = linksBelow(below)
    const wrong = links.filter((link) => NamespaceTree.healthOf(link) !== "up").length
    const words = `${links.length} ${links.length === 1 ? "link" : "links"}${
      wrong === 0 ? "" : `, ${wrong} with a target that does not answer`
    }`
    return `<details class="folder${wrong === 0 ? " well" : ""}" open><summary>${
      escape(name)
    }\\<span class="words">${words}</span></summary>${contentOf(below)}</details>`
  }).join("\n") +
  folder.links.toSorted(([a], [b]) => compareNames(a, b)).map(([name, link]) => linkElement(name, link)).join("\n")

/** The page. `drawn`: the time of the drawing, in milliseconds since 1970. */
export const html = (tree: NamespaceTree.NamespaceTree, drawn: number): string => {
  const { links, root } = tree
  const time = new Date(drawn).toISOString()
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escape(root.path)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escape(root.path)}</h1>
<p>${NamespaceTree.summary(tree)}</p>
<p>Drawn by effect-smb at <time datetime="${time}">${
    time.slice(0, 16).replace("T", " ")
  } UTC</time>. Order: how clients try the targets.</p>
<label><input type="checkbox" id="dead"> Only what does not answer</label>
${linkElement("Root targets", root)}
${links.length === 0 ? "<p>This namespace has no links.</p>" : contentOf(inFolders(tree))}
</body>
</html>
`
}
