// Tokens of a GGUF file's own vocabulary, by Lathe and by llama.cpp (node-llama-cpp), on a text.
//   node test/bench/gguf-tokenize.ts MODEL.gguf TEXT [SEPARATOR]
import { readFileSync } from 'node:fs'
import { getLlama } from 'node-llama-cpp'
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import { tokenizerFrom } from '../../src-main/engine/data/text/tokenizer.ts'

const [model = '', text = '', separator] = process.argv.slice(2)
const network = openNetwork(model)
const own = network.tokenizer
if (!own) throw new Error(`${model} has no vocabulary`)
const tokenizer = tokenizerFrom(own.read(), own.file)
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: 'error' as never })
const theirs = await llama.loadModel({ modelPath: model, gpuLayers: 0, vocabOnly: true })
const whole = readFileSync(text, 'utf8')
let [pieces, tokens, differing] = [0, 0, 0]
for (const piece of separator === undefined ? [whole] : whole.split(separator)) {
  const mine = tokenizer.encode(piece, 'a piece')
  const other: number[] = theirs.tokenize(piece, false)
  pieces++
  tokens += mine.length
  if (mine.length === other.length && mine.every((id, i) => id === other[i])) continue
  differing++
  const at = mine.findIndex((id, i) => id !== other[i])
  console.log(
    `piece ${pieces}: token ${at}: ${mine.slice(at, at + 8).join(' ')} | ${other.slice(at, at + 8).join(' ')}`,
  )
}
console.log(`${pieces} pieces, ${tokens} tokens, ${differing} pieces differ`)
await llama.dispose()
network.source.close()
