// Data descriptions and what they name, for the vision sample (images 3 x 32 x 32, ten classes) and the language sample.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { files, lfsPointer, type Make, noise } from './make.ts'
import { header, png, pngHeader } from './images.ts'

type Content = Record<string, string | Uint8Array>
/** Writes the files and names the description among them. */
const described =
  (yaml: string | Uint8Array, content: Content = {}, more?: (folder: string) => void): Make =>
  (folder) => {
    files({ 'data.yaml': yaml, ...content }, more)(folder)
    return join(folder, 'data.yaml')
  }

/** A .npy array; `descr`, `order` and `shape` as they stand in its header. */
function npy(
  descr: string,
  shape: string,
  data: Uint8Array,
  { order = 'False', version = 1, cut = 0 } = {},
): Uint8Array {
  const head = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`
  const bytes = Buffer.concat([Buffer.from(`\x93NUMPY\0\0\0\0${head}`, 'latin1'), data])
  bytes.set([version, 0], 6)
  bytes.writeUInt16LE(head.length, 8)
  return cut > 0 ? bytes.subarray(0, -cut) : bytes
}
const pixels = (count: number, side = 32, channels = 3) =>
  npy('|u1', `(${count}, ${channels}, ${side}, ${side})`, noise(count * channels * side * side))
const labels = (...values: number[]) =>
  npy('<i8', `(${values.length},)`, new Uint8Array(BigInt64Array.from(values, BigInt).buffer))

const onePart = 'kind: image-classification\nimages: i.npy\nlabels: l.npy\nsplit: { calibrate: 1 }\n'
const array = (images: Uint8Array, classes = labels(0, 1, 2, 3), more = ''): Make =>
  described(onePart + more, { 'i.npy': images, 'l.npy': classes })
const yaml = (text: string | Uint8Array): Make => described(text, { 'i.npy': pixels(4), 'l.npy': labels(0, 1, 2, 3) })
const preprocess = (steps: string): Make => yaml(`${onePart}preprocess: { ${steps} }\n`)

const folder = (content: Content, more = ''): Make =>
  described(`kind: image-classification\nimages: photos\nsplit: { calibrate: 1 }\n${more}`, content)
const good = png(32, 32)
const three = { 'photos/a.png': good, 'photos/b.png': good, 'photos/c.png': good }

const text = (content: string | Uint8Array, more = ''): Make =>
  described(`kind: text\ntext: t.txt\n${more}`, { 't.txt': content })
const words = 'The report says that all is well. '.repeat(60)
const aliases = [
  'a: &a [x, x, x, x, x, x, x, x, x]',
  ...'bcdefgh'
    .split('')
    .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(', ')}]`),
]

