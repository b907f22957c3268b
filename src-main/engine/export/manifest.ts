import type { Option } from '../../../src-preload/contract/plan.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Artifact } from '../protocol.ts'
import { latheVersion } from '../version.ts'
import type { StagedFile } from './staging.ts'

interface Said {
  format: string
  files: readonly StagedFile[] // weights and graph
  besides?: readonly StagedFile[] // configuration, tokenizer, card
  plannedBytes: number
  verified: readonly string[]
  options?: ReadonlyMap<string, Option> | undefined // of layers compressed on the way, without an artifact
}

/** What an export says about itself, beside the model as `<name>.lathe.json`: source, files with their hashes, and the
 *  option of every layer. Holds no time and no path, so that the same source and recipe give the same bytes. */
export function manifestOf(
  network: Network,
  artifacts: readonly Artifact[],
  { format, files, besides, plannedBytes, verified, options }: Said,
): Uint8Array {
  const compressed = new Map(artifacts.map((artifact) => [artifact.layer, artifact]))
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const manifest = {
    lathe: 1,
    version: latheVersion,
    format,
    source: { name: network.name, format: network.format, family: network.family, fingerprint: network.fingerprint },
    files,
    ...(besides === undefined ? {} : { besides }),
    bytes,
    plannedBytes,
    ...(network.leftOut && { blocksLeftOut: network.leftOut.blocks.map(({ index }) => index) }), // from 0, as in the source
    recipe: network.layers
      .filter(({ name }) => compressed.has(name) || options?.has(name))
      .map(({ name }) => {
        const artifact = compressed.get(name)
        if (!artifact) return { name, option: options?.get(name) }
        return { name, option: artifact.option, sha256: artifact.sha256, relativeError: artifact.relativeError }
      }),
    verified,
  }
  return new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`)
}
