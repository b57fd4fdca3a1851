/**
 * The faults of a described world, and their times: how reachable each server is, what it refuses, how the namespaces
 * have changed. Plain state that requests and the clock move on; it neither waits nor responds by itself.
 */
import * as Duration from "effect/Duration"
import * as DfsPath from "../../Dfs/DfsPath.ts"
import type * as Namespace from "../../Dfs/Namespace.ts"
import { anyFileId } from "../../Smb2/Message/Common.ts"
import { HeaderFlags } from "../../Smb2/Message/Constants.ts"
import type { Description, Event, Fault } from "../NamespaceDescription.ts"
import type { Answer, Reaction, Received } from "../TestServer.ts"
import * as NamespaceTable from "./NamespaceTable.ts"
import { describe } from "./Requests.ts"
import type { Switches } from "./TestHosts.ts"
import * as TestReferrals from "./TestReferrals.ts"

/** A referral from a broken server: it states one entry, and has none. */
const nonsense = "0000010002000000"

interface Answering {
  readonly command: string | undefined
  readonly reaction: Reaction
  left: number
}

interface Host {
  /** Does it know FSCTL_DFS_GET_REFERRALS_EX? */
  readonly ex: boolean
  reach: "well" | "down" | "unreachable" | "hangs" | "garbage"
  slow: Duration.Input | undefined
  answering: Array<Answering>
  /** Requests so far, by command, and their total by `*`. */
  readonly counts: Map<string, number>
}

interface Waiting {
  readonly fault: Fault
  done: boolean
}

/**
 * Is it one of a client's last requests? The client would wait two seconds of virtual time for the response, and no
 * fiber moves that time on while a test's scope closes. These requests are therefore answered at once, or the
 * connection ends.
 */
const isFarewell = ({ command }: Received): boolean => command === "LOGOFF" || command === "TREE_DISCONNECT"

/**
 * The state of a described world.
 *
 * @category models
 */
export class Simulation {
  private readonly folders: NamespaceTable.Folders
  private readonly original: NamespaceTable.Folders
  private readonly domains: NonNullable<Description["domains"]>
  /** The later targets of folders. */
  private readonly further: ReadonlyArray<DfsPath.DfsPath>
  private readonly hosts = new Map<string, Host>()
  private readonly malformed = new Map<string, { readonly path: DfsPath.DfsPath; readonly bytes: Uint8Array }>()
  private readonly asked = new Map<string, number>()
  private readonly waiting: Array<Waiting> = []
  private readonly tell: (event: Omit<Event, "at">) => void
  private namespaces: ReadonlyMap<string, Namespace.Namespace>
  /** Set when the hosts exist. */
  switches: Switches | undefined

  constructor(description: Description, tell: (event: Omit<Event, "at">) => void) {
    this.folders = NamespaceTable.folders(description)
    this.original = new Map(this.folders)
    this.domains = description.domains ?? {}
    this.namespaces = NamespaceTable.namespaces(this.folders, this.domains)
    this.further = (description.faults ?? []).flatMap((fault) =>
      fault.is === "changed" ? NamespaceTable.targetsOf(NamespaceTable.toFolder(fault.to)) : []
    )
    this.tell = tell
  }

  /** The hosts that the namespaces need, each with a share and the path below it. */
  needs(): ReadonlyArray<DfsPath.DfsPath> {
    return [...NamespaceTable.hostsOf(this.folders, this.domains), ...this.further]
  }

  addHost(name: string, ex: boolean): void {
    const host: Host = { ex, reach: "well", slow: undefined, answering: [], counts: new Map() }
    this.hosts.set(DfsPath.fold(name), host)
  }

  /** The namespace from which a host answers referral requests; undefined if it has no part in any namespace. */
  namespaceOf(name: string): Namespace.Namespace | undefined {
    return this.namespaces.get(DfsPath.fold(name))
  }

  isUnreachable(name: string): boolean {
    return this.hosts.get(DfsPath.fold(name))?.reach === "unreachable"
  }

  /** A fault that waits for a number of requests. */
  plan(fault: Fault): void {
    this.waiting.push({ fault, done: false })
  }

  /** Does a fault name an existing server or folder, and make sense? */
  check(fault: Fault): void {
    if ("server" in fault) {
      if (!this.hosts.has(DfsPath.fold(fault.server))) {
        throw new NamespaceTable.BadDescription(`a fault names the server ${fault.server}, which is not there`)
      }
      return
    }
    const path = NamespaceTable.parse(fault.path)
    if (!this.original.has(DfsPath.key(path))) {
      throw new NamespaceTable.BadDescription(`a fault names the folder ${fault.path}, which is not there`)
    }
    if (fault.is === "changed") {
      const changed = new Map(this.folders).set(DfsPath.key(path), { path, folder: NamespaceTable.toFolder(fault.to) })
      NamespaceTable.namespaces(changed, this.domains)
    }
  }

