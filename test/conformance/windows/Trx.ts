/**
 * Reads results as Visual Studio's test runner writes them (TRX, schema `vstst.xsd`): the name, outcome and message of each
 * test.
 */
import { XMLParser } from "fast-xml-parser"
import type { Result } from "../Summary.ts"

/** A test of a run. */
export interface TestResult {
  /** The class with its namespace, and the method. */
  readonly name: string
  readonly result: Result
  /** The runner's own word, such as `Inconclusive`. */
  readonly outcome: string
  readonly categories: ReadonlyArray<string>
  readonly message: string
  readonly seconds: number
}

interface Xml {
  readonly [name: string]: string | Xml | ReadonlyArray<Xml> | undefined
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: "",
  textNodeName: "text",
  parseTagValue: false,
  parseAttributeValue: false,
  // With `&#xD;` and its kind.
  htmlEntities: true,
  // The tests' own output is full of `&lt;`: the limit is on the entities that a file declares.
  processEntities: { enabled: true, maxTotalExpansions: 1e8, maxExpandedLength: 1e9, maxEntityCount: 10 },
  isArray: (name) => ["UnitTest", "UnitTestResult", "TestCategoryItem"].includes(name)
})

const child = (of: Xml | undefined, name: string): Xml | undefined => {
  const found = of?.[name]
  return typeof found === "object" && !Array.isArray(found) ? found as Xml : undefined
}

const children = (of: Xml | undefined, name: string): ReadonlyArray<Xml> => {
  const found = of?.[name]
  return Array.isArray(found) ? found as ReadonlyArray<Xml> : []
}

const text = (of: Xml | undefined, name: string): string => {
  const found = of?.[name]
  if (typeof found === "string") return found
  const inner = (found as Xml | undefined)?.text
  return typeof inner === "string" ? inner : ""
}

/** The outcomes of the schema that are neither a success nor a failure: a test whose assumptions do not hold ends so. */
const skips: ReadonlySet<string> = new Set(["Inconclusive", "NotExecuted", "NotRunnable", "Pending"])

const secondsOf = (duration: string): number => {
  const match = /^(\d+):(\d+):(\d+(?:\.\d+)?)$/.exec(duration)
  return match === null ? 0 : Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3])
}

/** The results in a file's text, by test. Throws if the text is not TRX. */
export const parse = (file: string): ReadonlyArray<TestResult> => {
  const run = child(parser.parse(file) as Xml, "TestRun")
  if (run === undefined) throw new Error("this is no TRX: it has no TestRun")
  const definitions = new Map(
    children(child(run, "TestDefinitions"), "UnitTest").map((test) => [text(test, "id"), test] as const)
  )
  return children(child(run, "Results"), "UnitTestResult").map((result): TestResult => {
    const definition = definitions.get(text(result, "testId"))
    // Older runners write `class, assembly, version…`.
    const className = text(child(definition, "TestMethod"), "className").split(",")[0]!.trim()
    const testName = text(result, "testName")
    const outcome = text(result, "outcome")
    return {
      name: className === "" || testName.startsWith(`${className}.`) ? testName : `${className}.${testName}`,
      // Any other outcome is a failure: Failed, Error, Timeout, Aborted, Disconnected, and a missing one.
      result: outcome === "Passed" ? "pass" : skips.has(outcome) ? "skip" : "fail",
      outcome,
      categories: children(child(definition, "TestCategory"), "TestCategoryItem").map((item) =>
        text(item, "TestCategory")
      ),
      message: text(child(child(result, "Output"), "ErrorInfo"), "Message"),
      seconds: secondsOf(text(result, "duration"))
    }
  })
}

/** The suite and class that a test belongs to, such as `SMB2.Negotiation`. */
export const suite = (name: string): string => {
  const parts = name.replace(/^Microsoft\.Protocols\.TestSuites\.FileSharing\./, "").split(".")
  return parts.filter((part) => part !== "TestSuite" && part !== "TraditionalTestCases").slice(0, 2).join(".")
}
