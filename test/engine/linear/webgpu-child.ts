// Runs in a process of its own, whose environment names the software Vulkan driver: GPTQ of one layer on the CPU and with
// every product on WebGPU. Prints { notices, differing, errors, choice, reason } as JSON.
import { choiceFor, explainChoice, rememberChoice } from '../../../src-main/engine/kernels/linear/device.ts'
import { outputError } from '../../../src-main/engine/kernels/linear/error.ts'
import { createHessian } from '../../../src-main/engine/kernels/linear/hessian.ts'
import { gptq } from '../../../src-main/engine/quantize/gptq.ts'
import { rowsOf } from '../../../src-main/engine/quantize/rows.ts'
import type { QuantizedMatrix } from '../../../src-main/engine/quantize/types.ts'
import { gaussianMatrix } from '../kernels/random.ts'
import { correlated } from './random.ts'

const [rows, cols] = [96, 320]
const notices: string[] = []
const notify = (notice: string) => notices.push(notice)
const choice = await choiceFor('webgpu') // measured: a software driver loses
rememberChoice('webgpu', 0)
const source = rowsOf(gaussianMatrix(rows, cols, 1))
const x = correlated(2 * cols, cols, 2)
const made: { q: QuantizedMatrix; error: number }[] = []
for (const device of ['cpu', 'webgpu'] as const) {
  const builder = createHessian(cols, { device, notify })
  await builder.add(x)
  const hessian = builder.finish()
  const parameters = gptq.params.parse({ bits: 3, groupSize: 32 })
  const q = await gptq.apply(source, parameters, { layer: 'fc', hessians: [hessian], device, notify })
  made.push({ q, error: (await outputError(source, q, hessian)).error })
}
const [cpu, gpu] = made
const differing = cpu?.q.codes.reduce((count, code, i) => count + Number(code !== gpu?.q.codes[i]), 0) ?? NaN
process.stdout.write(
  JSON.stringify({
    notices,
    differing: differing / (rows * cols),
    errors: made.map(({ error }) => error),
    tried: choice.measured.length,
    chosen: Number.isFinite(choice.from),
    reason: explainChoice(choice),
  }),
)
