// Activations on calibration data, site by site.
import { Fault } from '../../../src-preload/contract/fault.ts'
import { toFloat32 } from '../checkpoint/convert.ts'
import type { MeasureArguments } from '../prepare/define.ts'
import { collect } from '../probe/collect.ts'
import type { TaskContext } from '../protocol.ts'
import type { TensorValue } from '../runtime/types.ts'
import { raised } from './rewrite.ts'
import type { Site } from './sites.ts'

const batchSizes = { text: 2, 'image-classification': 16, noise: 1 } as const

/** Shows every batch's float32 values of each site. Faults 'bad-data' without samples, and where an activation is not a
 *  number, naming the layer that reads it. */
export async function seeActivations<S extends Pick<Site, 'layer' | 'value'>>(
  { network, dataset, samples, device }: MeasureArguments,
  sites: readonly S[],
  see: (site: S, values: Float32Array, dims: readonly number[], batch: number) => void,
  context: TaskContext,
): Promise<void> {
  if (sites.length === 0) return
  const graph = network.graph === null ? null : raised(network.graph)
  const part = dataset.calibrate
  if (part.samples === 0) {
    throw new Fault('bad-data', `${dataset.path}: the calibration part has no samples.`, {
      hint: 'Activations with calibrated scales need some; scales per token need none.',
      data: { file: dataset.path },
    })
  }
  const values = sites.map(({ value }) => value)
  const pass = { network: { ...network, graph }, part, values, device, samples, batchSize: batchSizes[dataset.kind] }
  let batch = 0
  await collect(
    pass,
    (outputs) => {
      for (const site of sites) {
        const found = outputs[site.value]
        if (!found) continue
        const floats = floatsOf(found)
        const broken = floats.findIndex((value) => !Number.isFinite(value))
        if (broken !== -1) throw notFinite(network.name, site.layer, site.value, floats[broken])
        see(site, floats, found.dims, batch)
      }
      batch++
    },
    context,
  )
}

const notFinite = (name: string, layer: string, value: string, found: number | undefined) =>
  new Fault('bad-data', `${name}: what enters "${layer}" is ${found} for a calibration sample.`, {
    hint: 'The network overflows on this data. Leave that layer out, or calibrate on other data.',
    data: { tensor: layer, field: value, expected: 'finite numbers', found: String(found) },
  })

function floatsOf({ data, dtype }: TensorValue): Float32Array {
  if (data instanceof Float32Array) return data
  return toFloat32(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), dtype)
}

/** Largest magnitude of each channel, folded into `into`. */
export function foldColumns(
  into: Float32Array,
  values: Float32Array,
  dims: readonly number[],
  channelAxis: number,
): void {
  const axis = channelAxis < 0 ? dims.length + channelAxis : channelAxis
  const inner = dims.slice(axis + 1).reduce((product, size) => product * size, 1)
  const channels = dims[axis] ?? 1
  for (let begin = 0, channel = 0; begin < values.length; begin += inner, channel = (channel + 1) % channels) {
    let top = into[channel] as number
    for (let at = begin; at < begin + inner; at++) top = Math.max(top, Math.abs(values[at] as number))
    into[channel] = top
  }
}
