import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

/** Folder of real models to measure on; LATHE_DATA overrides it. Tests skip, with this reason, where it is absent. */
export const dataFolder = resolve(process.env.LATHE_DATA ?? '../shared/data')
export const hasData = existsSync(dataFolder)
export const skipReason = `no real models at ${dataFolder} (set LATHE_DATA)`
if (!hasData) process.stderr.write(`skipped: ${skipReason}\n`)

/** Path inside the data folder. */
export const dataPath = (...parts: string[]) => resolve(dataFolder, ...parts)
