/** docs/troubleshooting.md: each NTSTATUS that the client explains has a row, with its number and what to do. */
import { assert, describe, it } from "@effect/vitest"
import { NtStatus } from "effect-smb"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Explanation from "../src/Protocol/Explanation.ts"

const page = readFileSync(fileURLToPath(new URL("../docs/troubleshooting.md", import.meta.url)), "utf8")
const [general = "", byRequest = ""] = page.slice(page.indexOf("## By NTSTATUS")).split("### By the request")

const rows = (text: string): ReadonlyArray<ReadonlyArray<string>> =>
  [...text.matchAll(/^\| `.*\|$/gm)].map(([line]) => line.split("|").slice(1, -1).map((cell) => cell.trim()))

const codes = Object.entries(NtStatus.NtStatus)

describe("docs/troubleshooting.md", () => {
  it("has one row for each explained status, with its number, what it means and what to do", () => {
    const found = rows(general).map(([name, number, meaning, advice, ...rest]) => {
      assert(meaning !== "" && advice !== "" && rest.length === 0, name)
      return `${name} ${number}`
    })
    const explained = codes.filter(([, code]) => NtStatus.isExplained(code))
    assert.isAbove(explained.length, 90)
    assert.deepStrictEqual(
      found.toSorted(),
      explained.map(([name, code]) => `\`${name}\` ${NtStatus.hex(code)}`).toSorted()
    )
  })

  it("has a row for each status that means something else for one request", () => {
    const paths = ["\\\\nas\\media", "\\\\nas\\media\\a.txt"]
    const commands = [
      "NEGOTIATE",
      "SESSION_SETUP",
      "TREE_CONNECT",
      "CREATE",
      "CLOSE",
      "READ",
      "WRITE",
      "LOCK",
      "IOCTL",
      "QUERY_DIRECTORY",
      "QUERY_INFO",
      "SET_INFO",
      "CHANGE_NOTIFY",
      "RENAME",
      "DELETE",
      "DELETE_DIRECTORY"
    ]
    const wanted = commands.flatMap((command) =>
      paths.flatMap((path) =>
        codes.flatMap(([name, code]) => {
          if (Explanation.of(code, command, path) === NtStatus.explanation(code)) return []
          const isRoot = command === "CREATE" && path === paths[0]
          return [`\`${command}\`${isRoot ? " of a whole share" : ""} \`${name}\``]
        })
      )
    )
    assert.isAbove(wanted.length, 40)
    const found = new Set(
      rows(byRequest).flatMap(([requests = "", statuses = ""]) =>
        requests.split(", ").flatMap((request) => statuses.split(", ").map((status) => `${request} ${status}`))
      )
    )
    assert.deepStrictEqual([...new Set(wanted)].filter((pair) => !found.has(pair)), [])
  })
})
