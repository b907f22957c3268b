// All that carries out an option of a layer, of the three families whose results are stored alike.
import { factorizers } from '../factorize/registry.ts'
import { sparsifiers } from '../sparsify/registry.ts'
import type { Quantizer } from './define.ts'
import { quantizers } from './registry.ts'

export const levers: readonly Quantizer[] = [...sparsifiers, ...factorizers]

export const compressors: readonly Quantizer[] = [...quantizers, ...levers]

export const compressorOf = (id: string): Quantizer | undefined => compressors.find((method) => method.id === id)
