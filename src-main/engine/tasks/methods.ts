import { allocators } from '../allocate/registry.ts'
import { evaluators } from '../evaluate/registry.ts'
import { exporters } from '../export/registry.ts'
import { describeMethod, type MethodBase } from '../method.ts'
import { preparations } from '../prepare/registry.ts'
import type { Tasks } from '../protocol.ts'
import { levers } from '../quantize/compressors.ts'
import { quantizers } from '../quantize/registry.ts'
import { scores } from '../score/registry.ts'

/** Every method of every family, in the order of its registry. Told by the engine, so that main loads none of the science. */
export const methods = (): Tasks['methods']['result'] => {
  const all: MethodBase[] = [...scores, ...preparations, ...allocators, ...evaluators]
  return {
    methods: [
      ...all.map(describeMethod),
      ...levers.map((lever) => ({ ...describeMethod(lever), plans: true })),
      ...quantizers.map((quantizer) => ({
        ...describeMethod(quantizer),
        plans: quantizer.twin !== undefined || quantizer.options !== undefined,
        ...(quantizer.prepare && { prepare: [...quantizer.prepare] }),
      })),
      ...exporters.map((exporter) => ({
        ...describeMethod(exporter),
        file: { extension: exporter.extension, converts: exporter.convert !== undefined },
      })),
    ],
  }
}
