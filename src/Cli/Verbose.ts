/** `-v` and `-vv`: what is asked and answered, a line each on standard error. No line has a secret or data of a file. */
import * as Layer from "effect/Layer"
import * as NtStatus from "../Codec/NtStatus.ts"
import * as DfsTrace from "../Dfs/DfsTrace.ts"
import * as RequestListener from "../Protocol/RequestListener.ts"
import * as UncName from "../Protocol/UncName.ts"
import { inFlags, oneLine } from "./Failure.ts"
import * as Output from "./Output.ts"

/** A request as a person reads it: `CREATE plans\a.txt`. */
const nameOf = ({ about, command }: RequestListener.Request): string =>
  about === undefined ? command : `${command} ${about}`

/**
 * The listener of a connection. `level` 1: a line for each response; 2: also a line for each request that is sent, with
 * its number. `now`: milliseconds.
 */
export const listener = (
  endpoint: { readonly host: string; readonly port: number },
  level: number,
  write: (line: string) => void,
  now: () => number
): RequestListener.RequestListener => {
  const server = UncName.format({ server: endpoint.host, port: endpoint.port }).slice(2)
  const begun = new Map<number, number>()
  const line = (arrow: string, request: RequestListener.Request, rest: string) => {
    const number = level > 1 ? ` #${request.id}` : ""
    write(oneLine(`${arrow} ${server}${number} ${nameOf(request)}${rest}`))
  }
  const took = ({ id }: RequestListener.Request): string => {
    const milliseconds = now() - (begun.get(id) ?? now())
    begun.delete(id)
    return `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`
  }
  return {
    sent: (request) => {
      begun.set(request.id, now())
      if (level > 1) line(">", request, "")
    },
    answered: (request, status) => line("<", request, `: ${NtStatus.name(status)}, ${took(request)}`),
    unanswered: (request, message) => line("!", request, `: no response after ${took(request)}: ${message}`)
  }
}

/** The listeners of a run; nothing for level 0. With `json`, each line is the text of an object. */
export const layer = (level: number, json: boolean): Layer.Layer<never> => {
  if (level === 0) return Layer.empty
  const write = (line: string) => void process.stderr.write(json ? Output.jsonLine({ verbose: line }) : `${line}\n`)
  return Layer.merge(
    Layer.succeed(
      RequestListener.CurrentRequestListener,
      (endpoint) => listener(endpoint, level, write, () => performance.now())
    ),
    Layer.succeed(DfsTrace.TraceListener, (note) => write(oneLine(inFlags(`= DFS: ${DfsTrace.explain(note)}`))))
  )
}
