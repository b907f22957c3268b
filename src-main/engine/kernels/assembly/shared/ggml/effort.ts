// How hard the searches work, set by the host before each call: see ggml/effort.ts.

/** Trial scales (float32), or pairs of scale and shift. */
export const TRIALS = memory.data(256)
export let trials: i32 = 0
export let rounds: i32 = 0 // refinements of a group's winner
export let outer: i32 = 0 // refits of a super-block
export let reach: i32 = 0 // whole-number mins tried on each side of the nearest

export function setEffort(newTrials: i32, newRounds: i32, newOuter: i32, newReach: i32): void {
  trials = newTrials
  rounds = newRounds
  outer = newOuter
  reach = newReach
}
