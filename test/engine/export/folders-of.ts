// Helpers for exports that are folders: what a plain conversion would write, and the folder's tensors read plainly.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import type { Exporter } from '../../../src-main/engine/export/define.ts'
import { exporters } from '../../../src-main/engine/export/registry.ts'
import type { Option } from '../../../src-preload/contract/plan.ts'
import { quiet, temporaryFolder } from '../score/network.ts'

export function exporterNamed(id: string): Exporter {
  const found = exporters.find((exporter) => exporter.id === id)
  if (!found) throw new Error(`no exporter ${id}`)
  return found
}

/** Converts with these parameters, or with these options in place of the exporter's own. */
export async function converted(
  network: Network,
  id: string,
  given: Record<string, unknown> = {},
  more: { options?: ReadonlyMap<string, Option>; path?: string; overwrite?: boolean } = {},
) {
  const exporter = exporterNamed(id)
  const parameters = exporter.params.parse(given) as Record<string, unknown>
  const options = more.options ?? exporter.convert?.(network, parameters) ?? new Map<string, Option>()
  const plan = exporter.planBytes(network, parameters)
  const plannedBytes = plan.layers.reduce((sum, { name, options: offered }) => {
    const wanted = options.get(name)?.id ?? 'keep'
    return sum + (offered.find((option) => option.id === wanted)?.bytes ?? NaN)
  }, plan.baseBytes)
  const path = more.path ?? join(temporaryFolder(), 'out')
  const overwrite = more.overwrite ?? false
  const args = { network, artifacts: [], options, parameters, path, dataset: null, overwrite, plannedBytes }
  const result = await exporter.write(args, quiet)
  return { result, path, plannedBytes, options, args }
}

export const json = (...path: string[]): Record<string, unknown> =>
  JSON.parse(readFileSync(join(...path), 'utf8')) as Record<string, unknown>

/** A safetensors file read with nothing but the format's first paragraph. */
export function plainTensors(path: string): Map<string, { dtype: string; shape: number[]; bytes: Uint8Array }> {
  const file = readFileSync(path)
  const length = Number(file.readBigUInt64LE())
  const header = JSON.parse(file.toString('utf8', 8, 8 + length)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [begin, end],
          },
        ]) => [name, { dtype, shape, bytes: new Uint8Array(file.subarray(8 + length + begin, 8 + length + end)) }],
      ),
  )
}

export const asInts = (bytes: Uint8Array): Int32Array => new Int32Array(bytes.slice().buffer)

/** float16 by its definition. */
export const asHalves = (bytes: Uint8Array): number[] =>
  Array.from(new Uint16Array(bytes.slice().buffer), (bits) => {
    const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023]
    if (exponent === 31) return fraction ? NaN : sign * Infinity
    return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
  })
