// The loop in a process of its own: what hangs, crashes or runs out of memory here does not take the harness with it.
//   child.ts TARGET RUNS SEED BOARD
import { openSync } from 'node:fs'
import { fuzz } from './loop.ts'
import { writeBoard } from './board.ts'
import { loadTarget } from './targets/registry.ts'

const [name = '', runs, seed, board = ''] = process.argv.slice(2)
const descriptor = openSync(board, 'r+')
const before = (run: number, mutant: Uint8Array) => writeBoard(descriptor, run, mutant)
const report = fuzz(await loadTarget(name), { runs: Number(runs), seed: Number(seed), before })
process.send?.(report, undefined, undefined, () => process.exit(0))
