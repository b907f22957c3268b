// The model card beside an export: README.md in a folder, <name>.README.md beside a single file. Plain Markdown with the
// YAML head that model hubs read. Holds no time and no path: the same source and recipe give the same bytes.
import type { Option } from '../../../../src-preload/contract/plan.ts'
import type { Network } from '../../checkpoint/network.ts'
import type { Artifact } from '../../protocol.ts'
import { latheVersion } from '../../version.ts'
import type { CardRow } from '../define.ts'
import { escape, plain, yamlText } from './escape.ts'
import { licenceOf } from './licence.ts'
import { recipeTable } from './recipe.ts'

export interface CardSubject {
  network: Network
  format: string // title of the exporter
  files: readonly { name: string; bytes: number }[] // weights and graph
  artifacts?: readonly Artifact[] // compressed layers,
  options?: ReadonlyMap<string, Option> | undefined // and those compressed on the way
  rows?: readonly CardRow[] | undefined // what was measured on the variant
  verified: readonly string[]
  loads: readonly { runtime: string; line: string }[] // how to load it, a line of code for each runtime
  manifest: string // name of the .lathe.json beside it
  library?: string // `library_name` of the YAML head
}

/** Name of the card of a model file; of a folder it is README.md. */
export const cardName = (file: string, extension: string): string =>
  `${file.slice(0, file.toLowerCase().endsWith(extension) ? file.length - extension.length : undefined)}.README.md`

/** Every layer's option, artifacts first. */
export const chosenOptions = (
  artifacts: readonly Artifact[] = [],
  options: ReadonlyMap<string, Option> = new Map(),
): Map<string, Option> =>
  new Map([...options, ...artifacts.map(({ layer, option }): [string, Option] => [layer, option])])

export function modelCard(subject: CardSubject): Uint8Array {
  const { network, format, files, verified, loads, manifest } = subject
  const licence = licenceOf(network)
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const chosen = chosenOptions(subject.artifacts, subject.options)
  const lines = [
    '---',
    ...(licence === null ? [] : [`license: ${yamlText(licence)}`]),
    `base_model: ${yamlText(network.name)}`,
    ...(subject.library === undefined ? [] : [`library_name: ${yamlText(subject.library)}`]),
    '---',
    '',
    `# ${escape(network.name)}: ${escape(format)}`,
    '',
    `${escape(network.name)} written as ${escape(format)} by Lathe ${latheVersion}.`,
    '',
    '| | |',
    '| --- | --- |',
    row('Source', `${escape(network.name)} (${network.format}, ${escape(network.family)})`),
    row('Source fingerprint', `\`${plain(network.fingerprint)}\``),
    row('Licence of the source', licence === null ? 'the source does not say' : escape(licence)),
    row('Format', escape(format)),
    row('Size before', sizeText(network.bytes)),
    row(
      'Size after',
      `${sizeText(bytes)}${network.bytes > 0 ? `, ${((100 * bytes) / network.bytes).toFixed(1)} %` : ''}`,
    ),
    ...files.map((file) => row('File', `${escape(file.name)}, ${sizeText(file.bytes)}`)),
    '',
    '## What was done',
    '',
    ...leftOutOf(network),
    ...recipeTable(network, chosen),
    '',
    `The option of every single layer is in ${escape(manifest)}.`,
    '',
    '## What was measured',
    '',
    ...measured(subject.rows ?? []),
    '',
    '## What was checked',
    '',
    ...verified.map((line) => `- ${escapeSentence(line)}`),
    '',
    '## How to load it',
    '',
    ...loads.map(({ runtime, line }) => `- ${escape(runtime)}: \`${plain(line).replaceAll('`', "'")}\``),
    '',
  ]
  return new TextEncoder().encode(lines.join('\n'))
}

/** Blocks left out, as they were counted in the source, from 1. */
const leftOutOf = ({ leftOut, blocks }: Network): string[] =>
  leftOut === undefined
    ? []
    : [
        `Of the ${blocks.length + leftOut.blocks.length} blocks of the source these are left out: ${leftOut.blocks.map(({ index }) => index + 1).join(', ')}.`,
        '',
      ]

const row = (name: string, value: string): string => `| ${name} | ${value} |`

const sizeText = (bytes: number): string => {
  const digits = bytes.toLocaleString('en-US')
  return bytes < 1e5 ? `${digits} bytes` : `${digits} bytes (${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 1)} MB)`
}

/** Long sentences of our own that may hold names from the checkpoint. */
const escapeSentence = (line: string): string => (line.match(/[\s\S]{1,150}/gu) ?? []).map(escapeKeepingEnds).join('')
const escapeKeepingEnds = (piece: string): string => {
  const [, before = '', text = '', after = ''] = /^(\s*)([\s\S]*?)(\s*)$/u.exec(piece) ?? []
  return `${before === '' ? '' : ' '}${escape(text)}${after === '' ? '' : ' '}`
}

function measured(rows: readonly CardRow[]): string[] {
  if (rows.length === 0)
    return ['Nothing was measured: this file was written without an evaluation. Measure it before you rely on it.']
  return [
    '| Metric | Original | This file | Measured on |',
    '| --- | ---: | ---: | --- |',
    ...rows.map(
      ({ metric, original, variant, source }) =>
        `| ${escape(metric)} | ${original === null ? '' : escape(original)} | ${escape(variant)} | ${escape(source)} |`,
    ),
  ]
}
