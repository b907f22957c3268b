import { createRequire } from 'node:module'
import type * as Threads from 'node:worker_threads'
import { Worker } from 'node:worker_threads'
import type { Highs, HighsOptions } from 'highs'
import { Fault } from '../../../src-preload/contract/fault.ts'

/** Minimise cost . x + subject to rowLower <= A x <= rowUpper and 0 <= x <= 1; A by columns. */
export interface Program {
  cost: Float64Array // [columns]
  integer: Uint8Array // [columns] 1: whole
  starts: Int32Array // [columns + 1]
  rows: Int32Array // row of each entry
  values: Float64Array
  rowLower: Float64Array
  rowUpper: Float64Array
  start: Float64Array | null // [columns] a solution to begin with
}

export interface Solved {
  status: 'optimal' | 'infeasible' | 'stopped' // stopped: out of time
  values: Float64Array | null // [columns]; null where none was found
  bound: number // no solution has a smaller cost; -Infinity where nothing is proven
}

export interface SolverLimits {
  seconds: number
  gap: number // relative, at which the search ends
  seed: number
}

type Answer = { id: number; solved: Solved } | { id: number; error: string }

/** Runs in the thread below, of which it is the whole source: it may use nothing but its arguments. The solver is called
 *  from a thread, because a call returns only when it is done, and the window's process must not wait. */
function serve(threads: typeof Threads, load: (path: string) => unknown): void {
  const { parentPort, workerData } = threads
  const ready = (load(workerData as string) as () => Promise<Highs>)()
  parentPort?.on('message', async ({ id, program, limits }: { id: number; program: Program; limits: SolverLimits }) => {
    try {
      const highs = await ready
      const columns = program.cost.length
      const numRows = program.rowLower.length
      const { starts, rows: indices, values, rowLower, rowUpper, cost: colCost } = program
      const model = highs.createModel({
        ...{ numCols: columns, numRows, colCost, rowLower, rowUpper },
        colLower: new Float64Array(columns),
        colUpper: new Float64Array(columns).fill(1),
        integrality: Int32Array.from(program.integer),
        matrix: { format: 'csc', numRows, numCols: columns, starts, indices, values },
      })
      try {
        const options = {
          ...{ output_flag: false, random_seed: limits.seed, time_limit: limits.seconds },
          ...{ mip_rel_gap: limits.gap, mip_abs_gap: 0 },
        }
        model.options.set(options as HighsOptions)
        if (program.start) model.setSolution({ colValue: program.start })
        const { modelStatus } = model.run()
        const { optimal, infeasible, unboundedOrInfeasible } = highs.constants.modelStatus
        const feasible = Number(model.info.get('primal_solution_status')) === 2
        const bound = Number(model.info.get('mip_dual_bound'))
        const solved: Solved = {
          status:
            modelStatus === optimal
              ? 'optimal'
              : modelStatus === infeasible || modelStatus === unboundedOrInfeasible
                ? 'infeasible'
                : 'stopped',
          values: feasible ? model.getSolution().colValue : null,
          bound: Number.isFinite(bound) ? bound : -Infinity,
        }
        parentPort.postMessage({ id, solved })
      } finally {
        model.dispose()
      }
    } catch (error) {
      parentPort.postMessage({ id, error: String(error) })
    }
  })
}

interface Waiting {
  resolve: (solved: Solved) => void
  reject: (fault: Fault) => void
}

let worker: Worker | null = null
let calls = 0
const waiting = new Map<number, Waiting>()

/** Loaded with the first program: 3.5 MB that a start without one does not pay for. */
function solver(): Worker {
  if (worker) return worker
  const path = createRequire(import.meta.url).resolve('highs')
  const started = new Worker(`(${serve.toString()})(require('node:worker_threads'), require)`, {
    ...{ eval: true, workerData: path, execArgv: [], name: 'highs' },
  })
  started.on('message', (answer: Answer) => {
    const call = waiting.get(answer.id)
    waiting.delete(answer.id)
    if (waiting.size === 0) started.unref()
    if ('solved' in answer) call?.resolve(answer.solved)
    else {
      call?.reject(new Fault('internal', `The integer program could not be solved: ${answer.error}`))
      drop(started, answer.error) // after a fault inside, its memory cannot be trusted
    }
  })
  started.on('error', (error) => drop(started, error.message))
  worker = started
  return started
}

function drop(failed: Worker, message: string): void {
  if (worker !== failed) return
  worker = null
  void failed.terminate()
  for (const { reject } of waiting.values())
    reject(new Fault('internal', `The solver of integer programs ended: ${message}`, { hint: 'Plan with "knapsack".' }))
  waiting.clear()
}

/** HiGHS (Huangfu & Hall 2018, "Parallelizing the dual revised simplex method") on a mixed-integer program. Programs are
 *  solved one after another. Ends by its own clock; a thread that overruns it by far is ended. */
export async function solveProgram(program: Program, limits: SolverLimits): Promise<Solved> {
  const running = solver()
  running.ref()
  const id = ++calls
  const late = 1000 * (2 * limits.seconds + 20) * (waiting.size + 1)
  const timer = setTimeout(() => drop(running, 'it did not stop in time'), late)
  timer.unref()
  try {
    return await new Promise<Solved>((resolve, reject) => {
      waiting.set(id, { resolve, reject })
      running.postMessage({ id, program, limits })
    })
  } finally {
    clearTimeout(timer)
  }
}
