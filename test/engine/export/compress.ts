import { mkdirSync } from 'node:fs'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { readMatrix } from '../../../src-main/engine/checkpoint/weights.ts'
import type { BytePlan } from '../../../src-main/engine/export/define.ts'
import type { Artifact } from '../../../src-main/engine/protocol.ts'
import { writeArtifact } from '../../../src-main/engine/quantize/artifact.ts'
import { applyPlain } from '../../../src-main/engine/quantize/options.ts'

/** Artifacts of a recipe that gives each layer the option `choose` names, and the bytes the plan promises for it. */
export function compress(network: Network, plan: BytePlan, folder: string, choose: (layer: number) => number) {
  mkdirSync(folder, { recursive: true })
  let plannedBytes = plan.baseBytes
  const artifacts: Artifact[] = []
  plan.layers.forEach(({ name, options }, index) => {
    const layer = network.layers.find((one) => one.name === name)
    const option = options.find(({ bits }) => bits === choose(index))
    if (layer === undefined || option === undefined) throw new Error(`${name} has no such option`)
    plannedBytes += option.bytes
    if (option.method === 'keep') return
    const q = applyPlain(readMatrix(network, layer), option, { layer: name })
    artifacts.push({
      layer: name,
      option,
      relativeError: 0,
      ...writeArtifact(folder, q, { layer: name, option, methodVersion: 1 }),
    })
  })
  return { artifacts, plannedBytes }
}
