import type { DataSummary } from '../../../src-preload/contract/model.ts'
import type { Dataset } from './types.ts'

/** A data set as a person sees it. */
export const describeDataset = (dataset: Dataset): DataSummary => ({
  path: dataset.path,
  kind: dataset.kind,
  calibrate: dataset.calibrate.samples,
  evaluate: dataset.evaluate.samples,
  unit: dataset.unit,
  split: dataset.split,
  details: dataset.details,
  notices: dataset.notices,
  fingerprint: dataset.fingerprint,
})
