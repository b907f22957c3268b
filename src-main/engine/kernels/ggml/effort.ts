import type { GgmlType } from './types.ts'

/** How hard the search for a block's scales works (assembly/shared/ggml). */
export interface Effort {
  /** Where a group's extreme weight may fall on the grid of codes: one number a trial, or for types with an offset two (the
   *  codes that the group's range spans, and how far they are shifted). */
  trials: readonly number[]
  rounds: number // refinements (codes, then least squares) of the best trial
  outer: number // the same for the factor that the groups of a super-block share
  reach: number // whole-number mins tried on each side of the nearest
}

// Each list was chosen one by one, the trial that lowered the error most first, over normal rows and rows of a language
// model, with and without importance. So any beginning of a list is a good list, and each type takes as much of it as the
// speed of conversion allows: weights that were measured to matter get a longer search, since there the error counts.
const halves = {
  Q4_0: [-8.25, -7.25, -9, 6.75, -7.75, -10, -8.5, 8.5, 6, -8],
  Q5_0: [-16.25, -15, 14.75, -15.75, -17, 13, 14, -17.75, -16.5, -15.25],
  Q8_0: [127, 125, 124, 126],
  Q3_K: [-4.25, -3.25, -5.25, 4.5, -3.75, -4.75, -6.25, -3],
  Q6_K: [-31.5, -30.5, -32.5, 29, -31, 28, 30, 27, -32, -26],
  IQ4_NL: [-130, 115, -145, -110, -120, 130, 110, -135],
  TQ2_0: [3, -3, 1, -1, 2, -2, 3.75, -3.75],
} as const

const lines = {
  Q4_1: [15.5, -0.25, 15.5, 0, 15.5, -0.5, 14, 0, 13.5, -0.25, 15, 0, 16, 0, 15.5, -0.75, 15, -0.25, 15, 0.25],
  Q5_1: [31, 0, 30.5, -0.25, 31.5, -0.5, 31.5, 0, 29, 0, 28, 0, 29.5, 0.25, 30, -0.25, 30, 0.25, 31.5, -0.25],
  Q2_K: [3.75, -0.375, 3.75, 0, 4.25, -0.9375, 3, -0.125, 3.75, -0.1875, 5, -1.5, 3.25, -0.375, 4.25, 0],
  Q4_K: [15.5, -0.25, 15.5, -0.5, 15.5, 0, 14, 0, 13, 0, 15.5, -0.75, 15, 0, 15.5, 0.25, 14, -0.25, 14, 0.25],
  Q5_K: [31, 0, 30, 0, 31.5, 0, 29, 0, 31, -0.25, 28, 0, 30.5, 0.5, 30, 0.25, 32.5, -0.75, 30.5, -0.5],
} as const

const effort = (trials: readonly number[], count: number, rounds = 1, outer = 0, reach = 0): Effort => ({
  trials: trials.slice(0, count),
  rounds,
  outer,
  reach,
})

/** [all weights alike, weighted]; numbers in a list are counted, not pairs. */
const efforts: Partial<Record<GgmlType, readonly [Effort, Effort]>> = {
  Q4_0: [effort(halves.Q4_0, 4, 0), effort(halves.Q4_0, 10)],
  Q4_1: [effort(lines.Q4_1, 12), effort(lines.Q4_1, 20)],
  Q5_0: [effort(halves.Q5_0, 6), effort(halves.Q5_0, 10)],
  Q5_1: [effort(lines.Q5_1, 12), effort(lines.Q5_1, 20)],
  Q8_0: [effort([], 0), effort(halves.Q8_0, 4)],
  Q2_K: [effort(lines.Q2_K, 12, 1, 1), effort(lines.Q2_K, 16, 1, 2, 1)],
  Q3_K: [effort(halves.Q3_K, 8, 1, 1), effort(halves.Q3_K, 8, 1, 2)],
  Q4_K: [effort(lines.Q4_K, 20, 1, 1), effort(lines.Q4_K, 20, 1, 2, 1)],
  Q5_K: [effort(lines.Q5_K, 20, 1, 1), effort(lines.Q5_K, 20, 1, 2, 1)],
  Q6_K: [effort(halves.Q6_K, 8, 1, 1), effort(halves.Q6_K, 10, 1, 2)],
  IQ4_NL: [effort(halves.IQ4_NL, 4), effort(halves.IQ4_NL, 8)],
  IQ4_XS: [effort(halves.IQ4_NL, 4, 1, 1), effort(halves.IQ4_NL, 8, 1, 1)],
  TQ2_0: [effort(halves.TQ2_0, 8), effort(halves.TQ2_0, 8)],
  MXFP4: [effort([0, 0, 0], 3), effort([0, 0, 0, 0], 4)], // exponents from one above the largest weight's own downwards
}

const none = effort([], 0, 0)
export const effortFor = (type: GgmlType, weighted: boolean): Effort => efforts[type]?.[weighted ? 1 : 0] ?? none

/** Numbers a trial of the type has. */
export const trialSize = (type: GgmlType): number => (Object.hasOwn(lines, type) ? 2 : 1)
