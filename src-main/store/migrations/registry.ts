import type { Migration } from './migration.ts'
import { initial } from './0010-initial.ts'
import { formats } from './0020-formats.ts'
import { methods } from './0030-methods.ts'
import { scoreParameters } from './0040-score-parameters.ts'

/** In order; numbered by tens. A shipped migration is never edited: `npm run db:new <title>` adds the next. */
export const migrations: readonly Migration[] = [initial, formats, methods, scoreParameters]
