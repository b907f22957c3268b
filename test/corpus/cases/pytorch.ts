// Pickles that would run code, lie about their tensors or never end, alone and in the archives of torch.save.
import { resolve } from 'node:path'
import { readFileSync } from 'node:fs'
import {
  archive,
  type ArchiveParts,
  bytes8,
  dict,
  global,
  int,
  legacy,
  legacyDict,
  legacyStorage,
  long4,
  pickle,
  type Piece,
  protocol2,
  put,
  sixFloats,
  stateDict,
  storage,
  tensor,
  text,
  tuple,
} from '../pickle.ts'
import { canary } from './foreign.ts'
import { file, files, type Make } from './make.ts'

const torch = (parts: ArchiveParts = {}): Make => file('model.pt', () => archive(parts))
/** An archive around a program of these operations. */
const program = (...pieces: Piece[]): Make => torch({ program: pickle(protocol2, ...pieces) })
const command = `touch ${canary}`
const call = (module: string, name: string, ...args: string[]) => `${global(module, name)}${tuple(...args)}R.`
const repeated = (piece: string, times: number) => Buffer.alloc(piece.length * times, piece, 'latin1')
const golden = (name: string): Make =>
  file('model.pt', () => {
    const text = readFileSync(resolve('test/golden/pytorch_files.json'), 'utf8')
    const { cases } = JSON.parse(text) as { cases: { name: string; file: string }[] }
    return Buffer.from(cases.find((each) => each.name === name)?.file ?? '', 'base64')
  })
const attribute = (from: string, names: string) => `${text(from)}${text(names)}\x93`

