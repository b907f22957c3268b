import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import type { StagedFile, Staging } from '../staging.ts'
import type { Target } from '../target.ts'
import { cardName, type CardSubject, modelCard } from './card.ts'

/** Writes the card of a model file: README.md where the target is a folder that has none yet (or may replace it), and
 *  <name>.README.md beside a single file. */
export function writeCard(
  staging: Staging,
  { folder, file, companions }: Target,
  extension: string,
  overwrite: boolean,
  subject: CardSubject,
): StagedFile {
  const free = overwrite || lstatSync(join(folder, 'README.md'), { throwIfNoEntry: false }) === undefined
  const name = companions && free ? 'README.md' : cardName(file, extension)
  const card = modelCard(subject)
  return staging.write(name, (sink) => sink(card))
}
