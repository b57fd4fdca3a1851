/**
 * The meaning of an interruption: it ends unfinished work, or, after a server listens, it is the way to stop the
 * server.
 */
export const stopping = {
  /** Whether an interruption is a normal end: exit code 0. */
  isDone: false,
  /** How long the cleanup after a first interruption can take, in milliseconds. */
  patience: 1_500
}

/**
 * What a first SIGINT ends instead of the whole run: the running command of a shell. `undefined`: the run.
 */
export const running: { end: (() => void) | undefined } = { end: undefined }
