// What names say. Exporters write the module path either into the weight ('model.layers.3.mlp.up_proj.weight') or, where
// folding gave the weight a number ('onnx::MatMul_596'), into the node ('/blocks.0/mlp/fc1/MatMul').
import type { Role } from '../../../src-preload/contract/model.ts'

const anonymous = /^(onnx::|_?val_|const|tensor|t\d|w\d|_v_|\/|#|\d)/i
const parameter =
  /^(weight|bias|gamma|beta|kernel|scale|w|r|b|running_mean|running_var|moving_mean|moving_variance|mean|var|(weight|bias)_(ih|hh|g|v)(_l\d+)?(_reverse)?)$/i

/** Module path of a weight by its own name; empty where the name says nothing. */
export function pathOfWeight(name: string): string[] {
  if (anonymous.test(name)) return []
  const parts = split(name)
  while (parts.length > 0 && parameter.test(parts.at(-1) ?? '')) parts.pop()
  return parts
}

/** Module path of a node by its name, or by the value it makes. */
export function pathOfNode(name: string, output: string, op: string): string[] {
  const parts = split(name || output.replace(/_output_\d+$/, ''))
  const last = parts.at(-1) ?? ''
  const isOperator = last.toLowerCase().startsWith(op.toLowerCase()) && /^[a-z]+(_\d+)*$/i.test(last)
  return isOperator || /^\d+$/.test(parts.join('')) ? parts.slice(0, -1) : parts
}

// '/layer1/layer1.0/conv1/Conv': a level repeats the one above it.
function split(name: string): string[] {
  const levels = name.split('/').filter((level) => level !== '')
  const own = levels.filter((level, i) => !(levels[i + 1] ?? '').startsWith(`${level}.`))
  return own
    .join('.')
    .split('.')
    .filter((part) => part !== '')
}

/** Part of a module path that numbers a repeated block: 'model.layers.3' of 'model.layers.3.mlp.up_proj'; '' for none. */
export function blockOf(path: readonly string[]): string {
  const parents = path.slice(0, -1)
  const numbered = parents.findLastIndex((part) => /^\d+$/.test(part))
  const end = numbered >= 0 ? numbered : parents.findLastIndex((part) => /\d/.test(part))
  return parents.slice(0, end + 1).join('.')
}

// Tried in order on the lower-case module path.
const roleNames: [Role, RegExp][] = [
  ['qkv', /(^|[._])(w?qkv|qkv_proj|c_attn|in_proj(_weight)?|query_key_value)$/],
  ['q', /(^|[._])(q|w?q_?proj|query|query_proj|to_q|wq|q_lin|q_linear|attn_q)$/],
  ['k', /(^|[._])(k|w?k_?proj|key|key_proj|to_k|wk|k_lin|k_linear|attn_k)$/],
  ['v', /(^|[._])(v|w?v_?proj|value|value_proj|to_v|wv|v_lin|v_linear|attn_v)$/],
  [
    'down',
    /(^|[._])(down_proj|fc2|w2|lin2|linear2|fc_out|dense_4h_to_h|ffn_output|densereludense\.wo|mlp\.c_proj|mlp\.3)$/,
  ],
  ['o', /(^|[._])(o_proj|out_proj|to_out(\.0)?|wo|attn_output|out_lin|o)$/],
  ['o', /(^|[._])(attention\.output\.dense|(self_)?attention\.dense|attn\.(c_)?proj)$|(^|\.)proj$/],
  ['gate', /(^|[._])(gate_proj|w1|wi_0|ffn_gate)$/],
  [
    'up',
    /(^|[._])(up_proj|gate_up_proj|fc1|c_fc|w3|wi(_1)?|lin1|linear1|fc_in|dense_h_to_4h|intermediate\.dense|mlp\.0)$/,
  ],
  ['down', /(^|[._])output\.dense$/],
  ['head', /(^|[._])(lm_head|head|classifier|score|logits|qa_outputs|predictions\.decoder)$/],
]

/** Role that a module path names; null where it names none. */
export function roleOfPath(path: readonly string[]): Role | null {
  const text = path.slice(-3).join('.').toLowerCase()
  return roleNames.find(([, pattern]) => pattern.test(text))?.[0] ?? null
}

export const namesNorm = (text: string): boolean =>
  /(^|[._/])(\w*norm\w*|ln(_?\w{1,5})?|bn\d*|gamma|beta)([._/]|$)/i.test(text)
export const namesBias = (text: string): boolean => /(^|[._/])\w*bias\w*$/i.test(text)
