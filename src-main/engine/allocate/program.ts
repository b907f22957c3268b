import type { Choices, Pair, Problem } from './define.ts'
import type { Program } from './highs.ts'
import { pairLoss } from './limits.ts'
import type { Quantity } from './priced.ts'

/** What to make least, and what to keep below which value. */
export interface Task {
  layers: readonly Choices[]
  pairs: readonly Pair[]
  minimise: Quantity
  limits: Partial<Record<Quantity, number>>
}

/** A task as a mixed-integer program, with the way back. */
export interface Built {
  program: Program
  /** Objective of the task = offset + scale x objective of the program. */
  scale: number
  offset: number
  choiceOf(values: Float64Array): Int32Array
  valuesOf(choice: Int32Array): Float64Array
}

const ROW_SCALE = 1e3 // right-hand sides of the limits: the solver's feasibility tolerance of 1e-6 is then one of 1e-9

/** Columns: x[i, o] = 1 where layer i takes option o (whole), then y[p, o, q] = 1 where pair p takes options o and q
 *  (continuous: whole by itself once x is). Rows: sum_o x[i, o] = 1; the limits; and for each pair
 *  sum_q y[p, o, q] = x[a, o], sum_o y[p, o, q] = x[b, q] (Sherali & Adams 1990, the tightest linear form of a product).
 *  Every layer counts from its least value on, so that what is compared is what differs. `slack` is what each limit is
 *  tightened by. `typical` is the size of the objective that matters: it becomes 1,000. */
export function buildProgram(task: Task, slack: Partial<Record<Quantity, number>>, typical: number): Built {
  const { layers, pairs, minimise } = task
  const first = new Int32Array(layers.length + 1)
  layers.forEach((layer, i) => (first[i + 1] = (first[i] ?? 0) + layer.bytes.length))
  const whole = first[layers.length] ?? 0
  const products = pairs.reduce((sum, { a, b }) => sum + sizeOf(layers, a) * sizeOf(layers, b), 0)
  const limited = (Object.keys(task.limits) as Quantity[]).filter((quantity) => task.limits[quantity] !== undefined)
  const rowLower: number[] = layers.map(() => 1)
  const rowUpper: number[] = layers.map(() => 1)
  const columns = new Columns(whole + products)
  const scale = typical / 1e3

  const least = (quantity: Quantity) => layers.map((layer) => Math.min(...of(layer, quantity)))
  const base = least(minimise)
  const rows = limited.map((quantity) => {
    const from = least(quantity)
    const total = from.reduce((sum, value) => sum + value, 0)
    const room = (task.limits[quantity] ?? 0) - (slack[quantity] ?? 0) - total
    const unit = room === 0 ? 1 : Math.abs(room) / ROW_SCALE
    rowLower.push(-Infinity)
    rowUpper.push(room / unit)
    return { quantity, from, unit, row: rowUpper.length - 1 }
  })
  const balance = pairs.map(({ a, b }) => {
    const begin = rowUpper.length
    const count = sizeOf(layers, a) + sizeOf(layers, b)
    for (let k = 0; k < count; k++) {
      rowLower.push(0)
      rowUpper.push(0)
    }
    return { begin, middle: begin + sizeOf(layers, a) }
  })
  layers.forEach((layer, i) => {
    for (let option = 0; option < layer.bytes.length; option++) {
      columns.begin((of(layer, minimise)[option] ?? 0) - (base[i] ?? 0), scale, true)
      columns.add(i, 1)
      for (const { quantity, from, unit, row } of rows)
        columns.add(row, ((of(layer, quantity)[option] ?? 0) - (from[i] ?? 0)) / unit)
      pairs.forEach(({ a, b }, p) => {
        if (a === i) columns.add((balance[p]?.begin ?? 0) + option, -1)
        if (b === i) columns.add((balance[p]?.middle ?? 0) + option, -1)
      })
    }
  })
  pairs.forEach(({ a, b, rho }, p) => {
    const { begin = 0, middle = 0 } = balance[p] ?? {}
    for (let o = 0; o < sizeOf(layers, a); o++)
      for (let q = 0; q < sizeOf(layers, b); q++) {
        const term = pairLoss(rho, layers[a]?.loss[o] ?? 0, layers[b]?.loss[q] ?? 0)
        columns.begin(minimise === 'loss' ? term : 0, scale, false)
        columns.add(begin + o, 1)
        columns.add(middle + q, 1)
        const limit = rows.find(({ quantity }) => quantity === 'loss')
        if (limit) columns.add(limit.row, term / limit.unit)
      }
  })
  const program = columns.program(Float64Array.from(rowLower), Float64Array.from(rowUpper))
  return {
    ...{ program, scale, offset: base.reduce((sum, value) => sum + value, 0) },
    choiceOf: (values) =>
      Int32Array.from(layers, (layer, i) => {
        let best = 0
        const at = (option: number) => values[(first[i] ?? 0) + option] ?? 0
        for (let option = 1; option < layer.bytes.length; option++) if (at(option) > at(best)) best = option
        return best
      }),
    valuesOf: (choice) => {
      const values = new Float64Array(whole + products)
      choice.forEach((option, i) => (values[(first[i] ?? 0) + option] = 1))
      let begin = whole
      for (const { a, b } of pairs) {
        values[begin + (choice[a] ?? 0) * sizeOf(layers, b) + (choice[b] ?? 0)] = 1
        begin += sizeOf(layers, a) * sizeOf(layers, b)
      }
      return values
    },
  }
}

export const of = (layer: Choices, quantity: Quantity): Float64Array =>
  layer[quantity] ?? new Float64Array(layer.bytes.length)

const sizeOf = (layers: readonly Choices[], i: number): number => layers[i]?.bytes.length ?? 0

/** Products of options that the pairs of a problem come to. */
export const productsOf = ({ layers, pairs = [] }: Pick<Problem, 'layers' | 'pairs'>): number =>
  pairs.reduce((sum, { a, b }) => sum + sizeOf(layers, a) * sizeOf(layers, b), 0)

class Columns {
  private readonly cost: Float64Array
  private readonly integer: Uint8Array
  private readonly starts: Int32Array
  private readonly rows: number[] = []
  private readonly values: number[] = []
  private count = 0

  constructor(columns: number) {
    this.cost = new Float64Array(columns)
    this.integer = new Uint8Array(columns)
    this.starts = new Int32Array(columns + 1)
  }

  begin(cost: number, scale: number, whole: boolean): void {
    this.cost[this.count] = cost / scale
    this.integer[this.count] = Number(whole)
    this.count++
    this.starts[this.count] = this.rows.length
  }

  add(row: number, value: number): void {
    if (value === 0) return
    this.rows.push(row)
    this.values.push(value)
    this.starts[this.count] = this.rows.length
  }

  program(rowLower: Float64Array, rowUpper: Float64Array): Program {
    const { cost, integer, starts } = this
    const entries = { rows: Int32Array.from(this.rows), values: Float64Array.from(this.values) }
    return { ...{ cost, integer, starts, ...entries }, ...{ rowLower, rowUpper, start: null } }
  }
}
