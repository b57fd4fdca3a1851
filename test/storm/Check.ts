/**
 * Judges the history of one object against what its clients were told: blocks of a file, a file that is replaced as a
 * whole, a log, a counter behind a lock, and a file that is renamed. Pure.
 *
 * A history ends with what the object was when no operation was under way any more (`found`). That is the state that
 * the next history begins with.
 */
import type * as Content from "./Content.ts"
import { type Entry, explain, type Model } from "./Linearizability.ts"

/** An object of a kind, at the beginning. */
export type State =
  | { readonly _tag: "Blocks"; readonly values: ReadonlyArray<Content.Value> }
  | { readonly _tag: "Whole"; readonly value: Content.Value }
  | { readonly _tag: "Log"; readonly records: ReadonlyArray<Content.Entry> }
  | { readonly _tag: "Counter"; readonly value: number }
  | { readonly _tag: "Name"; readonly names: ReadonlyArray<string> }

/** What a client did to an object, and what it saw. */
export type Action =
  /** Wrote these blocks. */
  | { readonly _tag: "WriteBlocks"; readonly id: number; readonly first: number; readonly count: number }
  | { readonly _tag: "ReadBlocks"; readonly first: number; readonly values: ReadonlyArray<Content.Value> }
  /** Emptied the file and wrote it from the start; not at one moment. */
  | { readonly _tag: "Overwrite"; readonly id: number; readonly count: number }
  /** Replaced the file at one moment. */
  | { readonly _tag: "Replace"; readonly id: number }
  | { readonly _tag: "See"; readonly value: Content.Value }
  | { readonly _tag: "Append"; readonly id: number }
  | { readonly _tag: "ReadLog"; readonly records: ReadonlyArray<Content.Entry> }
  /** Got the lock; `holder` names one time of holding it. */
  | { readonly _tag: "Acquire"; readonly holder: string }
  | { readonly _tag: "Release"; readonly holder: string }
  /** Read `from` and wrote `to`, under the lock. */
  | { readonly _tag: "Increment"; readonly holder: string; readonly from: number; readonly to: number }
  | { readonly _tag: "ReadCounter"; readonly value: number }
  | { readonly _tag: "Rename"; readonly from: string; readonly to: string }
  /** Every name at which the file's whole content was found. */
  | { readonly _tag: "FindNames"; readonly names: ReadonlyArray<string> }

type History = ReadonlyArray<Entry<Action>>

/** What is wrong with an object, and the entries that show it. */
export interface Violation {
  readonly what: string
  readonly entries: History
}

type Write = { readonly _tag: "write" | "read"; readonly value: Content.Value }

const register: Model<Content.Value, Write> = {
  step: (state, { _tag, value }) => _tag === "write" ? value : state === value ? state : undefined,
  key: String
}

const write = (entry: Entry<Action>, value: Content.Value): Entry<Write> => ({
  ...entry,
  action: { _tag: "write", value }
})

const read = (entry: Entry<Action>, value: Content.Value): Entry<Write> => ({
  ...entry,
  action: { _tag: "read", value }
})

/** What an entry means for one block. */
const ofBlock = (entry: Entry<Action>, index: number): ReadonlyArray<Entry<Write>> => {
  const { action, outcome } = entry
  switch (action._tag) {
    case "WriteBlocks":
      return index < action.first || index >= action.first + action.count ? [] : [write(entry, action.id)]
    case "ReadBlocks": {
      const value = action.values[index - action.first]
      return value === undefined || outcome !== "ok" ? [] : [read(entry, value)]
    }
    case "Overwrite": {
      const last = write(entry, index < action.count ? action.id : "absent")
      // Cut off, filled with zeros up to a later block that came first, and written: each of them may have happened.
      return outcome === "unknown" ? [write(entry, "absent"), write(entry, "zero"), last] : [last]
    }
    default:
      return []
  }
}

const undecided = "its history is too long to be decided"

/** `expected` says what is wrong if the history cannot be explained. */
const judge = <S, A>(
  model: Model<S, A>,
  initial: S,
  history: ReadonlyArray<Entry<A>>,
  expected: string,
  entries: History
): ReadonlyArray<Violation> => {
  const answer = explain(model, initial, history)
  return answer === "explained" ? [] : [{ what: answer === "undecided" ? undecided : expected, entries }]
}

const blocks = (values: ReadonlyArray<Content.Value>, history: History): ReadonlyArray<Violation> => {
  for (let i = 0; i < values.length; i++) {
    const own = history.flatMap((entry) => ofBlock(entry, i))
    const last = own.findLast(({ action, outcome }) => action._tag === "read" && outcome === "ok")
    const found = judge(
      register,
      values[i]!,
      own,
      `block ${i} is ${last?.action.value ?? "unread"} at last, which no order of the operations explains`,
      history.filter((entry) => ofBlock(entry, i).length > 0)
    )
    // One block is enough: its neighbours tell the same.
    if (found.length > 0) return found
  }
  return []
}

const whole = (value: Content.Value, history: History): ReadonlyArray<Violation> => {
  const own = history.flatMap((entry) =>
    entry.action._tag === "Replace"
      ? [write(entry, entry.action.id)]
      : entry.action._tag === "See" && entry.outcome === "ok"
      ? [read(entry, entry.action.value)]
      : []
  )
  return judge(register, value, own, "a replaced file is not one of its versions, or an older one came back", history)
}

