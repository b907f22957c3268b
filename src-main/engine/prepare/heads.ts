import type { Wiring } from './linears.ts'

/** Elements [begin, end) of an axis of a tensor: heads of `size` channels in turn. */
export interface HeadRange {
  tensor: string
  axis: number
  begin: number
  end: number
}

export interface Heads {
  size: number // channels of a head
  values: HeadRange[] // weight and bias that make the values
  outputs: HeadRange[] // weight that reads what attention gives
}

export function findHeads(_: Wiring): Heads[] {
  return []
}
