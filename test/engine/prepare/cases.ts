// One small network of every family, with inputs it takes.
import { rmSync } from 'node:fs'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { feedsOf, networkCases, openCase, writeCase } from '../families/golden-case.ts'
import { familyCases, goldenCases, writeGoldenFolder } from '../families/golden.ts'
import { openPath, whole } from '../families/run.ts'
import type { Feeds } from './compare.ts'

export interface FamilyCase {
  name: string
  open(): { network: Network; feeds: Feeds; close(): void }
}

const closing = (network: Network, folder: string) => () => {
  network.source.close()
  rmSync(folder, { recursive: true, force: true })
}

export const allCases: readonly FamilyCase[] = [
  ...[...goldenCases, ...familyCases].map((golden): FamilyCase => ({
    name: golden.name,
    open() {
      const folder = writeGoldenFolder(golden)
      const network = openPath(folder)
      return { network, feeds: { input_ids: whole(golden.ids) }, close: closing(network, folder) }
    },
  })),
  ...[...networkCases('encoder'), ...networkCases('vision')].map((golden): FamilyCase => ({
    name: golden.name,
    open() {
      const folder = writeCase(golden)
      const network = openCase(folder)
      return { network, feeds: feedsOf(golden), close: closing(network, folder) }
    },
  })),
]