export const dataCases: Record<string, Make> = {
  'DA01-good-arrays': array(pixels(4)),
  'DA01-good-folder': folder(three),
  'DA01-good-text': text(words, 'context: 16\n'),
  'DA01-good-outside': (base) => {
    const inner = join(base, 'inner')
    mkdirSync(inner)
    writeFileSync(join(base, 'i.npy'), pixels(4))
    return described('kind: image-classification\nimages: ../i.npy\nsplit: { calibrate: 1 }\n')(inner)
  },
  'DA01-good-noise': described('kind: noise\nsamples: 8\nsplit: { calibrate: 2 }\n'),
  'DA02-array-missing': described(onePart, { 'l.npy': labels(0) }),
  'DA02-labels-missing': described(onePart, { 'i.npy': pixels(4) }),
  'DA02-array-empty': array(new Uint8Array()),
  'DA02-array-folder': described(onePart, { 'l.npy': labels(0) }, (base) => mkdirSync(join(base, 'i.npy'))),
  'DA02-array-device': described(onePart.replace('labels: l.npy', 'labels: /dev/zero'), { 'i.npy': pixels(4) }),
  'DA02-array-nul': described(onePart.replace('i.npy', '"a\\0b.npy"'), { 'l.npy': labels(0) }),
  'DA03-npy-magic': array(Buffer.from('\x92NUMPY\x01\0\x04\0{} \n', 'latin1')),
  'DA03-npy-lfs-pointer': array(Buffer.from(lfsPointer)),
  'DA03-npy-version': array(npy('|u1', '(4, 3, 32, 32)', noise(4 * 3072), { version: 9 })),
  'DA03-npy-header-corrupt': array(npy('|u1', '(4, 3, 32, 32', noise(4 * 3072))),
  'DA03-npy-header-code': array(npy('|u1', '__import__("os").system("true")', noise(16))),
  'DA03-npy-header-beyond-file': array(Buffer.from('\x93NUMPY\x01\0\xff\xff{}', 'latin1')),
  'DA03-npy-truncated': array(npy('|u1', '(4, 3, 32, 32)', noise(4 * 3072), { cut: 1 })),
  'DA03-npy-trailing': array(npy('|u1', '(4, 3, 32, 32)', noise(4 * 3072 + 1))),
  'DA03-npy-bomb': array(npy('|u1', '(1000000000, 3, 1000, 1000)', noise(16))),
  'DA03-npy-overflow': array(npy('|u1', `(${Array(8).fill('999999999999999').join(', ')})`, noise(16))),
  'DA03-npy-negative': array(npy('|u1', '(-4, 3, 32, 32)', noise(16))),
  'DA03-npy-rank': array(npy('|u1', '(1, 1, 1, 1, 1, 1, 1, 1, 1)', noise(1))),
  'DA03-npy-fortran': array(npy('|u1', '(4, 3, 32, 32)', noise(4 * 3072), { order: 'True' })),
  'DA03-npy-objects': array(npy('|O', '(4, 3, 32, 32)', noise(16))),
  'DA03-npy-big-endian': array(npy('>i8', '(4,)', noise(32))),
  'DA03-npy-whole-images': array(npy('<i8', '(1, 3, 2, 2)', noise(96))),
  'DA03-npy-no-images': array(npy('|u1', '(0, 3, 32, 32)', noise(0)), labels()),
  'DA03-npy-flat': array(npy('|u1', '(4, 3072)', noise(4 * 3072))),
  'DA03-npy-two-channels': array(pixels(4, 32, 2)),
  'DA03-npy-other-size': array(pixels(4, 16)),
  'DA03-npy-other-size-as-it-is': array(pixels(4, 16), labels(0, 1, 2, 3), 'preprocess: { scale: 255 }\n'),
  'DA04-label-too-large': array(pixels(4), labels(0, 1, 10, 2)),
  'DA04-label-negative': array(pixels(4), labels(0, 1, -1, 2)),
  'DA04-label-2-40': array(pixels(4), labels(0, 1, 2 ** 40, 2)),
  'DA04-label-offset': array(pixels(4), labels(0, 1, 9, 2), 'label-offset: 1\n'),
  'DA04-labels-too-few': array(pixels(4), labels(0, 1, 2)),
  'DA04-labels-floats': array(pixels(4), npy('<f4', '(4,)', noise(16))),
  'DA04-labels-rank': array(pixels(4), npy('<i8', '(2, 2)', new Uint8Array(32))),
  'DA05-yaml-empty': yaml(''),
  'DA05-yaml-list': yaml('- kind: text\n'),
  'DA05-yaml-unknown-key': yaml(`${onePart}colour: blue\n`),
  'DA05-yaml-unknown-inner-key': yaml(`${onePart}preprocess: { men: 3 }\n`),
  'DA05-yaml-unknown-kind': yaml('kind: audio\n'),
  'DA05-yaml-no-kind': yaml('images: i.npy\n'),
  'DA05-yaml-alias-bomb': yaml(`${aliases.join('\n')}\n`),
  'DA05-yaml-two-documents': yaml(`${onePart}---\nkind: text\n`),
  'DA05-yaml-key-twice': yaml(`${onePart}images: j.npy\n`),
  'DA05-yaml-tab': yaml('kind: text\n\ttext: t.txt\n'),
  'DA05-yaml-deep': yaml(`kind: ${'['.repeat(100_000)}`),
  'DA05-yaml-code': yaml('kind: !!js/function "function () { return 1 }"\n'),
  'DA05-yaml-proto': yaml(`${onePart}__proto__: { polluted: true }\n`),
  'DA05-yaml-not-utf8': yaml(Buffer.from([...Buffer.from('kind: te'), 0xff, 0xfe])),
  'DA05-yaml-huge': yaml(`# ${'x'.repeat(2 ** 20)}\n${onePart}`),
  'DA06-calibrate-all': yaml(onePart.replace('calibrate: 1', 'calibrate: 4')),
  'DA06-calibrate-more': yaml(onePart.replace('calibrate: 1', 'calibrate: 400')),
  'DA06-calibrate-none': yaml(onePart.replace('calibrate: 1', 'calibrate: 0')),
  'DA06-calibrate-half': yaml(onePart.replace('calibrate: 1', 'calibrate: 1.5')),
  'DA06-two-ways': yaml(`${onePart}evaluate: { images: i.npy }\n`),
  'DA06-no-images': yaml('kind: image-classification\n'),
  'DA06-same-part-twice': yaml(
    'kind: image-classification\nevaluate: { images: i.npy }\ncalibrate: { images: i.npy }\n',
  ),
  'DA07-gray': preprocess('channels: GRAY'),
  'DA07-two-means': preprocess('mean: [1, 2]'),
  'DA07-scale-zero': preprocess('scale: [1, 0, 1]'),
  'DA07-crop-too-large': preprocess('crop: 64'),
  'DA07-size-huge': preprocess('size: 100000'),
  'DA07-scale-not-a-number': preprocess('scale: .nan'),
  'DA08-folder-empty': described('kind: image-classification\nimages: photos\n', {}, (base) =>
    mkdirSync(join(base, 'photos')),
  ),
  'DA08-jpeg-corrupt': folder({ ...three, 'photos/b.jpg': Buffer.concat([header(32, 32), noise(200)]) }),
  'DA08-jpeg-empty': folder({ ...three, 'photos/b.jpg': new Uint8Array() }),
  'DA08-jpeg-text': folder({ ...three, 'photos/b.jpg': 'not an image' }),
  'DA08-png-truncated': folder({ ...three, 'photos/b.png': good.subarray(0, good.length - 30) }),
  'DA08-png-bomb': folder({ ...three, 'photos/b.png': pngHeader(100_000, 100_000) }),
  'DA08-png-zero': folder({ ...three, 'photos/b.png': pngHeader(0, 0) }),
  'DA08-png-other-size': folder({ ...three, 'photos/b.png': png(16, 16) }, 'preprocess: { scale: 255 }\n'),
  'DA09-table-empty': folder({ ...three, 'l.csv': '' }, 'labels: l.csv\n'),
  'DA09-table-columns': folder({ ...three, 'l.csv': 'name,class\na.png,0\n' }, 'labels: l.csv\n'),
  'DA09-table-quotes': folder({ ...three, 'l.csv': 'file,label\n"a.png,0\n' }, 'labels: l.csv\n'),
  'DA09-table-no-row': folder({ ...three, 'l.csv': 'file,label\na.png,0\nb.png,1\n' }, 'labels: l.csv\n'),
  'DA09-table-ghost': folder(
    { ...three, 'l.csv': 'file,label\na.png,0\nb.png,1\nc.png,2\nd.png,3\n' },
    'labels: l.csv\n',
  ),
  'DA09-table-twice': folder({ ...three, 'l.csv': 'file,label\na.png,0\na.png,1\n' }, 'labels: l.csv\n'),
  'DA09-table-word': folder({ ...three, 'l.csv': 'file,label\na.png,cat\n' }, 'labels: l.csv\n'),
  'DA09-table-range': folder({ ...three, 'l.csv': 'file,label\na.png,0\nb.png,10\nc.png,1\n' }, 'labels: l.csv\n'),
  'DA10-text-empty': text(''),
  'DA10-text-only-separators': text('<|end|>\n<|end|>', 'document-separator: "<|end|>"\n'),
  'DA10-text-one-window': text('The report.', 'context: 16\n'),
  'DA10-text-not-utf8': text(Buffer.concat([Buffer.from('The report'), Buffer.from([0xc0, 0xaf])])),
  'DA10-text-missing': described('kind: text\ntext: none.txt\n'),
  'DA10-text-folder': described('kind: text\ntext: .\n'),
  'DA10-text-device': described('kind: text\ntext: /dev/zero\n'),
  'DA10-text-context-one': text(words, 'context: 1\n'),
  'DA10-text-begin-beyond': text(words, 'context: 16\nbegin-token: 99999\n'),
  'DA10-text-no-tokenizer': text(words, 'tokenizer: none.json\n'),
  'DA10-text-both-parts-alike': described('kind: text\nevaluate: { text: t.txt }\ncalibrate: { text: t.txt }\n', {
    't.txt': words,
  }),
  'DA10-text-for-images': text(words),
  'DA10-images-for-text': array(pixels(4)),
  'DA10-bare-missing': (base) => join(base, 'nothing.txt'),
  'DA10-bare-text': (base) => {
    writeFileSync(join(base, 'bare.txt'), words)
    return join(base, 'bare.txt')
  },
  'DA11-noise-unknown-input': described('kind: noise\ninputs: { ghost: { shape: [1] } }\n'),
  'DA11-noise-bomb': described('kind: noise\ninputs: { image: { shape: [1000000000, 1000000000] } }\n'),
  'DA12-sample-vision': () => resolve('resources/samples/vision'),
  'DA12-sample-language': () => resolve('resources/samples/language/data.yaml'),
}
