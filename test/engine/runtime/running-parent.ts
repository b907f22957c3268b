// Started by running.test.ts: runs a model file without end, as an engine does that is killed meanwhile.
import { runFile } from '../../../src-main/engine/runtime/running.ts'

const image = { dtype: 'float32' as const, dims: [1, 3, 8, 8], data: new Float32Array(192) }
const feeds = { sample: { image }, timed: { image } }
const endless = { threads: 1, warmUp: 1, leastRuns: 1e9, mostRuns: 1e9, mostSeconds: 1e9 }
await runFile(process.argv[2] ?? '', feeds, endless)
