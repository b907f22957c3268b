// Every global a pickle may name, exactly by module and name; a subclass, an attribute or an alias of one is another name
// and refused. What torch.save writes for tensors, and a few classes that training loops leave beside them, which are
// never made: they stay names.
//   torch/_weights_only_unpickler.py (the allow-list of torch.load), torch/_utils.py (what the rebuild functions take).
import type { DataType } from '../../graph/ir.ts'
import { type GlobalKind, PickleGlobal } from './values.ts'

const storages: readonly (readonly [string, DataType | null])[] = [
  ['FloatStorage', 'float32'],
  ['DoubleStorage', 'float64'],
  ['HalfStorage', 'float16'],
  ['BFloat16Storage', 'bfloat16'],
  ['LongStorage', 'int64'],
  ['IntStorage', 'int32'],
  ['ShortStorage', 'int16'],
  ['CharStorage', 'int8'],
  ['ByteStorage', 'uint8'],
  ['BoolStorage', 'bool'],
  ['ComplexFloatStorage', 'complex64'],
  ['ComplexDoubleStorage', 'complex128'],
  ['UntypedStorage', null],
  // Of quantized tensors, which are not read; their storages must still add up.
  ['QInt8Storage', 'int8'],
  ['QUInt8Storage', 'uint8'],
  ['QInt32Storage', 'int32'],
]

const dtypes: readonly (readonly [string, DataType | null])[] = [
  ['float32', 'float32'],
  ['float', 'float32'],
  ['float64', 'float64'],
  ['double', 'float64'],
  ['float16', 'float16'],
  ['half', 'float16'],
  ['bfloat16', 'bfloat16'],
  ['int64', 'int64'],
  ['long', 'int64'],
  ['int32', 'int32'],
  ['int', 'int32'],
  ['int16', 'int16'],
  ['short', 'int16'],
  ['int8', 'int8'],
  ['uint8', 'uint8'],
  ['uint16', 'uint16'],
  ['uint32', 'uint32'],
  ['uint64', 'uint64'],
  ['bool', 'bool'],
  ['complex64', 'complex64'],
  ['complex128', 'complex128'],
  ['float8_e4m3fn', 'float8e4m3fn'],
  ['float8_e4m3fnuz', 'float8e4m3fnuz'],
  ['float8_e5m2', 'float8e5m2'],
  ['float8_e5m2fnuz', 'float8e5m2fnuz'],
  ['float8_e8m0fnu', 'float8e8m0'],
  ['complex32', null],
  ['quint8', null],
  ['qint8', null],
  ['qint32', null],
  ['quint4x2', null],
]

const rebuilds = [
  'torch._utils._rebuild_tensor',
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_tensor_v3',
  'torch._utils._rebuild_parameter',
  'torch._utils._rebuild_parameter_with_state',
  'torch._tensor._rebuild_from_type_v2',
  'torch.nn.parameter.Parameter',
  'torch.nn.parameter.Buffer',
]

const unreadable = [
  'torch._utils._rebuild_sparse_tensor',
  'torch._utils._rebuild_sparse_csr_tensor',
  'torch._utils._rebuild_qtensor',
  'torch._utils._rebuild_meta_tensor_no_storage',
  'torch._utils._rebuild_nested_tensor',
]

const builtins = (names: readonly string[]) => names.flatMap((name) => [`builtins.${name}`, `__builtin__.${name}`])

const inert = [
  'torch.Tensor',
  'torch.device',
  'torch.serialization._get_layout',
  'torch.torch_version.TorchVersion',
  'torch.per_tensor_affine',
  'torch.per_channel_affine',
  'torch.per_channel_affine_float_qparams',
  'numpy.core.multiarray.scalar',
  'numpy._core.multiarray.scalar',
  'numpy.core.multiarray._reconstruct',
  'numpy._core.multiarray._reconstruct',
  'numpy.ndarray',
  'numpy.dtype',
  '_codecs.encode',
  'copyreg._reconstructor',
  'copy_reg._reconstructor',
  'argparse.Namespace',
  'datetime.datetime',
  'datetime.timedelta',
  'pathlib.PosixPath',
  'pathlib.PurePosixPath',
  'pathlib.WindowsPath',
  'pathlib._local.PosixPath',
  'pathlib._local.WindowsPath',
  ...builtins(['object', 'int', 'float', 'bool', 'str', 'bytes', 'bytearray', 'complex', 'slice', 'range']),
]

const dicts = [
  'collections.OrderedDict',
  'collections.defaultdict',
  'collections.Counter',
  'pytorch_lightning.utilities.parsing.AttributeDict',
  'lightning.fabric.utilities.data.AttributeDict',
  'lightning_fabric.utilities.data.AttributeDict',
  'lightning.pytorch.utilities.parsing.AttributeDict',
  ...builtins(['dict']),
]

const named = (kind: GlobalKind, names: readonly string[]) => names.map((name) => new PickleGlobal(name, kind))

const allowed: ReadonlyMap<string, PickleGlobal> = new Map(
  [
    ...storages.flatMap(([name, dtype]) =>
      ['torch', 'torch.cuda', 'torch.storage'].map((module) => new PickleGlobal(`${module}.${name}`, 'storage', dtype)),
    ),
    new PickleGlobal('torch.storage.TypedStorage', 'storage', null),
    ...dtypes.map(([name, dtype]) => new PickleGlobal(`torch.${name}`, 'dtype', dtype)),
    ...named('rebuild', rebuilds),
    ...named('unreadable', unreadable),
    ...named('dict', dicts),
    ...named('list', builtins(['list', 'set', 'frozenset'])),
    ...named('tuple', ['torch.Size', ...builtins(['tuple'])]),
    ...named('inert', inert),
  ].map((global) => [global.name, global]),
)

/** The global of that module and name, or null where a pickle may not name it. */
export function allowedGlobal(module: string, name: string): PickleGlobal | null {
  // 'a.b' + 'c' and 'a' + 'b.c' are different things to Python.
  if (name.includes('.')) return null
  return allowed.get(`${module}.${name}`) ?? null
}

/** What to do about a global that is refused. */
export function hintFor(module: string): string {
  const convert = 'load it where you trust it and save it as safetensors (safetensors.torch.save_file)'
  return /^(torch\.nn\.|torchvision\.|timm\.|transformers\.|ultralytics\.|models?\b|__main__)/.test(module)
    ? `The file holds a whole model object, which only its own Python code can load. Save model.state_dict() instead, or ${convert}.`
    : `A pickle that names code can run it. Nothing was run. If you need this checkpoint, ${convert}.`
}
