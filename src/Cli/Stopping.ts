/**
 * What an interruption means to the run: the end of unfinished work, or, once a server listens, the way to stop it.
 */
export const stopping = {
  /** Whether to be interrupted is to be done: exit code 0. */
  isDone: false,
  /** How long a first interruption may take to tidy up, in milliseconds. */
  patience: 1_500
}
