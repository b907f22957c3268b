import { existsSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { parseJsonObject } from '../../checkpoint/json.ts'
import type { Network } from '../../checkpoint/network.ts'
import type { TextDescription } from '../description.ts'
import { badData, fingerprint, isFolder, readAll, readText } from '../files.ts'
import { checkDisjoint, emptyPart, makePart, splitSamples } from '../parts.ts'
import { tokensOf } from '../tokens.ts'
import type { Batch, DataPart, Dataset } from '../types.ts'
import { type Frame, hiddenPlaces, makeEncoderBatch, readFrame } from './encoder.ts'
import { textFeeds, type TextFeeds } from './feeds.ts'
import { openTokenizer, type TextTokenizer, tokenizerFrom } from './tokenizer.ts'
import { checkTokens, cutDocuments, cutWindows, type Windows } from './windows.ts'

const mostTextBytes = 256 * 2 ** 20
const mostConfigBytes = 2 ** 20
const defaultContext = 512
const encoderContext = 128

interface Setting {
  base: string // folder of the description: ids are relative to it
  tokenizer: TextTokenizer
  separator: string | undefined
  context: number
  begin: number | null
  vocabulary: number | null
  feeds: TextFeeds
  frame: Frame | null // encoders
}

/** Tokens of a window that are not of the text. */
const addedTokens = ({ begin, frame }: Setting): number =>
  frame ? frame.before.length + frame.after.length : begin === null ? 0 : 1

/** Tokens of one file, cut into windows. */
function readWindows(path: string, setting: Setting): Windows & { documents: number } {
  const documents = cutDocuments(readText(path, mostTextBytes), setting.separator)
  const pieces = documents.map((text, index) => setting.tokenizer.encode(text, `${basename(path)}, document ${index}`))
  checkTokens(pieces, setting.vocabulary, path)
  const cut = cutWindows(pieces, setting.context - addedTokens(setting))
  if (cut.windows.length === 0) throw badData(path, 'no window of at least 2 tokens: the text is empty or too short')
  return { ...cut, documents: documents.length }
}

/**
 * One batch: inputs [rows, time] and the next token at each place. Shorter windows are filled up on the right, where a
 * causal network cannot see them, and not scored.
 */
function makeBatch(data: Windows, samples: readonly number[], setting: Setting): Batch {
  const { begin, feeds, frame } = setting
  if (frame) return makeEncoderBatch(data, samples, frame, feeds)
  const chosen = samples.map((sample) => data.windows[sample] ?? { start: 0, length: 0 })
  const inputs = (length: number) => (begin === null ? length - 1 : length)
  const time = feeds.time ?? Math.max(...chosen.map((window) => inputs(window.length)))
  const rows = feeds.batch ?? chosen.length
  const tokens = new BigInt64Array(rows * time)
  const targets = new Int32Array(rows * time).fill(-1)
  for (const [row, { start, length }] of chosen.entries()) {
    const stream = data.tokens.subarray(start, start + length)
    const seen = begin === null ? stream : [begin, ...stream]
    for (let at = 0; at < inputs(length); at++) {
      tokens[row * time + at] = BigInt(seen[at] ?? 0)
      targets[row * time + at] = seen[at + 1] ?? -1
    }
  }
  return { feeds: feeds.make(tokens, rows, time), size: samples.length, targets }
}

function textPart(path: string, data: Windows, indices: readonly number[], setting: Setting): DataPart {
  const { base } = setting
  const length = (sample: number) => data.windows[sample]?.length ?? 0
  return makePart({
    indices,
    id: (sample) => `${relative(base, path) || basename(path)}#${sample}`,
    // Longest first: windows of one length share a batch, and little is filled up.
    arrange: (list) => [...list].sort((one, other) => length(other) - length(one) || one - other),
    fixedBatch: setting.feeds.batch,
    load: (samples) => makeBatch(data, samples, setting),
  })
}

/** The begin token in a config.json beside the tokenizer: an ONNX file of a language model does not name its own. */
function beginBeside(tokenizer: string): number | null {
  const file = join(dirname(tokenizer), 'config.json')
  if (!existsSync(file)) return null
  const token = parseJsonObject(readAll(file, mostConfigBytes), file).get('bos_token_id')
  return typeof token === 'number' && Number.isInteger(token) && token >= 0 ? token : null
}

function settingFor(
  description: TextDescription,
  source: { path: string; base: string },
  network: Network,
  notices: string[],
): Setting {
  const { path, base } = source
  const beside = isFolder(network.path) ? network.path : dirname(network.path)
  const file = description.tokenizer ? resolve(base, description.tokenizer) : join(beside, 'tokenizer.json')
  // The vocabulary inside the checkpoint's own file (GGUF) or in one of the older forms; else tokenizer.json beside it.
  const own = description.tokenizer === undefined ? network.tokenizer : null
  const inside = own && basename(own.file) !== 'tokenizer.json' ? own : null
  const feeds = textFeeds(network)
  const { head } = network
  const tokenizer = inside ? tokenizerFrom(inside.read(), inside.file) : openTokenizer(file)
  const frame = readFrame(network, tokenizer, notices)
  if (frame) return encoderSetting(description, { path, base, tokenizer, frame, feeds }, network)
  const usual = head ? head.beginToken : beginBeside(file)
  const begin = description['begin-token'] === undefined ? usual : description['begin-token']
  const longest = feeds.time === null ? head?.context : feeds.time + 1
  const context = description.context ?? Math.min(longest ?? defaultContext, defaultContext)
  if (feeds.time !== null && context > feeds.time + 1)
    throw badData(path, `windows of ${context} tokens do not fit a network that takes ${feeds.time}`, {
      data: { field: 'context', expected: `at most ${feeds.time + 1}`, found: `${context}` },
    })
  if (begin !== null && head && begin >= head.vocabulary)
    throw badData(path, `the begin token ${begin} is outside the network's vocabulary`, {
      data: { field: 'begin-token', expected: `0 to ${head.vocabulary - 1}`, found: `${begin}` },
    })
  if (head && context > head.context)
    notices.push(`Windows of ${context} tokens are longer than the ${head.context} this network was made for.`)
  if (begin === null)
    notices.push('The checkpoint names no begin token: the first token of each window is not predicted.')
  return {
    base,
    tokenizer,
    separator: description['document-separator'],
    context,
    begin,
    vocabulary: head?.vocabulary ?? null,
    feeds,
    frame,
  }
}

type EncoderParts = Pick<Setting, 'base' | 'tokenizer' | 'feeds'> & { path: string; frame: Frame }

/** Windows of an encoder are whole samples: no token begins them, and none is longer than the network's positions. */
function encoderSetting(description: TextDescription, parts: EncoderParts, network: Network): Setting {
  const { base, path, tokenizer, feeds, frame } = parts
  const facts = tokensOf(network)
  const longest = feeds.time ?? facts?.context ?? null
  const context = description.context ?? Math.min(longest ?? encoderContext, encoderContext)
  const fewest = frame.before.length + frame.after.length + 2
  if ((longest !== null && context > longest) || context < fewest)
    throw badData(path, `windows of ${context} tokens do not fit a network that takes ${longest ?? 'any number'}`, {
      data: { field: 'context', expected: `${fewest} to ${longest ?? 'any'}`, found: `${context}` },
    })
  const separator = description['document-separator']
  return { base, tokenizer, separator, context, begin: null, vocabulary: facts?.vocabulary ?? null, feeds, frame }
}

const every = (data: Windows) => Array.from({ length: data.windows.length }, (_, index) => index)
function predicted(data: Windows, { begin, frame }: Setting): number {
  if (frame?.mask === null) return 0
  const hidden = (length: number) => (frame ? hiddenPlaces(length, 0).length : length - (begin === null ? 1 : 0))
  return data.windows.reduce((sum, window) => sum + hidden(window.length), 0)
}

/** Opens text for a language model. `file` is the description, or the bare text itself. */
export function openTextDataset(description: TextDescription, file: string, network: Network, all: boolean): Dataset {
  const base = dirname(file)
  const { text, evaluate, calibrate } = description
  if ((text === undefined) === (evaluate === undefined))
    throw badData(file, 'give either "text", or "evaluate" (and "calibrate") with their own text')
  if (text === undefined && description.split) throw badData(file, '"split" belongs to one part under "text"')
  const notices: string[] = []
  const setting = settingFor(description, { path: file, base }, network, notices)
  const evaluated = resolve(base, evaluate?.text ?? text ?? '')
  const data = readWindows(evaluated, setting)
  const inside = network.format === 'gguf' && setting.tokenizer.file === network.tokenizer?.file
  const files = inside ? [evaluated] : [evaluated, setting.tokenizer.file]
  let parts: { calibrate: DataPart; evaluate: DataPart }
  let split: string
  if (text !== undefined) {
    const cut = splitSamples(data.windows.length, description.split, all, file)
    notices.push(...cut.notices)
    split = cut.words
    parts = {
      calibrate: textPart(evaluated, data, cut.calibrate, setting),
      evaluate: textPart(evaluated, data, cut.evaluate, setting),
    }
  } else {
    const evaluatePart = textPart(evaluated, data, every(data), setting)
    parts = { evaluate: evaluatePart, calibrate: emptyPart }
    split = 'evaluation only: no calibration part is described'
    if (calibrate) {
      const path = resolve(base, calibrate.text)
      const other = readWindows(path, setting)
      files.push(path)
      parts.calibrate = textPart(path, other, every(other), setting)
      split = 'two parts, as described'
      checkDisjoint(parts.calibrate, parts.evaluate, file)
    }
  }
  return {
    path: file,
    kind: 'text',
    ...parts,
    unit: `windows of ${setting.context} tokens`,
    split,
    details: {
      documents: String(data.documents),
      tokens: String(data.tokens.length),
      predicted: String(predicted(data, setting)),
      context: String(setting.context),
      begin: setting.frame?.before.join(' ') || String(setting.begin ?? 'none'),
      tokenizer: basename(setting.tokenizer.file),
    },
    notices,
    fingerprint: fingerprint(
      [
        description,
        all,
        setting.context,
        setting.begin,
        ...(inside ? [network.fingerprint] : []),
        ...(setting.frame ? [setting.frame] : []),
      ],
      files,
    ),
  }
}
