/** The public modules of `effect-smb/Testing`. Written by `npm run format`. */
export * as NamespaceDescription from "./NamespaceDescription.ts"
export * as RecordedTransport from "./RecordedTransport.ts"
export * as Recording from "./Recording.ts"
export * as TestNamespace from "./TestNamespace.ts"
export * as TestServer from "./TestServer.ts"
export * as TestTransport from "./TestTransport.ts"
export * as VirtualTime from "./VirtualTime.ts"
