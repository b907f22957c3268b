// The parts of onnx.proto that Lathe reads and writes: field number -> name, '[]' where the field repeats. Names appear
// in faults ('graph.node[3].attribute[0].t.raw_data'). Source: onnx/onnx.proto of ONNX 1.21, IR version 13.

export type Message = Readonly<Record<number, string>>

export const modelMessage: Message = {
  1: 'ir_version',
  2: 'producer_name',
  3: 'producer_version',
  4: 'domain',
  5: 'model_version',
  6: 'doc_string',
  7: 'graph',
  8: 'opset_import[]',
  14: 'metadata_props[]',
  20: 'training_info[]',
  25: 'functions[]',
}
export const opsetMessage: Message = { 1: 'domain', 2: 'version' }
export const entryMessage: Message = { 1: 'key', 2: 'value' }
export const functionMessage: Message = { 1: 'name', 9: 'opset_import[]', 10: 'domain' }
export const graphMessage: Message = {
  1: 'node[]',
  2: 'name',
  5: 'initializer[]',
  10: 'doc_string',
  11: 'input[]',
  12: 'output[]',
  13: 'value_info[]',
  14: 'quantization_annotation[]',
  15: 'sparse_initializer[]',
}
export const nodeMessage: Message = {
  1: 'input[]',
  2: 'output[]',
  3: 'name',
  4: 'op_type',
  5: 'attribute[]',
  6: 'doc_string',
  7: 'domain',
  8: 'overload',
}
export const attributeMessage: Message = {
  1: 'name',
  2: 'f',
  3: 'i',
  4: 's',
  5: 't',
  6: 'g',
  7: 'floats[]',
  8: 'ints[]',
  9: 'strings[]',
  10: 'tensors[]',
  11: 'graphs[]',
  13: 'doc_string',
  14: 'tp',
  15: 'type_protos[]',
  20: 'type',
  21: 'ref_attr_name',
  22: 'sparse_tensor',
  23: 'sparse_tensors[]',
}
export const tensorMessage: Message = {
  1: 'dims[]',
  2: 'data_type',
  3: 'segment',
  4: 'float_data[]',
  5: 'int32_data[]',
  6: 'string_data[]',
  7: 'int64_data[]',
  8: 'name',
  9: 'raw_data',
  10: 'double_data[]',
  11: 'uint64_data[]',
  12: 'doc_string',
  13: 'external_data[]',
  14: 'data_location',
}
export const valueMessage: Message = { 1: 'name', 2: 'type', 3: 'doc_string' }
export const typeMessage: Message = {
  1: 'tensor_type',
  4: 'sequence_type',
  5: 'map_type',
  6: 'denotation',
  8: 'sparse_tensor_type',
  9: 'optional_type',
}
export const tensorTypeMessage: Message = { 1: 'elem_type', 2: 'shape' }
export const shapeMessage: Message = { 1: 'dim[]' }
export const dimMessage: Message = { 1: 'dim_value', 2: 'dim_param', 3: 'denotation' }

/** AttributeProto.AttributeType. */
export const attributeTypes = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
} as const

/** What a file may cost before it is refused. Real models stay far below each of these. */
export const limits = {
  depth: 100, // nested messages
  nameBytes: 65_536,
  rank: 64,
  nodes: 2_000_000,
  initializers: 1_000_000,
  listItems: 1_048_576, // of one attribute
  inlineBytes: 64 * 1024 * 1024, // everything kept in memory besides names
  externalFiles: 65_536,
  irVersion: 13, // newest that the runtime in use loads
  opset: 26,
} as const
