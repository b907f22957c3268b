// Top-1 of an exported classifier with nothing but onnxruntime-node:
//   node test/helpers/plain-top1.mjs model.onnx images_u8.npy labels.npy 123.675,116.28,103.53 58.395,57.12,57.375
import { readFileSync } from 'node:fs'
import { InferenceSession, Tensor } from 'onnxruntime-node'

const [model, imagesFile, labelsFile, means, scales] = process.argv.slice(2)
const npy = (file) => {
  const bytes = readFileSync(file)
  const start = 10 + bytes.readUInt16LE(8)
  const header = bytes.toString('latin1', 10, start)
  const shape = header
    .match(/'shape': \(([^)]*)\)/)[1]
    .split(',')
    .filter((part) => part.trim())
    .map(Number)
  return { shape, type: header.match(/'descr': '(..\d)'/)[1], data: bytes.subarray(start) }
}
const images = npy(imagesFile)
const labels = npy(labelsFile)
const label = (i) =>
  labels.type.endsWith('8')
    ? Number(labels.data.readBigInt64LE(i * 8))
    : labels.type.endsWith('4')
      ? labels.data.readInt32LE(i * 4)
      : labels.data[i]
const mean = means.split(',').map(Number)
const scale = scales.split(',').map(Number)
const [count, channels, height, width] = images.shape
const plane = height * width
const session = await InferenceSession.create(model)
let hits = 0
for (let begin = 0; begin < count; begin += 100) {
  const size = Math.min(100, count - begin)
  const x = new Float32Array(size * channels * plane)
  for (let i = 0; i < x.length; i++) {
    const c = Math.floor(i / plane) % channels
    x[i] = (images.data[begin * channels * plane + i] - mean[c]) / scale[c]
  }
  const output = await session.run({
    [session.inputNames[0]]: new Tensor('float32', x, [size, channels, height, width]),
  })
  const { data, dims } = output[session.outputNames[0]]
  for (let n = 0; n < size; n++) {
    const row = data.subarray(n * dims[1], (n + 1) * dims[1])
    if (row.indexOf(Math.max(...row)) === label(begin + n)) hits++
  }
}
console.log(JSON.stringify({ samples: count, top1: hits / count }))
