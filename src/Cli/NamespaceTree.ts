/** A namespace as `dfs tree` draws it: roots and links, their targets, and which of these answer. Pure. */

/** A target, and the reason if it does not respond. */
export interface TargetState {
  readonly target: string
  readonly state: "up" | "down"
  readonly error?: string
  /** The target set, from 0: clients try all targets of a set before those of the next (MS-DFSC 2.2.5.4). */
  readonly set?: number
}

/** A root or a link. `error`: why it has no referral. */
export interface Node {
  readonly path: string
  /** In the order in which clients try them. */
  readonly targets: ReadonlyArray<TargetState>
  readonly error?: string
  /** Seconds for which the referral is still valid. */
  readonly timeToLive?: number
  /** Clients go back to an earlier target set when it answers again. */
  readonly targetFailback?: boolean
}

/** A namespace: its root, and all links below it. */
export interface NamespaceTree {
  readonly root: Node
  readonly links: ReadonlyArray<Node>
}

/** How many of the targets answer. */
export type Health = "up" | "partly" | "down"

/** A node without targets is down too: no client gets anywhere by it. */
export const healthOf = ({ targets }: Node): Health => {
  const up = targets.filter(({ state }) => state === "up").length
  return up === 0 ? "down" : up === targets.length ? "up" : "partly"
}

/** The health in words, such as `1 of 2 targets does not answer`. */
export const healthText = ({ targets }: Node): string => {
  const all = targets.length
  const down = targets.filter(({ state }) => state === "down").length
  if (all === 0) return "no target"
  if (down === 0) return all === 1 ? "1 target" : `${all} targets`
  if (down === all) return all === 1 ? "its target does not answer" : `none of ${all} targets answers`
  return down === 1 ? `1 of ${all} targets does not answer` : `${down} of ${all} targets do not answer`
}

/** The state of a target in words, with the reason if it does not respond. */
export const stateText = ({ error, state }: TargetState): string =>
  state === "up" ? "answers" : `does not answer${error === undefined ? "" : `: ${error}`}`

/** The name of a link below its root, with the folders on the way. */
export const nameBelow = (root: Node, link: Node): string => link.path.slice(root.path.length + 1)

const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`

/** The whole namespace in a sentence. */
export const summary = ({ links, root }: NamespaceTree): string => {
  const targets = [root, ...links].flatMap((node) => node.targets)
  const down = targets.filter(({ state }) => state === "down").length
  const unreachable = links.filter((link) => healthOf(link) === "down").length
  const dead = down === 0
    ? targets.length === 0 ? "" : ", all of them answer"
    : down === 1
    ? ", 1 of them does not answer"
    : `, ${down} of them do not answer`
  return `${plural(links.length, "link")}, ${plural(targets.length, "target")}${dead}${
    unreachable === 0 ? "" : `; ${unreachable === 1 ? "1 link leads" : `${unreachable} links lead`} nowhere`
  }.`
}

/** Whether the targets of a node are in more than one set. */
export const hasSets = ({ targets }: Node): boolean => targets.some(({ set }) => set !== undefined && set > 0)
