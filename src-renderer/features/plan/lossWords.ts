import type { CheckpointSummary } from '../../../src-preload/contract/model.ts'

/** How a predicted loss is called: a divergence of predictions where the network can be run, else an error of weights. */
export const lossWords = (task: CheckpointSummary['task'] | undefined): { title: string; unit: string; how: string } =>
  task === 'none'
    ? {
        title: 'Predicted weight error',
        unit: '',
        how: 'Squared error relative to the weights themselves, each tensor counted by its share of the weights; nothing can be run.',
      }
    : { title: 'Predicted loss', unit: 'nats', how: 'KL divergence to the original, nats per prediction.' }
