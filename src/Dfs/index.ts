/** The public modules of `effect-smb/Dfs`. Written by `npm run format`. */
export * as DfsError from "../Protocol/DfsError.ts"
export * as ReferralRequest from "./ReferralRequest.ts"
export * as ReferralResponse from "./ReferralResponse.ts"
export * as Text from "./Text.ts"
