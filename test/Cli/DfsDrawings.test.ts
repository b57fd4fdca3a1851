/** `dfs tree --format svg` and `html`: what the files hold, and that a browser needs nothing else for them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Credentials, DfsAdapter, SmbClient, TestTransport } from "effect-smb"
import { XMLValidator } from "fast-xml-parser"
import { tree } from "../../src/Cli/DfsTree.ts"
import { html } from "../../src/Cli/DfsTreeHtml.ts"
import { svg } from "../../src/Cli/DfsTreeSvg.ts"
import { healthText, type NamespaceTree, type Node, summary, type TargetState } from "../../src/Cli/NamespaceTree.ts"
import * as Served from "./served.ts"

const up = (target: string, set = 0): TargetState => ({ target, state: "up", set })
const down = (target: string, set = 0): TargetState => ({ target, state: "down", error: "refused & closed", set })

const root: Node = { path: "\\\\corp.test\\public", targets: [up("\\\\ns1\\public"), down("\\\\ns2\\public")] }
const link = (name: string, ...targets: ReadonlyArray<TargetState>): Node => ({
  path: `${root.path}\\${name}`,
  targets
})

const some: NamespaceTree = {
  root,
  links: [
    link("media\\films", up("\\\\nas1\\films"), down("\\\\nas2\\films"), up("\\\\archive\\films", 1)),
    link("plans", up("\\\\nas1\\plans")),
    link("gone", down("\\\\old\\gone")),
    { path: `${root.path}\\empty`, targets: [], error: "it has no target" }
  ]
}

/** Names that would be part of the page, or would break it. */
const hostile: NamespaceTree = {
  root: { ...root, path: "\\\\h\\<script>alert(1)</script>" },
  links: [
    "\"onload='x'",
    "</title></style></svg>",
    "a&b;&#0;",
    "\u0000\u0007\ud800\uffff",
    "\u202eevil",
    "]]>",
    "日本語".repeat(40)
  ]
    .map((name) => ({
      path: `\\\\h\\<script>alert(1)</script>\\${name}`,
      targets: [down(`\\\\${name}\\x`)],
      error: name
    }))
}

/** A namespace with 200 links in 10 folders, one of them dead. */
const large: NamespaceTree = {
  root,
  links: Array.from({ length: 200 }, (_, i) =>
    link(
      `folder ${i % 10}\\link number ${i}`,
      up(`\\\\server${i}.corp.test\\share`),
      i === 77 ? down("\\\\dead\\share") : up(`\\\\other${i}.corp.test\\share`, 1)
    ))
}

