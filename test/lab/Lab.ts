/**
 * Real servers, captures and bad networks for tests: everything lives for a scope and leaves nothing behind.
 *
 * Each test file has its own loopback addresses, because files run in parallel. `test/lab/README.md` lists them.
 */
import { missing } from "../../scripts/lab.mjs"

/** Whether real servers can be started here. Otherwise `npm test` skips `test/lab` and says why. */
export const available: boolean = missing() === undefined

export { analyse, type AnalyseOptions, type Analysis, type Capture, capture, type SessionKeys } from "./Capture.ts"
export { execute, LabError, mustExecute, pause, processesWith } from "./Process.ts"
export {
  type Blow,
  type Direction,
  type Packet,
  type Proxy,
  proxy,
  type ProxyOptions,
  type Strike,
  type Verdict
} from "./Proxy.ts"
export { type Server, server, servers, smbclient, user } from "./Server.ts"
export type { Dialect, ServerOptions, ShareOptions } from "./SmbConf.ts"
