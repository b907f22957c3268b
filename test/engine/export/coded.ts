// A recipe that gives every layer one option of a quantizer whose results are codings.
import { mkdirSync } from 'node:fs'
import { basename } from 'node:path'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { readMatrix } from '../../../src-main/engine/checkpoint/weights.ts'
import type { Exporter } from '../../../src-main/engine/export/define.ts'
import type { Artifact } from '../../../src-main/engine/protocol.ts'
import { writeArtifact } from '../../../src-main/engine/quantize/artifact.ts'
import { applyOption } from '../../../src-main/engine/quantize/options.ts'
import { offeredBy } from '../../../src-main/engine/tasks/options.ts'
import type { MethodUse, Option } from '../../../src-preload/contract/plan.ts'

/** Every option of each quantizer of levels, by what it takes to choose it. */
export const codedUses: [name: string, use: MethodUse, choose: (option: Option) => boolean][] = [
  ['nf4', { method: 'nf4', parameters: {} }, ({ id }) => id === 'nf4-g64'],
  ['fp8 e4m3, channel', { method: 'fp8', parameters: {} }, ({ id }) => id === 'fp8-e4m3-channel'],
  ['fp8 e5m2, tensor', { method: 'fp8', parameters: { type: 'e5m2', granularity: 'tensor' } }, ({ id }) => id === 'fp8-e5m2-tensor'], // prettier-ignore
  ['fp8 e4m3, groups', { method: 'fp8', parameters: { granularity: 'group', groupSize: 48 } }, ({ id }) => id === 'fp8-e4m3-g48'], // prettier-ignore
  ['mxfp4', { method: 'mxfp4', parameters: {} }, ({ id }) => id === 'mxfp4'],
  ['nvfp4', { method: 'nvfp4', parameters: {} }, ({ id }) => id === 'nvfp4'],
  ...[2, 3, 4].map((bits): [string, MethodUse, (option: Option) => boolean] => [
    `denseshift ${bits}`,
    { method: 'denseshift', parameters: bits === 4 ? { shiftOnly: true, groupSize: 0 } : {} },
    (option) => option.bits === bits && !option.id.endsWith('-w'),
  ]),
  ...[1, 1.58, 2].map((bits): [string, MethodUse, (option: Option) => boolean] => [
    `luq ${bits}`,
    { method: 'luq', parameters: {} },
    (option) => option.bits === bits && !option.id.endsWith('-w'),
  ]),
]

/** Artifacts of the chosen option of each layer that has it; the others are kept. */
export async function compressCoded(
  network: Network,
  exporter: Exporter,
  use: MethodUse,
  choose: (option: Option) => boolean,
  folder: string,
) {
  mkdirSync(folder, { recursive: true })
  const plan = exporter.planBytes(network, undefined, offeredBy(use))
  let plannedBytes = plan.baseBytes
  const artifacts: Artifact[] = []
  for (const { name, options } of plan.layers) {
    const layer = network.layers.find((one) => one.name === name)
    const option = options.find((one) => one.method === use.method && choose(one))
    const kept = options.find(({ id }) => id === 'keep')
    plannedBytes += (option ?? kept)?.bytes ?? NaN
    if (layer === undefined || option === undefined) continue
    const { bytes: _, ...plain } = option
    const q = await applyOption(readMatrix(network, layer), plain, { layer: name })
    const meta = { layer: name, option: plain, methodVersion: 1 }
    artifacts.push({ layer: name, option: plain, relativeError: 0, ...writeArtifact(folder, q, meta) })
  }
  return { artifacts, plannedBytes, name: basename(folder) }
}
