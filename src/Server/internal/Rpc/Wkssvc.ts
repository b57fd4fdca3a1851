/** The workstation service: information about this machine (MS-WKST). */
import * as Effect from "effect/Effect"
import { PLATFORM_ID_NT } from "../../../Codec/Rpc/Srvsvc.ts"
import * as Wkssvc from "../../../Codec/Rpc/Wkssvc.ts"
import { type Caller, type Interface, operation } from "./Interface.ts"
import { workgroup } from "./Lsarpc.ts"
import { version } from "./Srvsvc.ts"

const accessDenied = 5
const levelUnknown = 124

const info = ({ server }: Caller, level: number): Wkssvc.WkstaInfo => {
  const info100 = {
    platformId: PLATFORM_ID_NT,
    computerName: server.settings.computerName,
    lanGroup: workgroup,
    ...version
  }
  switch (level) {
    case 100:
      return { level, value: info100 }
    case 101:
      return { level, value: { ...info100, lanRoot: "" } }
    case 102:
      return { level, value: { ...info100, lanRoot: "", loggedOnUsers: server.sessions.size } }
    default:
      return { level, value: undefined }
  }
}

export const wkssvc: Interface = {
  syntax: Wkssvc.interfaceId,
  operations: {
    [Wkssvc.Operation.NetrWkstaGetInfo]: operation(
      "NetrWkstaGetInfo",
      Wkssvc.WkstaGetInfoRequest,
      Wkssvc.WkstaGetInfoResponse,
      ({ level }, caller) =>
        Effect.sync(() => {
          // Only administrators may read the number of logged-on users (MS-WKST 3.2.4.1).
          if (level === 102 && !caller.user.administrator) {
            return { info: { level, value: undefined }, returnValue: accessDenied }
          }
          const found = info(caller, level)
          return { info: found, returnValue: found.value === undefined ? levelUnknown : 0 }
        })
    )
  }
}
