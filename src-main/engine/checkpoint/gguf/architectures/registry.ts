import type { Architecture } from './define.ts'

/** GGUF architectures that open as a known model and can be written. */
export const architectures: readonly Architecture[] = []

export const architectureById = (id: string): Architecture | undefined => architectures.find((each) => each.id === id)

/** The architecture that a Hugging Face configuration is written as. */
export const architectureFor = (modelType: string): Architecture | undefined =>
  architectures.find(({ modelTypes }) => modelTypes.includes(modelType))
