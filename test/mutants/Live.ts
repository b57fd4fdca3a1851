/** A reporter of Stryker that tells each change that no test noticed at once: a long run may be interrupted. */
import { relative } from "node:path"

interface Result {
  readonly status: string
  readonly fileName: string
  readonly replacement?: string
  readonly location: { readonly start: { readonly line: number } }
}

class Live {
  onMutantTested({ fileName, location, replacement, status }: Result): void {
    if (status !== "Survived" && status !== "NoCoverage") return
    const after = (replacement ?? "").replace(/\s+/g, " ").slice(0, 80)
    console.log(`not noticed: ${relative(process.cwd(), fileName)}:${location.start.line} -> ${after}`)
  }
}

/** As Stryker wants its plugins declared. */
export const strykerPlugins = [{ kind: "Reporter", name: "live", injectableClass: Live }]
