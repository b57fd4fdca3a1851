/**
 * A tree of files in memory: nodes by name without regard to case, independent of any protocol.
 */
import { fold } from "../../Codec/UpCase.ts"
import { Link } from "../TestServer.ts"
import type { Files } from "../TestServer.ts"

/** A file, a directory or a link. Times are 100 ns ticks since 1601. */
export interface Node {
  readonly id: bigint
  name: string
  parent: Node | undefined
  readonly children: Map<string, Node> | undefined
  readonly target: string | undefined
  data: Uint8Array
  creationTime: bigint
  lastAccessTime: bigint
  lastWriteTime: bigint
  changeTime: bigint
  fileAttributes: number
}

let nextId = 1n

/** A new node below `parent`; the caller adds it there. */
export const node = (
  name: string,
  parent: Node | undefined,
  time: bigint,
  what: { readonly data?: Uint8Array; readonly children?: Map<string, Node>; readonly target?: string }
): Node => ({
  id: nextId++,
  name,
  parent,
  children: what.children,
  target: what.target,
  data: what.data ?? new Uint8Array(0),
  creationTime: time,
  lastAccessTime: time,
  lastWriteTime: time,
  changeTime: time,
  fileAttributes: what.children !== undefined ? 0x10 : what.target === undefined ? 0x80 : 0x400
})

const keyOf = (name: string): string => fold(name)

export const childOf = (directory: Node, name: string): Node | undefined => directory.children?.get(keyOf(name))

export const hang = (directory: Node, child: Node): void => {
  child.parent = directory
  directory.children!.set(keyOf(child.name), child)
}

export const unhang = (child: Node): void => {
  child.parent?.children?.delete(keyOf(child.name))
  child.parent = undefined
}

/** A tree from plain data. */
export const plant = (files: Files, time: bigint): Node => {
  const grow = (name: string, parent: Node | undefined, below: Files): Node => {
    const directory = node(name, parent, time, { children: new Map() })
    for (const [childName, content] of Object.entries(below)) {
      const child = typeof content === "string"
        ? node(childName, directory, time, { data: new TextEncoder().encode(content) })
        : content instanceof Uint8Array
        ? node(childName, directory, time, { data: content.slice() })
        : content instanceof Link
        ? node(childName, directory, time, { target: content.target })
        : grow(childName, directory, content)
      hang(directory, child)
    }
    return directory
  }
  return grow("", undefined, files)
}

/** The components of a path below a share. */
export const split = (path: string): ReadonlyArray<string> => path.split("\\").filter((part) => part !== "")

/** Where a walk along a path ends: at its node, in a directory that lacks the last name, on the way, or at a link. */
export type Found =
  | { readonly _tag: "Node"; readonly node: Node }
  | { readonly _tag: "Missing"; readonly parent: Node; readonly name: string }
  | { readonly _tag: "NoPath" }
  | { readonly _tag: "Link"; readonly target: string; readonly unparsed: string }

export const find = (root: Node, path: string, openLink: boolean): Found => {
  const parts = split(path)
  let at = root
  for (const [i, part] of parts.entries()) {
    const last = i === parts.length - 1
    const next = childOf(at, part)
    if (next === undefined) {
      return last && at.children
        ? { _tag: "Missing", parent: at, name: part }
        : { _tag: "NoPath" }
    }
    if (next.target !== undefined && !(last && openLink)) {
      return { _tag: "Link", target: next.target, unparsed: last ? "" : `\\${parts.slice(i + 1).join("\\")}` }
    }
    if (!last && next.children === undefined) return { _tag: "NoPath" }
    at = next
  }
  return { _tag: "Node", node: at }
}

/** A pattern with `*` and `?`, and their DOS forms `<`, `>` and `"` (MS-FSCC 2.1.4.4), as a regular expression. */
export const matcher = (pattern: string): RegExp => {
  const source = pattern.replace(/[\\^$.*+?()[\]{}|<>"]/g, (char) => {
    if (char === "*" || char === "<") return ".*"
    if (char === "?" || char === ">") return "."
    return char === "\"" ? "\\." : `\\${char}`
  })
  return new RegExp(`^${source}$`, "isu")
}
