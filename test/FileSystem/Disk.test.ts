/** The suite of `FileSystem` on the local disk, by Effect's own implementation: what the suite demands is true there. */
import { NodeFileSystem } from "@effect/platform-node"
import { fileSystemSuite } from "./suite.ts"

fileSystemSuite("a local disk", NodeFileSystem.layer)
