import type { TaskContext } from '../protocol.ts'

/** Progress through steps whose work is known beforehand. Never goes back. */
export interface Meter {
  /** The next step; the result reports how much of its `total` is done. */
  begin(step: string, total: number): (done: number) => void
  end(): void
  finish(): void
}

/** `plan`: work of each step, in order. Steps beyond the plan count nothing. */
export function createMeter(plan: readonly number[], context: TaskContext, label: string): Meter {
  const whole = plan.reduce((sum, work) => sum + work, 0)
  let [at, done] = [0, 0]
  return {
    begin(step, total) {
      const work = plan[at] ?? 0
      const report = (part: number) => {
        const share = Math.min(1, Math.max(0, part / total))
        context.progress({
          fraction: whole > 0 ? Math.min(0.999, (done + share * work) / whole) : 0,
          step: `${label}: ${step}`,
        })
      }
      report(0)
      return report
    },
    end() {
      done += plan[at] ?? 0
      at++
    },
    finish: () => context.progress({ fraction: 1, step: label }),
  }
}
