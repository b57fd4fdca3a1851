/**
 * A namespace as a drawing in one file of SVG: the root, a line down to its links, and each link with its targets. A
 * drawing has no measure of text, so all texts are in a font whose characters have one width. Pure.
 */
import { escape } from "./Markup.ts"
import * as NamespaceTree from "./NamespaceTree.ts"

const style = `.page{fill:#fff}text{font:13px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#1c2126}
.quiet{fill:#5b6670}.title{font-weight:700;font-size:15px}
.line{fill:none;stroke:#b4bec6;stroke-width:1.2}.box{fill:#f1f4f6;stroke:#c3ccd3}
text.up{fill:#1a7f42}text.down{fill:#c2281d}
.box.partly{fill:#fff4e0;stroke:#b96b00}.box.down{fill:#fdecea;stroke:#c2281d}
.line.down{stroke:#c2281d;stroke-dasharray:4 3}
@media(prefers-color-scheme:dark){.page{fill:#14181c}text{fill:#e3e7ea}.quiet{fill:#9aa5ae}
.line{stroke:#48535c}.box{fill:#1d2328;stroke:#3a444c}text.up{fill:#5ccf86}text.down{fill:#ff8a80}
.box.partly{fill:#332612;stroke:#e8a13c}.box.down{fill:#3a1d1b;stroke:#ff8a80}.line.down{stroke:#ff8a80}}`

/** Sizes in units of the drawing. */
const character = 7.9
const row = 26
const gap = 8
const margin = 16
const top = 74
const linkColumn = margin + 34

/** The most characters of a name, and of a target with its state. Longer ones are cut; a tooltip has all of it. */
const mostOfName = 48
const mostOfTarget = 90

/** Characters that are twice as wide. */
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Extended_Pictographic}/u

const widthOf = (text: string): number => Array.from(text).reduce((sum, one) => sum + (wide.test(one) ? 2 : 1), 0)

/** The text, cut to a width in characters. */
const cut = (text: string, most: number): string => {
  if (widthOf(text) <= most) return text
  let width = 1
  let kept = ""
  for (const one of Array.from(text)) {
    width += wide.test(one) ? 2 : 1
    if (width > most) break
    kept += one
  }
  return `${kept}…`
}

const marks = { up: "●", down: "✕" } as const

const texts = (node: NamespaceTree.Node) =>
  node.targets.map((target, index) => {
    const { set, state } = target
    const order = `${index + 1}.${NamespaceTree.hasSets(node) && set !== undefined ? ` (set ${set})` : ""}`
    const whole = `${order} ${target.target}${state === "up" ? "" : `  ${NamespaceTree.stateText(target)}`}`
    return { state, whole, text: cut(whole, mostOfTarget) }
  })

/** A node with its targets, from `y` on. */
const drawn = (node: NamespaceTree.Node, name: string, x: number, targets: number, y: number) => {
  const lines = texts(node)
  const health: NamespaceTree.Health = NamespaceTree.healthOf(node)
  const rows = Math.max(1, lines.length)
  const height = rows * row
  const middle = y + height / 2
  const text = cut(name, mostOfName)
  const right = x + widthOf(text) * character + 16
  const error = node.error === undefined ? NamespaceTree.healthText(node) : node.error
  const box = `<g><title>${escape(`${node.path}: ${error}`)}</title>` +
    `<rect class="box ${health}" x="${x}" y="${middle - 11}" width="${right - x}" height="22" rx="4"/>` +
    `<text x="${x + 8}" y="${middle + 4.5}">${escape(text)}</text></g>`
  const bus = targets - 18
  const arrows = lines.map(({ state, text, whole }, index) => {
    const at = y + index * row + row / 2
    return `<path class="line ${state}" d="M${right} ${middle}H${bus}V${at}H${targets - 4}"/>` +
      `<g><title>${escape(whole)}</title><text class="${state}" x="${targets}" y="${at + 4.5}">${marks[state]}</text>` +
      `<text x="${targets + 16}" y="${at + 4.5}">${escape(text)}</text></g>`
  })
  const none = lines.length > 0
    ? ""
    : `<path class="line down" d="M${right} ${middle}H${targets - 4}"/><text class="down" x="${targets}" y="${
      middle + 4.5
    }">${escape(cut(error, mostOfTarget))}</text>`
  return { content: `${box}${arrows.join("")}${none}`, height, middle }
}

/** The drawing. */
export const svg = (tree: NamespaceTree.NamespaceTree): string => {
  const { links, root } = tree
  const names = links.map((link) => NamespaceTree.nameBelow(root, link))
  const widest = (most: number, all: ReadonlyArray<string>) =>
    Math.max(0, ...all.map((text) => widthOf(cut(text, most)))) * character
  const nameWidth = Math.max(
    widest(mostOfName, names) + linkColumn - margin,
    widest(mostOfName, [root.path])
  )
  const targets = Math.ceil(margin + nameWidth + 16 + 44)
  const targetWidth = widest(
    mostOfTarget,
    [root, ...links].flatMap((node) =>
      node.targets.length === 0 ? [node.error ?? ""] : texts(node).map(({ text }) => text)
    )
  )
  const words = NamespaceTree.summary(tree)
  const width = Math.ceil(Math.max(targets + 16 + targetWidth, margin + widthOf(words) * character) + margin)
  const first = drawn(root, root.path, margin, targets, top)
  const parts = [first.content]
  let y = top + first.height + gap
  let last = first.middle
  for (const [index, link] of links.entries()) {
    const one = drawn(link, names[index]!, linkColumn, targets, y)
    parts.push(`<path class="line" d="M${margin + 14} ${one.middle}H${linkColumn}"/>${one.content}`)
    last = one.middle
    y += one.height + gap
  }
  const trunk = links.length === 0 ? "" : `<path class="line" d="M${margin + 14} ${first.middle + 11}V${last}"/>`
  const height = Math.ceil(y + margin)
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title words">
<title id="title">${escape(root.path)}</title>
<desc id="words">${escape(words)}</desc>
<style>${style}</style>
<rect class="page" width="${width}" height="${height}"/>
<text class="title" x="${margin}" y="32">${escape(cut(root.path, 100))}</text>
<text class="quiet" x="${margin}" y="54">${escape(words)}</text>
${trunk}
${parts.join("\n")}
</svg>
`
}
