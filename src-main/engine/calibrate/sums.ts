// Hessians as they grow, batch by batch.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { createHessian } from '../kernels/linear/hessian.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import type { TensorValue } from '../runtime/types.ts'
import { type RowWeights, weightsFor } from './rows.ts'
import type { Watched } from './watch.ts'

export interface HessianSums {
  add(values: Readonly<Record<string, TensorValue>>, rows: RowWeights, realSamples: number): Promise<void>
  /** One for each group. Faults 'bad-data' naming the layer where an activation was not finite or nothing came. */
  finish(): Hessian[]
}

/** Sums for one watched input. */
export function createSums(watched: Watched, network: string, device: DeviceId): HessianSums {
  return watched.kind === 'rows' ? sumsOfRows(watched, network, device) : sumsOfGrams(watched, network)
}

function sumsOfRows(watched: Watched, network: string, device: DeviceId): HessianSums {
  const { size, output, picked } = watched
  const hessian = createHessian(size, { device })
  return {
    async add(values, rows) {
      const x = numbers(values[output], watched, network)
      const count = x.length / size
      if (!Number.isInteger(count)) throw misfit(watched, network, values[output]?.dims ?? [])
      const chosen = picked === null ? null : ((values[picked]?.data as BigInt64Array | undefined) ?? null)
      const weights = weightsFor(rows, count, chosen)
      const kept = withoutIdle(x, size, weights)
      if (kept.x.length > 0) await hessian.add(kept.x, kept.weights)
    },
    finish: () => [checked(hessian.finish(), watched, network)],
  }
}

/** Rows of weight 0 are left out: they would count in the mean. */
function withoutIdle(x: Float32Array, size: number, weights: Float32Array | null) {
  if (weights === null) return { x }
  const used = weights.reduce((sum, weight) => sum + (weight > 0 ? 1 : 0), 0)
  const even = weights.every((weight) => weight === 0 || weight === 1)
  if (used === weights.length) return { x, ...(!even && { weights }) }
  const kept = new Float32Array(used * size)
  const own = new Float32Array(used)
  let to = 0
  for (let row = 0; row < weights.length; row++) {
    const weight = weights[row] ?? 0
    if (weight <= 0) continue
    kept.set(x.subarray(row * size, (row + 1) * size), to * size)
    own[to++] = weight
  }
  return { x: kept, ...(!even && { weights: own }) }
}

function sumsOfGrams(watched: Watched, network: string): HessianSums {
  const { groups, size, output, count } = watched
  const sums = new Float32Array(groups * size * size)
  let total = 0
  return {
    add(values, rows, realSamples) {
      const gram = numbers(values[output], watched, network)
      for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) + (gram[i] as number)
      const places = Number(values[count ?? '']?.data[0] ?? 0) / (groups * size) / rows.samples
      total += places * realSamples
      return Promise.resolve()
    },
    finish: () =>
      Array.from({ length: groups }, (_, group) => {
        const data = sums.slice(group * size * size, (group + 1) * size * size)
        for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) / Math.max(1, total)
        return checked({ size, data, rows: total }, watched, network)
      }),
  }
}

function numbers(value: TensorValue | undefined, watched: Watched, network: string): Float32Array {
  if (value?.data instanceof Float32Array) return value.data
  throw misfit(watched, network, value?.dims ?? [])
}

const misfit = ({ layers: [layer = ''], size }: Watched, network: string, dims: readonly number[]) =>
  new Fault('internal', `${network}: the input of ${layer} has the shape [${dims.join(', ')}], not rows of ${size}.`, {
    data: { tensor: layer, expected: `rows of ${size}`, found: dims.join(', ') },
  })

function checked(hessian: Hessian, { layers: [layer = ''] }: Watched, network: string): Hessian {
  const { size, data, rows } = hessian
  for (let i = 0; i < size; i++) {
    const square = data[i * size + i] as number
    if (!Number.isFinite(square))
      throw new Fault('bad-data', `${network}: the activations that enter ${layer} are not all finite.`, {
        hint: 'Look at the calibration data and at the checkpoint. If the layers before were compressed, give them more bits.',
        data: { tensor: layer, expected: 'finite activations', found: `${square} at input ${i}` },
      })
  }
  if (rows > 0) return hessian
  return hessian // an expert that no token chose: all zero, which the caller sees by its rows
}
