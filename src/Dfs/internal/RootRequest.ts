/**
 * The request for a root referral: which server is asked, and by which step of MS-DFSC 3.1.4.1. For the modules of
 * `DfsResolution` alone.
 */
import * as DfsPath from "../DfsPath.ts"
import type { Asked, State } from "./Transitions.ts"

/** The controller that is being asked. */
export const controllerOf = ({ controllers, position }: Asked): string => controllers[position]!

/**
 * The server, kind and step of the request for the root of a path. `asked` has the controllers if the path begins with a
 * domain. Step 10 is for SYSVOL and NETLOGON of a domain, step 6 for any other root.
 */
export const rootRequest = <E>({ path }: State<E>, asked: Asked | undefined): {
  readonly server: string
  readonly kind: "root" | "sysvol"
  readonly step: 6 | 10
} => {
  if (asked === undefined) return { server: path[0]!, kind: "root", step: 6 }
  const server = controllerOf(asked)
  return DfsPath.isSysvol(path) ? { server, kind: "sysvol", step: 10 } : { server, kind: "root", step: 6 }
}
