// Ways into Lathe that a stranger's file can take. Each opens a path as its use-case does and tells what came of it.
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createHash } from 'node:crypto'
import { type App, createApp } from '../../src-main/app/create.ts'
import { readRecipe } from '../../src-main/cli/verbs/run.ts'
import type { Network } from '../../src-main/engine/checkpoint/network.ts'
import { openNetwork, summarise } from '../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../src-main/engine/data/open.ts'
import { renderChat } from '../../src-main/engine/data/text/chat.ts'
import { openTokenizer, tokenizerFrom } from '../../src-main/engine/data/text/tokenizer.ts'
import { exporterOf } from '../../src-main/engine/tasks/export.ts'

export interface Row {
  id: string
  door?: 'data' | 'tokenizer' | 'vocabulary' | 'recipe' | 'export' | 'chat' // default: a checkpoint to open
  opens?: string // for a reader of the manifest: file below the case's folder, or 'folder'
  network?: 'vision' | 'language' // the sample that the data is for
  overwrite?: boolean // of an export
  expect: 'fault' | 'network' | 'accept'
  code?: string
  message?: string // part of the fault's message; {folder} is the case's own
  gives?: Record<string, unknown> // of what was accepted
  family?: string
  task?: string
  tensors?: number
  notice?: string // part of one of the network's notices
}

interface Door {
  longestMs: number
  growthBytes: number
  attempt(path: string, row: Row, folder: string): Promise<Record<string, unknown>>
}

const samples = new Map<string, Network>()
function sample(name: 'vision' | 'language'): Network {
  const known =
    samples.get(name) ?? openNetwork(resolve('resources/samples', name, name === 'vision' ? 'model.onnx' : ''))
  samples.set(name, known)
  return known
}

let bench: Promise<{ app: App; project: string }> | null = null
/** A project on the vision sample, made once. */
function project(): Promise<{ app: App; project: string }> {
  bench ??= (async () => {
    const home = mkdtempSync(join(tmpdir(), 'lathe-corpus-home-'))
    const app = createApp({ door: 'cli', home })
    const { folder } = await app.openScratch(resolve('resources/samples/vision/model.onnx'))
    await app.client().call('option.list', { project: folder }) // the first question is the slow one
    return { app, project: folder }
  })()
  return bench
}
export const prepareDoors = async (): Promise<void> => void (await project())
export async function closeDoors(): Promise<void> {
  for (const network of samples.values()) network.source.close()
  const made = await bench
  await made?.app.close()
  if (made) rmSync(resolve(made.project, '..', '..'), { recursive: true, force: true })
}

/** Name and content of everything in a folder, links as links. */
function contents(folder: string, below = ''): string[] {
  return readdirSync(join(folder, below)).flatMap((name) => {
    const path = join(below, name)
    const stat = lstatSync(join(folder, path))
    if (stat.isDirectory()) return [`${path}/`, ...contents(folder, path)]
    if (!stat.isFile()) return [`${path} -> `]
    return [
      `${path} ${createHash('sha256')
        .update(readFileSync(join(folder, path)))
        .digest('hex')}`,
    ]
  })
}

const mebibytes = 2 ** 20
export const doors: Record<NonNullable<Row['door']> | 'open', Door> = {
  open: {
    longestMs: 2000,
    growthBytes: 64 * mebibytes,
    async attempt(path) {
      const network = openNetwork(path)
      network.source.close()
      return { ...summarise(network) }
    },
  },
  data: {
    longestMs: 2000,
    growthBytes: 64 * mebibytes,
    async attempt(path, row) {
      const dataset = await openDataset({ path, split: 'auto' }, sample(row.network ?? 'vision'))
      const { calibrate, evaluate } = dataset
      for (const part of [calibrate, evaluate])
        for await (const batch of part.batches({ batchSize: 4, limit: 4 }))
          if (batch.size === 0) throw new Error('empty')
      return { kind: dataset.kind, calibrate: calibrate.samples, evaluate: evaluate.samples }
    },
  },
  tokenizer: {
    longestMs: 2000,
    growthBytes: 64 * mebibytes,
    attempt: async (path) => ({ tokens: openTokenizer(path, 500).encode('The cat sat', 'a probe') }),
  },
  vocabulary: {
    longestMs: 2000,
    growthBytes: 64 * mebibytes,
    async attempt(path) {
      const network = openNetwork(path)
      try {
        const own = network.tokenizer
        return { tokens: own && tokenizerFrom(own.read(), own.file, 500).encode('a', 'a probe') }
      } finally {
        network.source.close()
      }
    },
  },
  chat: {
    longestMs: 5000, // a process starts
    growthBytes: 64 * mebibytes,
    async attempt(path) {
      const template = readFileSync(path, 'utf8')
      return { text: renderChat(template, [{ role: 'user', content: 'Hello' }], { bos_token: '<s>' }, path) }
    },
  },
  recipe: {
    longestMs: 2000,
    growthBytes: 64 * mebibytes,
    async attempt(path) {
      const recipe = readRecipe(path)
      const { app, project: folder } = await project()
      const client = app.client()
      const { job } = await client.call('run.start', { project: folder, recipe, evaluate: false })
      await client.call('job.cancel', { job })
      return { layers: recipe.layers.length }
    },
  },
  export: {
    longestMs: 5000,
    growthBytes: 256 * mebibytes, // two sessions compare what was written
    async attempt(path, row, folder) {
      const network = openNetwork(join(folder, 'model.onnx'))
      const before = contents(folder)
      const args = { network, artifacts: [], path, dataset: null, overwrite: row.overwrite ?? false, plannedBytes: 0 }
      try {
        const { files } = await exporterOf('onnx').write(args, { progress: () => undefined, notify: () => undefined })
        return {
          files: files.map((file) => file.path.slice(folder.length + 1)),
          beside: readdirSync(dirname(files[0]?.path ?? '')),
        }
      } catch (error) {
        const after = contents(folder)
        if (JSON.stringify(after) !== JSON.stringify(before))
          throw new Error(`a failed export changed the folder:\n${before.join('\n')}\n->\n${after.join('\n')}`, {
            cause: error,
          })
        throw error
      } finally {
        network.source.close()
      }
    },
  },
}