const same = (a: Content.Entry | undefined, b: Content.Entry | undefined) =>
  a !== undefined && b !== undefined && a.id === b.id && a.whole === b.whole

/** The log at the end says in which order the appends came: the state is only how many of its records there are. */
const log = (records: ReadonlyArray<Content.Entry>, history: History): ReadonlyArray<Violation> => {
  const last = history.findLast(({ action, outcome }) => action._tag === "ReadLog" && outcome === "ok")
  const end = last?.action._tag === "ReadLog" ? last.action.records : records
  if (records.some((record, i) => !same(record, end[i]))) {
    return [{ what: "the log lost or changed a record that it had", entries: history }]
  }
  const model: Model<number, Entry<Action>> = {
    step: (count, { action, outcome }) => {
      if (action._tag === "ReadLog") {
        return action.records.length === count && action.records.every((record, i) => same(record, end[i]))
          ? count
          : undefined
      }
      if (action._tag !== "Append") return count
      const next = end[count]
      // Only an append that was not acknowledged may have left a part.
      return next?.id === action.id && (next.whole || outcome === "unknown") ? count + 1 : undefined
    },
    key: String
  }
  const own = history.filter(({ action, outcome }) => action._tag !== "ReadLog" || outcome === "ok")
    .map((entry): Entry<Entry<Action>> => Object.assign({}, entry, { action: entry }))
  return judge(
    model,
    records.length,
    own,
    "the log lacks an acknowledged record, or has one twice, in part or of no client",
    history
  )
}

interface Guarded {
  readonly value: number
  readonly holder: string | undefined
}

/** A lock that a client lost with its connection can go at any time from then on. Its next use must fail. */
const guarded: Model<Guarded, Action> = {
  step: (state, action) => {
    switch (action._tag) {
      case "Acquire":
        return state.holder === undefined ? { ...state, holder: action.holder } : undefined
      case "Release":
        return state.holder === action.holder ? { ...state, holder: undefined } : undefined
      case "Increment":
        return state.holder === action.holder && state.value === action.from
          ? { ...state, value: action.to }
          : undefined
      case "ReadCounter":
        return state.value === action.value ? state : undefined
      default:
        return state
    }
  },
  key: ({ holder, value }) => `${value} ${holder}`
}

const counter = (value: number, history: History): ReadonlyArray<Violation> =>
  judge(
    guarded,
    { value, holder: undefined },
    history.filter(({ action, outcome }) => action._tag !== "ReadCounter" || outcome === "ok"),
    "two clients held the lock at once, or an acknowledged increment is lost",
    history
  )

/** The parts of a rename: a client opens the file by its name, and renames what it has open. */
type NameStep =
  | { readonly _tag: "Open"; readonly rename: number; readonly from: string }
  | { readonly _tag: "Move"; readonly rename: number; readonly to: string }
  | Action

interface Named {
  readonly name: string
  /** The renames that have opened the file, in order. */
  readonly opened: ReadonlyArray<number>
}

const named: Model<Named, NameStep> = {
  step: (state, action) => {
    const { name, opened } = state
    switch (action._tag) {
      case "Open":
        return name === action.from ? { name, opened: [...opened, action.rename].toSorted((a, b) => a - b) } : undefined
      case "Move":
        return opened.includes(action.rename)
          ? { name: action.to, opened: opened.filter((rename) => rename !== action.rename) }
          : undefined
      case "FindNames":
        return action.names.length === 1 && action.names[0] === name ? state : undefined
      default:
        return state
    }
  },
  key: ({ name, opened }) => `${name} ${opened.join(" ")}`
}

/**
 * A rename by SMB is two requests: CREATE by the name, and SET_INFO on the open. Two clients can open the file by the
 * same name, and then rename it one after the other (MS-FSA 2.1.5.15.12 renames the open file, and not a name).
 */
const name = (names: ReadonlyArray<string>, history: History): ReadonlyArray<Violation> => {
  if (names.length !== 1) return [{ what: `the file has ${names.length} names`, entries: history }]
  const steps = history.filter(({ action, outcome }) => action._tag !== "FindNames" || outcome === "ok")
    .flatMap((entry, rename): ReadonlyArray<Entry<NameStep>> => {
      const { action } = entry
      return action._tag !== "Rename" ? [entry] : [
        { ...entry, action: { _tag: "Open", rename, from: action.from } },
        { ...entry, action: { _tag: "Move", rename, to: action.to } }
      ]
    })
  return judge(
    named,
    { name: names[0]!, opened: [] },
    steps,
    "the file is not at the one name where the acknowledged renames left it",
    history
  )
}

/** What is wrong with an object whose state was `initial`; nothing if its clients were told the truth. */
export const check = (initial: State, history: History): ReadonlyArray<Violation> => {
  switch (initial._tag) {
    case "Blocks":
      return blocks(initial.values, history)
    case "Whole":
      return whole(initial.value, history)
    case "Log":
      return log(initial.records, history)
    case "Counter":
      return counter(initial.value, history)
    case "Name":
      return name(initial.names, history)
  }
}

/** The observation of an object in this state, as the last action of a history. */
export const observation = (state: State): Action => {
  switch (state._tag) {
    case "Blocks":
      return { _tag: "ReadBlocks", first: 0, values: state.values }
    case "Whole":
      return { _tag: "See", value: state.value }
    case "Log":
      return { _tag: "ReadLog", records: state.records }
    case "Counter":
      return { _tag: "ReadCounter", value: state.value }
    case "Name":
      return { _tag: "FindNames", names: state.names }
  }
}
