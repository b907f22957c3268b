/**
 * Runs `work` for the newest argument: one call in flight, and when it ends the newest of those that came meanwhile.
 * What lies between is skipped, so a slider never queues up behind itself.
 */
export function latest<A>(
  work: (argument: A) => Promise<void>,
  onError: (error: unknown) => void,
): (argument: A) => void {
  let isBusy = false
  let waiting: { argument: A } | null = null

  async function start(argument: A): Promise<void> {
    isBusy = true
    try {
      await work(argument)
    } catch (error) {
      onError(error)
    } finally {
      isBusy = false
      const next = waiting
      waiting = null
      if (next) void start(next.argument)
    }
  }
  return (argument) => {
    if (isBusy) waiting = { argument }
    else void start(argument)
  }
}