export const pytorchCases: Record<string, Make> = {
  'PK00-good': torch(),
  'PK00-good-legacy': file('model.pth', () => legacy()),
  'PK01-archive-system': program(call('os', 'system', text(command))),
  'PK01-eval': program(call('builtins', 'eval', text(`__import__('os').system('${command}')`))),
  'PK01-exec-python2': program(call('__builtin__', 'exec', text('x'))),
  'PK01-pip': program(call('pip', 'main', `](${text('install')}${text('x')}e`)),
  'PK01-bottleneck': program(call('torch.utils.bottleneck.__main__', 'run_autograd_prof', text('x'), dict())),
  'PK01-getattr': program(call('builtins', 'getattr', global('torch', 'Size'), text('__class__'))),
  'PK01-import': program(call('importlib', 'import_module', text('os'))),
  'PK01-after-tensor': torch({
    program: pickle(
      protocol2,
      dict([text('w'), tensor()], [text('x'), `${global('subprocess', 'Popen')}${tuple(text(command))}R`]),
      '.',
    ),
  }),
  'PK01-legacy-system': file('model.pth', () =>
    legacy({ program: pickle(protocol2, call('posix', 'system', text(command))) }),
  ),
  'PK02-stack-global': program(`${text('o')}${put(0)}0${attribute('os', 'system')}${tuple(text(command))}R.`),
  'PK02-instance': program(`(${text(command)}ios\nsystem\n.`),
  'PK02-object': program(`(${global('os', 'system')}${text(command)}o.`),
  'PK02-newobj': program(`${global('os', 'system')}${tuple(text(command))}\x81.`),
  'PK02-newobj-ex': program(`${global('os', 'system')}${tuple(text(command))}}\x92.`),
  'PK02-extension': program('\x82\x01.'),
  'PK02-extension-wide': program('\x84\x01\x00\x00\x00.'),
  'PK02-persistent-text': program('Pstorage\n.'),
  'PK02-persistent-number': program('K\x05Q.'),
  'PK02-persistent-class': program(
    `${tuple(text('storage'), global('torch', 'Size'), text('0'), text('cpu'), int(6))}Q.`,
  ),
  'PK02-persistent-module': program(
    `${tuple(text('module'), global('torch', 'Size'), text('a.py'), text('print(1)'))}Q.`,
  ),
  'PK02-global-of-numbers': program('K\x01K\x02\x93.'),
  'PK02-call-of-text': program(`${text('print')})R.`),
  'PK02-buffer': program('\x97.'),
  'PK03-bytes-after-stop': torch({ program: pickle(stateDict(), 'x') }),
  'PK03-second-pickle': torch({ program: pickle(stateDict(), protocol2, call('os', 'system', text(command))) }),
  'PK03-unknown-operation': torch({ program: pickle(protocol2, dict([text('w'), tensor()]), '\xff.') }),
  'PK03-no-stop': program(dict([text('w'), tensor()])),
  'PK03-cut-off': torch({ program: stateDict().slice(0, 60) }),
  'PK03-left-on-stack': program('K\x01', dict([text('w'), tensor()]), '.'),
  'PK03-legacy-bytes-after': file('model.pth', () => legacy({ after: new Uint8Array(3) })),
  'PK03-legacy-cut-off': file('model.pth', () => legacy().slice(0, -1)),
  'PK04-archive-as-safetensors': file('model.safetensors', () => archive()),
  'PK04-plain-pickle': file('model.pt', pickle(protocol2, dict([text('w'), int(1)]), '.')),
  'PK04-protocol-9': torch({ program: pickle('\x80\x09', dict([text('w'), tensor()]), '.') }),
  'PK04-numpy-archive': file('model.pt', () =>
    archive({ program: new Uint8Array(), entry: { name: 'a.npy' }, storages: {} }),
  ),
  'PK05-load-from-bytes': program(call('torch.storage', '_load_from_bytes', text('x'))),
  'PK05-subclass': program(call('torch._utils', '_rebuild_tensor_v2x', text('x'))),
  'PK05-dotted': program(`${text('torch')}${text('_utils._rebuild_tensor_v2')}\x93)R.`),
  'PK05-module-attribute': program(`${text('torch')}${text('serialization')}\x93.`),
  'PK05-called-dtype': program(call('torch', 'float32', int(1))),
  'PK06-set-on-list': program(`]${text('a')}${text('b')}s.`),
  'PK06-set-on-tensor': program(`${tensor()}${text('a')}${text('b')}s.`),
  'PK06-build-on-storage': program(`${storage()}}b.`),
  'PK06-build-on-list': program(']}b.'),
  'PK06-append-to-dict': program('}K\x01a.'),
  'PK06-odd-items': program(`}(${text('a')}u.`),
  'PK06-stride-leaves-storage': torch({ program: stateDict({ strides: [4, 1] }) }),
  'PK06-offset-leaves-storage': torch({ program: stateDict({ offset: 1 }) }),
  'PK06-offset-huge': torch({ program: stateDict({ offset: 2n ** 62n }) }),
  'PK06-negative-stride': torch({ program: stateDict({ strides: [-3, 1] }) }),
  'PK06-negative-size': torch({ program: stateDict({ shape: [-2, 3] }) }),
  'PK06-size-overflow': torch({ program: stateDict({ shape: [2 ** 30, 2 ** 30], strides: [0, 0] }) }),
  'PK06-stride-zero-bomb': torch({ program: stateDict({ shape: [1 << 20, 1 << 10], strides: [0, 0] }) }),
  'PK06-strides-too-few': torch({ program: stateDict({ strides: [1] }) }),
  'PK06-rank-100': torch({
    program: stateDict({ shape: new Array<number>(100).fill(1), strides: new Array<number>(100).fill(1) }),
  }),
  'PK06-storage-shorter': torch({ storages: { 0: sixFloats.slice(0, 20) } }),
  'PK06-storage-missing': torch({ storages: {} }),
  'PK06-storage-above': torch({ program: stateDict({ key: '../version' }) }),
  'PK06-storage-negative': torch({ program: stateDict({ numel: -1 }) }),
  'PK06-storage-huge': torch({ program: stateDict({ numel: 2n ** 61n }) }),
  'PK06-storage-two-types': torch({
    program: pickle(protocol2, dict([text('w'), tensor()], [text('v'), tensor({ type: 'DoubleStorage' })]), '.'),
  }),
  'PK06-tensor-of-text': program(
    dict([text('w'), `${global('torch._utils', '_rebuild_tensor_v2')}${tuple(text('x'), int(0), ')', ')')}R`]),
    '.',
  ),
  'PK06-legacy-view-outside': file('model.pth', () =>
    legacy({ program: legacyDict(legacyStorage(tuple(text('v'), int(3), int(4))), [4], [1]) }),
  ),
  'PK06-legacy-key-twice': file('model.pth', () => legacy({ keys: ['0', '0'], data: [sixFloats, sixFloats] })),
  'PK06-legacy-key-missing': file('model.pth', () => legacy({ keys: [], data: [] })),
  'PK06-legacy-length': file('model.pth', () => legacy({ data: [sixFloats.slice(0, 16)] })),
  'PK07-memo-huge': program('N', put(2 ** 31), '.'),
  'PK07-memo-empty': program('h\x05.'),
  'PK07-long-2-gib': program(long4(2 ** 31 - 1), '.'),
  'PK07-long-wide': program(long4(4096), new Uint8Array(4096), '.'),
  'PK07-bytes-huge': program(bytes8(2n ** 62n), '.'),
  'PK07-text-huge': program('X\xff\xff\xff\x7f.'),
  'PK07-marks': program(repeated('(', 1_000_000), '.'),
  'PK07-tuples': program('N', repeated('\x85', 1_000_000), '.'),
  'PK07-lists': program(repeated(']', 3_000_000), '.'),
  'PK07-appended': program(']', repeated(']a', 3_000_000), '.'),
  'PK07-stack': program(repeated('N', 2_000_000), '.'),
  'PK07-steps': program('N', repeated('20', 11_000_000), '.'),
  'PK07-stack-empty': program('0.'),
  'PK07-mark-missing': program('t.'),
  'PK08-list-in-itself': program(dict([text('w'), tensor()], [text('self'), `]${put(9)}j\x09\0\0\0a`]), '.'),
  'PK08-dict-in-itself': program(`}${put(9)}(${text('w')}${tensor()}${text('self')}j\x09\0\0\0u.`),
  'PK08-dict-of-itself-only': program(`}${put(9)}(${text('self')}j\x09\0\0\0u.`),
  'PK08-doubling': program(
    `}${put(0)}0`,
    ...Array.from({ length: 40 }, (_, index) => {
      const before = `j${String.fromCharCode(index)}\0\0\0`
      return `}${put(index + 1)}(${text('a')}${before}${text('b')}${before}u${index < 39 ? '0' : ''}`
    }),
    '.',
  ),
  'PK09-torchscript': golden('torchscript'),
  'PK09-whole-module': golden('whole-module'),
  'PK09-legacy-whole-module': golden('whole-module-legacy'),
  'PK09-big-endian': torch({ more: [{ name: 'archive/byteorder', data: 'big' }] }),
  'PK09-little-endian': torch({ more: [{ name: 'archive/byteorder', data: 'little' }] }),
  'PK09-legacy-big-endian': file('model.pth', () => legacy({ little: false })),
  'PK11-no-tensors': program(dict([text('epoch'), int(3)]), '.'),
  'PK11-name-proto': torch({
    program: pickle(protocol2, dict([text('__proto__'), dict([text('polluted'), tensor()])]), '.'),
  }),
  'PK11-name-long': torch({ program: pickle(protocol2, dict([text('w'.repeat(5000)), tensor()]), '.') }),
  'PK12-folder': files({ 'config.json': '{"model_type":"unknown"}', 'pytorch_model.bin': archive() }),
  'PK12-folder-tensor-twice': files({
    'config.json': '{}',
    'pytorch_model-00001-of-00002.bin': archive(),
    'pytorch_model-00002-of-00002.bin': archive(),
  }),
  'PK12-folder-shard-missing': files({ 'config.json': '{}', 'pytorch_model-00001-of-00002.bin': archive() }),
  'PK12-folder-epochs': files({ 'epoch1.pt': archive(), 'epoch2.pt': archive() }),
}
