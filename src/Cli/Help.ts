/**
 * How help appears: what belongs to the subcommand comes before the flags that every subcommand has, and no line is
 * wider than the terminal.
 */
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import type { HelpDoc } from "effect/cli/HelpDoc"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Output from "./Output.ts"
import { CurrentDirectory } from "./Shell/CurrentDirectory.ts"

// oxlint-disable-next-line no-control-regex
const colours = /\u001b\[[0-9;]*m/g

/** The headings of the last sections. The library writes them before subcommands and examples. */
const last: ReadonlyArray<string> = ["INHERITED FLAGS", "GLOBAL FLAGS"]

/** A heading: `USAGE`, or `Copy:` for a group of subcommands. */
const heading = /^[A-Za-z][A-Za-z ]*:?$/

/** How late a section comes. `isRoot`: the flags of the whole command are its shared flags. */
const rank = (title: string, isRoot: boolean): number =>
  title === "FLAGS" && isRoot ? 1 : last.includes(title) ? 2 + last.indexOf(title) : 0

/** Moves the shared flags of a help text to its end. The order of all other sections stays. */
const ownFirst = (text: string, isRoot: boolean): string => {
  const sections: Array<{ readonly title: string; readonly lines: Array<string> }> = []
  for (const line of text.split("\n")) {
    const plain = line.replace(colours, "")
    if (heading.test(plain) || sections.length === 0) sections.push({ title: plain, lines: [] })
    sections.at(-1)!.lines.push(line)
  }
  return sections
    .toSorted((one, other) => rank(one.title, isRoot) - rank(other.title, isRoot))
    .map(({ lines }) => lines.join("\n").trimEnd())
    .join("\n\n")
}

/** The help without short names that do something else in this subcommand: `-h` of `ls` is not `--help`. */
const withoutTaken = (doc: HelpDoc): HelpDoc => {
  const taken = new Set([...doc.flags, ...doc.inheritedFlags ?? []].flatMap(({ aliases }) => aliases))
  return doc.globalFlags === undefined ? doc : {
    ...doc,
    globalFlags: doc.globalFlags.map((flag) => ({
      ...flag,
      aliases: flag.aliases.filter((alias) => !taken.has(alias))
    }))
  }
}

/** The help of a subcommand as text. */
export const format = (
  formatter: CliOutput.Formatter,
  { commandPath, helpDoc }: { readonly commandPath: ReadonlyArray<string>; readonly helpDoc: HelpDoc },
  columns: number
): string => Output.fold(ownFirst(formatter.formatHelpDoc(withoutTaken(helpDoc)), commandPath.length === 1), columns)

/** The help as a line of the shell is written: without the name of the whole command. */
const insideShell = (doc: HelpDoc): HelpDoc => {
  const shorter = (text: string) => text.replace(/^effect-smb ?/, "")
  return {
    ...doc,
    usage: shorter(doc.usage),
    ...(doc.examples === undefined
      ? {}
      : { examples: doc.examples.map((example) => ({ ...example, command: shorter(example.command) })) })
  }
}

/** Requested help is output; help that replaces a result is not. Errors are printed at the end. */
const presenter = CliOutput.layerPresenter({
  present: (given) =>
    given._tag === "InvalidInvocation"
      ? Effect.void
      : given._tag === "Help"
      ? Effect.flatMap(Effect.all([CliOutput.Formatter, CurrentDirectory]), ([formatter, here]) => {
        const event = here === undefined ? given : { ...given, helpDoc: insideShell(given.helpDoc) }
        return event.reason === "Implicit"
          ? Console.error(format(formatter, event, Output.columnsOf(process.stderr)))
          : Console.log(format(formatter, event, Output.columnsOf(process.stdout)))
      })
      : CliOutput.defaultPresenter.present(given)
})

/** `--version`. The short name `-v` is for --verbose. */
const version = GlobalFlag.Action({
  flag: Flag.Boolean("version").pipe(Flag.withDescription("Show version information"), Flag.withDefault(false)),
  run: GlobalFlag.Version.run
})

/** The flags of the whole command that show help, the version and completions, and how these appear. */
export const layer = Layer.mergeAll(
  CliConfig.layer({ builtIns: [GlobalFlag.Help, version, GlobalFlag.Completions] }),
  presenter
)