  /** Faults whose number of requests is reached: they happen before the next request. */
  due(): void {
    for (const one of this.waiting) {
      if (one.done || this.countOf(one.fault) < (one.fault.after ?? 0)) continue
      one.done = true
      this.apply(one.fault)
    }
  }

  private countOf(fault: Fault): number {
    return "server" in fault
      ? this.hosts.get(DfsPath.fold(fault.server))!.counts.get(fault.on ?? "*") ?? 0
      : this.asked.get(DfsPath.key(NamespaceTable.parse(fault.path))) ?? 0
  }

  /** Lets a fault happen after `check`. */
  apply(fault: Fault): void {
    if ("path" in fault) return this.change(fault)
    const host = this.hosts.get(DfsPath.fold(fault.server))!
    let detail: string | undefined
    switch (fault.is) {
      case "up":
        Object.assign(host, { reach: "well", slow: undefined, answering: [] })
        break
      case "down":
      case "unreachable":
      case "hangs":
      case "garbage":
        host.reach = fault.is
        break
      case "slow":
        host.slow = fault.by
        detail = `by ${Duration.format(Duration.fromInputUnsafe(fault.by))}`
        break
      case "refuses":
        host.answering.push({
          command: fault.command,
          reaction: { status: fault.status },
          left: fault.times ?? Number.POSITIVE_INFINITY
        })
        detail = `${fault.command ?? "everything"} by ${fault.status}`
        break
      case "answers":
        host.answering.push({
          command: fault.command,
          reaction: fault.with,
          left: fault.times ?? Number.POSITIVE_INFINITY
        })
        break
      case "drops":
        break
    }
    this.tell({
      what: "fault",
      server: fault.server,
      detail: [fault.is, ...(detail === undefined ? [] : [detail])].join(" ")
    })
    switch (fault.is) {
      case "down":
        return this.switches?.down(fault.server)
      case "drops":
        return this.switches?.drop(fault.server)
      case "up":
      case "unreachable":
      case "hangs":
      case "garbage":
        return this.switches?.up(fault.server)
    }
  }

  private change(fault: Extract<Fault, { readonly path: string }>): void {
    const path = NamespaceTable.parse(fault.path)
    const key = DfsPath.key(path)
    switch (fault.is) {
      case "withdrawn":
        this.folders.set(key, { path, folder: undefined })
        break
      case "changed":
        this.folders.set(key, { path, folder: NamespaceTable.toFolder(fault.to) })
        break
      case "restored":
        this.folders.set(key, this.original.get(key)!)
        this.malformed.delete(key)
        break
      case "malformed":
        this.malformed.set(key, { path, bytes: Uint8Array.from(Buffer.from(fault.hex ?? nonsense, "hex")) })
        break
    }
    this.namespaces = NamespaceTable.namespaces(this.folders, this.domains)
    this.tell({ what: "fault", server: path[0]!, path: DfsPath.toString(path), detail: fault.is })
  }

  /** The reaction to a request of a host; an empty one is the usual response. */
  react(name: string, received: Received): Reaction {
    // All requests of a compound get the same reaction.
    if ((received.header.flags & HeaderFlags.SMB2_FLAGS_RELATED_OPERATIONS) === 0) this.due()
    const host = this.hosts.get(DfsPath.fold(name))!
    const { command, path } = describe(received.header, received.request, undefined)
    for (const key of ["*", received.command]) host.counts.set(key, (host.counts.get(key) ?? 0) + 1)
    switch (host.reach) {
      case "down":
        return "drop"
      case "unreachable":
      case "hangs":
        return isFarewell(received) ? "drop" : "silence"
      case "garbage":
        return "garbage"
    }
    const reaction = this.chosen(host, command, path, received)
    return host.slow === undefined || typeof reaction === "string" || isFarewell(received)
      ? reaction
      : { delay: host.slow, ...reaction }
  }

  private chosen(host: Host, command: string, path: string | undefined, received: Received): Reaction {
    const told = host.answering.find((one) => one.left > 0 && (one.command ?? received.command) === received.command)
    if (told !== undefined) {
      told.left--
      return told.reaction
    }
    if (command === "REFERRAL_EX" && !host.ex) return { status: "STATUS_FS_DRIVER_REQUIRED" }
    return command.startsWith("REFERRAL") ? this.referral(DfsPath.fromString(path ?? ""), received) : {}
  }

  private referral(asked: DfsPath.DfsPath, { request }: Received): Answer {
    const known = [...this.original.values()].filter(({ path }) => DfsPath.startsWith(asked, path))
      .sort((one, other) => other.path.length - one.path.length)[0]
    if (known === undefined || request._tag !== "IOCTL") return {}
    const key = DfsPath.key(known.path)
    this.asked.set(key, (this.asked.get(key) ?? 0) + 1)
    const bytes = this.malformed.get(key)?.bytes
    return bytes === undefined ? {} : { response: TestReferrals.ioctl(request.body.ctlCode, anyFileId, bytes) }
  }
}
