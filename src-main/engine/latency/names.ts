import type { Option } from '../../../src-preload/contract/plan.ts'
import type { Style } from '../export/onnx/emit-layer.ts'

/** Formats whose files Lathe runs as they are. Of all others the weights are decoded to floats before anything runs here, so
 *  their options take the same time; what another program makes of them is not measured. */
export const styles: Record<string, Style> = { onnx: 'packed', 'transformers-js': 'packed' }

export const floatForm = 'float'

/** Names the form in which a format runs an option: what has the same name takes the same time. */
export const formName = (format: string, option: Pick<Option, 'id' | 'method'>): string => {
  const style = styles[format]
  return style === undefined || option.method === 'keep' ? floatForm : `${style} ${option.id}`
}

/** Formats that are one ONNX file of the network as it is: Lathe runs the whole file. One with inputs for keys and values is
 *  another network, and what other programs take for their formats they alone can tell. */
export const oneFile: Record<string, Style> = { onnx: 'packed', 'onnx-folded': 'folded' }

export const canRun = (format: string): boolean => Object.hasOwn(oneFile, format)
