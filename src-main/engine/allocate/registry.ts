import type { Allocator } from './define.ts'
import { bisection } from './bisection.ts'
import { genetic } from './genetic.ts'
import { integerProgram } from './integer-program.ts'
import { knapsack } from './knapsack.ts'
import { pairwise } from './pairwise.ts'

/** Every allocator Lathe knows. Adding one costs a file and a line here. */
export const allocators: readonly Allocator[] = [knapsack, pairwise, integerProgram, bisection, genetic]
