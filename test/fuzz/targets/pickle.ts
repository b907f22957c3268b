import { Cursor } from '../../../src-main/engine/checkpoint/pytorch/cursor.ts'
import { storageOf } from '../../../src-main/engine/checkpoint/pytorch/persistent.ts'
import { readPickle } from '../../../src-main/engine/checkpoint/pytorch/pickle.ts'
import { stateDictOf } from '../../../src-main/engine/checkpoint/pytorch/state-dict.ts'
import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import {
  dict,
  global,
  int,
  legacyDict,
  pickle,
  protocol2,
  put,
  stateDict,
  tensor,
  text,
  tuple,
} from '../../corpus/pickle.ts'
import type { FuzzTarget } from '../target.ts'

const training = pickle(
  protocol2,
  dict(
    [text('epoch'), int(3)],
    [
      text('state_dict'),
      `${global('collections', 'OrderedDict')})R${put(3)}(${text('w')}${tensor()}${text('b')}${tensor({ shape: [6], strides: [1] })}u}b`,
    ],
    [text('args'), `${global('argparse', 'Namespace')})\x81}b`],
    [text('steps'), `](K\x01G\x3f\xf0\0\0\0\0\0\0N\x88e`],
  ),
  '.',
)
const protocol4 = pickle(
  '\x80\x04\x95\x40\0\0\0\0\0\0\0}\x94(\x8c\x01w\x94\x8c\x0ctorch._utils\x94\x8c\x12_rebuild_tensor_v2\x94\x93\x94(',
  `(\x8c\x07storage\x94\x8c\x05torch\x94\x8c\x0cFloatStorage\x94\x93\x94\x8c\x010\x94\x8c\x03cpu\x94K\x06t\x94Q`,
  'K\0K\x02K\x03\x86\x94K\x03K\x01\x86\x94\x89\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94t\x94R\x94u.',
)
const protocol0 = pickle("(dp0\nS'a'\np1\n(lp2\nI1\naI01\naF2.5\naVx\\u00e9\naL5L\nas.")

/** The stack machine and what is made of its result; storages are whatever the program says. */
export const pickles: FuzzTarget = {
  name: 'pickle',
  seeds: () => [stateDict(), legacyDict(), training, protocol4, protocol0],
  run(bytes) {
    const cursor = new Cursor(bytesRange(bytes, 'fuzz.pkl'))
    const length = bytes.length % 2 === 0 ? 5 : 6
    stateDictOf(
      readPickle(cursor, (id, machine) => storageOf(id, machine, length)),
      'fuzz.pkl',
    )
  },
  dictionary: [
    ...'()tRbcoieaudlsgphjqrQP0123.',
    ...['\x80', '\x81', '\x85', '\x86', '\x87', '\x8c', '\x8f', '\x90', '\x91', '\x92', '\x93', '\x94', '\x95'],
    ...[
      global('torch', 'FloatStorage'),
      global('torch', 'Size'),
      global('os', 'system'),
      global('collections', 'OrderedDict'),
    ],
    ...[global('torch._utils', '_rebuild_parameter'), global('torch._tensor', '_rebuild_from_type_v2')],
    ...[global('torch._utils', '_rebuild_tensor_v3'), global('torch', 'float8_e4m3fn'), global('builtins', 'set')],
    ...[
      text('storage'),
      text('module'),
      text('state_dict'),
      int(2 ** 31 - 1),
      int(-1),
      int(2n ** 62n),
      put(5),
      tensor(),
    ],
    tuple(text('storage'), global('torch', 'UntypedStorage'), text('0'), text('cpu'), int(24)),
  ].map((word) => (typeof word === 'string' ? pickle(word) : word)),
}
