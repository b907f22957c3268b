import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Store } from '../store/open.ts'
import { readStep, removeStep } from '../store/steps.ts'

/** Whether a step's file stands in the project with the content that was noted. A step whose file is gone or damaged is
 *  forgotten, so that it is made again. */
export async function hasArtifact(store: Store, key: string): Promise<boolean> {
  const step = readStep(store.read, { key })
  if (!step?.file) return false
  if ((await sha256Of(join(store.artifacts, step.file))) === step.sha256) return true
  removeStep(store.write, { key })
  return false
}

async function sha256Of(path: string): Promise<string | null> {
  try {
    const hash = createHash('sha256')
    await pipeline(createReadStream(path), hash)
    return hash.digest('hex')
  } catch {
    return null // gone or unreadable
  }
}