describe.each([["svg", svg], ["html", (all: NamespaceTree) => html(all, 0)]] as const)("%s", (_, draw) => {
  it("has every link, every target with its order, and what does not answer", () => {
    const text = draw(some)
    for (const name of ["films", "plans", "gone", "empty"]) assert.include(text, name)
    for (const { targets } of [root, ...some.links]) for (const { target } of targets) assert.include(text, target)
    assert.include(text, "refused &amp; closed")
    assert.include(text, "it has no target")
    assert.include(text, "4 links, 7 targets, 3 of them do not answer; 2 links lead nowhere.")
  })

  it("needs nothing else, and no name is a part of the file", () => {
    for (const all of [some, hostile, large]) {
      const text = draw(all).replace(" xmlns=\"http://www.w3.org/2000/svg\"", "")
      assert.notMatch(text, /https?:|<script|<img|<link|@import|url\(| src=| href=| on\w+="/)
      for (const hidden of ["\u202e", "\u0007"]) assert.notInclude(text, hidden)
      assert.isTrue(text.isWellFormed())
    }
    const elements = (text: string) => [...new Set([...text.matchAll(/<([a-z]+)/g)].map(([, name]) => name))].toSorted()
    assert.deepStrictEqual(
      elements(draw(hostile)),
      elements(draw(hostile)).filter((name) => elements(draw(some)).includes(name))
    )
  })
})

describe("svg", () => {
  it("is well-formed XML for any names", () => {
    for (const all of [some, hostile, large]) assert.isTrue(XMLValidator.validate(svg(all)))
  })

  it("fills no line and no box with the colour of a text", () => {
    const rules = [.../<style>([^]*)<\/style>/.exec(svg(some))![1]!.matchAll(/([^{}@]+)\{([^{}]*)\}/g)]
    for (const [, selector, declarations] of rules) {
      if (/(?:^|,)\s*\.(?:up|partly|down)/.test(selector!)) assert.notInclude(declarations, "fill")
    }
    assert.isTrue(rules.some(([, selector]) => selector!.trim() === "text.up"))
  })

  it("has a row for each target, and all of it within the picture", () => {
    const text = svg(large)
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(text)!.map(Number)
    const targets = [...text.matchAll(/<text x="([\d.]+)" y="([\d.]+)">\d+\. (?:\(set \d\) )?([^<]*)<\/text>/g)]
    assert.lengthOf(targets, 402)
    const rows = targets.map(([, , y]) => Number(y))
    rows.slice(1).forEach((y, index) => assert.isAtLeast(y - rows[index]!, 20))
    assert.isBelow(rows.at(-1)!, height!)
    // A character of the font is 0.6 of its size wide.
    for (const [, x, , name] of targets) assert.isBelow(Number(x) + name!.length * 13 * 0.6, width!)
    assert.include(text, "1. (set 0) \\\\server0.corp.test\\share")
  })
})

describe("html", () => {
  it("has a folder once, with its links, and opens only what is wrong", () => {
    const text = html(large, 0)
    assert.lengthOf([...text.matchAll(/<details class="folder/g)], 10)
    assert.lengthOf([...text.matchAll(/<details class="link well">/g)], 199)
    assert.deepStrictEqual(
      [...text.matchAll(/<details class="link" open><summary title="([^"]*)"/g)].map(([, path]) => path),
      [root.path, `${root.path}\\folder 7\\link number 77`]
    )
    assert.include(text, "20 links, 1 with a target that does not answer")
    assert.include(text, "<th scope=\"col\">Set</th>")
    assert.notInclude(html({ root: link("x", up("\\\\a\\b")), links: [] }, 0), "<th scope=\"col\">Set</th>")
  })
})

it("a summary counts in words", () => {
  assert.strictEqual(summary({ root: { ...root, targets: [] }, links: [] }), "0 links, 0 targets.")
  assert.strictEqual(
    summary({ root: { ...root, targets: [up("a")] }, links: [link("a", down("b"))] }),
    "1 link, 2 targets, 1 of them does not answer; 1 link leads nowhere."
  )
  assert.deepStrictEqual(
    [[], [up("a")], [up("a"), up("b")], [down("a")], [down("a"), down("b")], [up("a"), down("b")]]
      .map((targets) => healthText({ path: "x", targets })),
    [
      "no target",
      "1 target",
      "2 targets",
      "its target does not answer",
      "none of 2 targets answers",
      "1 of 2 targets does not answer"
    ]
  )
})

it.effect("the command gives the file, and the sets of the referral", () =>
  Effect.gen(function*() {
    const page = yield* Served.printed(tree(Served.path("//ns/dfs"), { json: false, format: "html" }))
    assert.match(page.out, /^<!doctype html>[^]*<\/html>\n$/)
    assert.deepInclude(page.failure?.json, { error: "DeadTargets" })
    const picture = yield* Served.printed(tree(Served.path("//ns/dfs"), { json: false, format: "svg" }))
    assert.isTrue(XMLValidator.validate(picture.out))
    const [object] = (yield* Served.printed(tree(Served.path("//ns/dfs"), { json: true, format: "html" }))).objects()
    assert.deepStrictEqual(object.targets.map(({ set }: TargetState) => set), [0, 0])
    assert.isAtMost(object.timeToLive, 300)
  }).pipe(Effect.provide(
    DfsAdapter.layerWithoutDiscovery().pipe(
      Layer.provide(SmbClient.layer()),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password")))),
      Layer.provide(TestTransport.layer({
        ns: { shares: { dfs: {} }, referrals: { "\\\\ns\\dfs": { targets: ["\\\\ns\\dfs", "\\\\off\\dfs"] } } },
        off: "down"
      }))
    )
  )))
