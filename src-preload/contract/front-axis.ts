// Where a point stands on the axis that a front is drawn against: one rule for the window, the pictures and the command line.
import type { Front, FrontPoint, MeasuredPoint } from './results.ts'

export const frontAxes = ['size', 'bits', 'latency', 'memory'] as const
export type FrontAxis = (typeof frontAxes)[number]

/** What of a point costs something; what an axis needs and a point lacks is not known. */
export type Costs = Pick<FrontPoint, 'bytes' | 'averageBits'> &
  Partial<Pick<MeasuredPoint, 'predictedMemory' | 'predictedSeconds' | 'seconds' | 'fileSeconds' | 'memory'>>

export interface AxisRule {
  title: string
  /** Why it is these figures, in one line. */
  note: string
  /** Of measured variants; null: it has no place there. Bytes, bits a weight, or seconds. */
  ofMeasured(point: Costs): number | null
  ofPredicted(point: Costs): number | null
}

/** Measured and predicted figures never mix among the dots: where one exported file was run, only files that were run stand
 *  on the axis; where none was (no program here runs the format), all stand where they are predicted to. */
export function axisRule(front: Pick<Front, 'measured' | 'memorySource'>, axis: FrontAxis): AxisRule {
  const variants = front.measured.filter(({ kind }) => kind !== 'original')
  const both = (of: (point: Costs) => number | null) => ({ ofMeasured: of, ofPredicted: of })
  switch (axis) {
    case 'size':
      return { title: 'Size of the exported file', note: 'Exact, in the export format.', ...both(({ bytes }) => bytes) }
    case 'bits':
      return {
        title: 'Average bits a weight',
        note: 'Of the weights that can be compressed, without scales.',
        ...both(({ averageBits }) => averageBits),
      }
    case 'memory': {
      const isRun = variants.some(({ memory }) => memory !== null)
      return {
        title: isRun ? 'Peak memory, running the exported file' : 'Peak memory, predicted for the exported file',
        note: front.memorySource,
        ofMeasured: (point) => (isRun ? point.memory : point.predictedMemory) ?? null,
        ofPredicted: ({ predictedMemory }) => predictedMemory ?? null,
      }
    }
    case 'latency': {
      const isRun = variants.some(({ fileSeconds }) => fileSeconds !== null)
      return isRun
        ? {
            title: 'Time of one sample, running the exported file',
            note: 'Dots: the whole file, run by itself on this machine’s CPU, one image or one token at a time. Curve: the sum of its operators, each timed by itself in the form the file has it.',
            ofMeasured: ({ fileSeconds }) => fileSeconds ?? null,
            ofPredicted: ({ predictedSeconds }) => predictedSeconds ?? null,
          }
        : {
            title: 'Time of one sample, as evaluated',
            note: 'During the evaluation, weights as floats: the exported file takes another time.',
            ofMeasured: ({ seconds }) => seconds ?? null,
            ofPredicted: () => null,
          }
    }
  }
}
