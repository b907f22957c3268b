import type { Network } from '../checkpoint/network.ts'
import type { Artifact } from '../protocol.ts'
import type { StagedFile } from './staging.ts'

/** What an export says about itself, beside the model as `<name>.lathe.json`. Holds no time and no path, so that the
 *  same source and recipe give the same bytes. */
export function manifestOf(
  network: Network,
  artifacts: readonly Artifact[],
  export_: { format: string; files: readonly StagedFile[]; plannedBytes: number; verified: readonly string[] },
): Uint8Array {
  const compressed = new Map(artifacts.map((artifact) => [artifact.layer, artifact]))
  const bytes = export_.files.reduce((sum, file) => sum + file.bytes, 0)
  const manifest = {
    lathe: 1,
    format: export_.format,
    source: { name: network.name, format: network.format, family: network.family, fingerprint: network.fingerprint },
    files: export_.files,
    bytes,
    plannedBytes: export_.plannedBytes,
    recipe: network.layers
      .filter((layer) => compressed.has(layer.name))
      .map(({ name }) => {
        const artifact = compressed.get(name)
        return { name, option: artifact?.option, sha256: artifact?.sha256, relativeError: artifact?.relativeError }
      }),
    verified: export_.verified,
  }
  return new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`)
}
