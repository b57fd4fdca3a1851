/**
 * The modules that a user of SMB needs, each under its own name. What is below them has its own subpaths:
 * `effect-smb/Codec`, `/Auth`, `/Protocol`, `/Smb2`, `/Client`, `/Dfs`, `/Layers`.
 */
export * as Malformed from "./Codec/Malformed.ts"
