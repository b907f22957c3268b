import type { z } from 'zod'
import type { Network } from '../../checkpoint/network.ts'
import { defineExporter, type Exporter } from '../define.ts'
import type { PackedFormat, PackedParameters } from './format.ts'
import { packableLayers, refusesPacked } from './linear.ts'
import { planPacked } from './plan.ts'
import { exportPacked } from './write.ts'

type Words<P extends z.ZodObject> = Pick<Exporter<P>, 'summary' | 'cite' | 'formula' | 'params'>

/** An exporter of folders in a packed format. */
export function packedExporter<P extends z.ZodObject<z.ZodRawShape>>(
  format: PackedFormat,
  words: Words<P>,
): Exporter<P> {
  const formatFor = (network: Network) => format.activations?.formatFor(format, network) ?? format
  const read = (parameters: unknown) => words.params.parse(parameters ?? {}) as unknown as PackedParameters
  return defineExporter<P>({
    ...words,
    id: format.id,
    family: 'export',
    title: format.title,
    cost: 'one pass over the weights and one to check; memory of one layer',
    needs: ['weights'],
    version: 1,
    extension: '',
    refuses: refusesPacked,
    ...(format.activations && { holdsRounding: format.activations.holds }),
    planBytes: (network, parameters, offered) =>
      planPacked(formatFor(network), network, read(parameters), parameters === undefined, offered),
    convert(network, parameters) {
      const asked = read(parameters)
      return new Map(
        packableLayers(network).flatMap((layer) => {
          const option = formatFor(network).choose(layer, network, asked)
          return option === null ? [] : [[layer.name, option] as const]
        }),
      )
    },
    write: (args, context) =>
      Promise.resolve().then(() => exportPacked(formatFor(args.network), args, read(args.parameters), context)),
  })
}
