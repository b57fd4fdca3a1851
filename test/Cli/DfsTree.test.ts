/** The diagram that `effect-smb dfs tree` draws in Mermaid's language, for a scripted namespace. */
import { assert, it } from "@effect/vitest"
import { mermaid } from "../../src/Cli/DfsTree.ts"

it("mermaid draws a namespace's root and links with their targets, and a link without targets with its error", () => {
  const up = (target: string) => ({ target, state: "up" as const })
  const page = mermaid({
    path: "\\\\corp.test\\dfs",
    targets: [up("\\\\ns1\\dfs"), { target: "\\\\ns2\\dfs", state: "down", error: "refused" }]
  }, [
    { path: "\\\\corp.test\\dfs\\a \"b\"", targets: [up("\\\\fs\\data")] },
    { path: "\\\\corp.test\\dfs\\gone", targets: [], error: "it has\nno target" }
  ])
  assert.deepStrictEqual(page.split("\n"), [
    "flowchart LR",
    "  root[\"\\\\corp.test\\dfs\"]",
    "  root --> rootTarget_0[\"\\\\ns1\\dfs\"]",
    "  root -. down .-> rootTarget_1[\"\\\\ns2\\dfs\"]",
    "  root --> link0[\"a #34;b#34;\"]",
    "  link0 --> target0_0[\"\\\\fs\\data\"]",
    "  root --> link1[\"gone: it has no target\"]",
    ""
  ])
  // A root that is its own target has no arrow to itself.
  assert.strictEqual(
    mermaid({ path: "\\\\s\\dfs", targets: [up("\\\\S\\dfs")] }, []),
    "flowchart LR\n  root[\"\\\\s\\dfs\"]\n"
  )
})
