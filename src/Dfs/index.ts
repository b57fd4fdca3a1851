/** The public modules of `effect-smb/Dfs`. Written by `npm run format`. */
export * as DfsError from "./DfsError.ts"
export * as DfsPath from "./DfsPath.ts"
export * as DfsResolution from "./DfsResolution.ts"
export * as ReferralCache from "./ReferralCache.ts"
export * as ReferralRequest from "./ReferralRequest.ts"
export * as ReferralResponse from "./ReferralResponse.ts"
