import { readFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { frontAxes } from '../../src-preload/contract/front-axis.ts'
import { compress } from './verbs/compress.ts'
import { convert } from './verbs/convert.ts'
import { demo } from './verbs/demo.ts'
import { doctor } from './verbs/doctor.ts'
import { evaluate } from './verbs/evaluate.ts'
import { front } from './verbs/front.ts'
import { imatrix } from './verbs/imatrix.ts'
import { inspect } from './verbs/inspect.ts'
import { methods } from './verbs/methods.ts'
import { plan } from './verbs/plan.ts'
import { projectCreate, projectList, projectShow } from './verbs/project.ts'
import { refine } from './verbs/refine.ts'
import { run } from './verbs/run.ts'
import { score } from './verbs/score.ts'
import { serve } from './verbs/serve.ts'
import { shootout } from './verbs/shootout.ts'

const version = (): string => {
  const document: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return (document as { version: string }).version
}

const number = (least: number, most: number) => (words: string) => {
  const value = Number(words)
  if (words.trim() === '' || !Number.isFinite(value) || value < least || value > most)
    throw new InvalidArgumentError(`expected a number from ${least} to ${most}`)
  return value
}

const whole = (least: number, most: number) => (words: string) => {
  const value = number(least, most)(words)
  if (!Number.isInteger(value)) throw new InvalidArgumentError('expected a whole number')
  return value
}

const narrowest = 1
const widest = 16

/** `2..8` -> [2, 8]; `3` -> [3, 3]. */
export function parseRange(words: string): [number, number] {
  const match = /^(\d+(?:\.\d+)?)(?:\.\.(\d+(?:\.\d+)?))?$/.exec(words)
  const low = Number(match?.[1])
  const high = Number(match?.[2] ?? match?.[1])
  if (!match || low < narrowest || high > widest || low > high)
    throw new InvalidArgumentError('expected a range such as 2..8')
  return [low, high]
}

const bits = number(narrowest, 32)
const formatHelp = 'export format to plan for (default: the project’s, first the one that fits; see lathe methods)'
const allocatorHelp = 'who chooses (see lathe methods; default: the exact one that knows all that is asked)'
const collect = (pair: string, before: string[] = []): string[] => [...before, pair]
const data = '--data <path>'
const dataHelp = 'data description (data.yaml), a text file or a folder of images'

/** Options every verb takes. */
const common = (command: Command): Command =>
  command
    .option('--json', 'one JSON document on standard output; words go to standard error')
    .option('--quiet', 'no progress, no notes')
    .option('--project <folder>', 'work in this project instead of the checkpoint’s scratch project')
    .option('--home <folder>', 'where Lathe keeps its own files (default: LATHE_HOME or the user’s data folder)')
    .addOption(new Option('--device <id>', 'where to run').choices(['cpu', 'webgpu', 'cuda', 'dml', 'coreml']))
    .addOption(new Option('--split <how>', 'none: evaluate on all samples').choices(['auto', 'none']))

/** How weights are rounded, and what is done to the network before. */
const methodOptions = (command: Command): Command =>
  command
    .option('--quantizer <id>', 'gptq, rsq, … (see lathe methods), parameters as gptq:actOrder=true; default: nearest')
    .option('--prepare <id>', 'rewriting before rounding, parameters likewise; again for more, none for none', collect)
    .option('--lever <id>', 'a sparsifier, a factorizer or remove-blocks:most=2 beside bits; again for more', collect)
    .option('--samples <n>', 'calibration samples of methods that need them', whole(1, 1_000_000))

export function buildProgram(): Command {
  const program = new Command('lathe')
    .description('A workbench that makes neural networks smaller.')
    .version(version())
    .showHelpAfterError('(lathe --help lists everything)')
    .exitOverride()
    .enablePositionalOptions()
    .hook('preAction', (root, action) => {
      // What stands before the verb holds for it, unless it says otherwise itself.
      for (const [name, value] of Object.entries(root.opts()))
        if (action.getOptionValue(name) === undefined) action.setOptionValue(name, value)
    })
  common(program)
  const verb = (signature: string, description: string) =>
    common(program.command(signature).description(description).exitOverride())

  const methodVerb = (signature: string, description: string) => methodOptions(verb(signature, description))

  verb('inspect <model>', 'what is in a checkpoint: family, blocks, layers').action(inspect)
  verb('evaluate <model>', 'measure a checkpoint on data, alone or against another')
    .requiredOption(data, dataHelp)
    .option('--against <model>', 'compare with this checkpoint (KL divergence, agreement)')
    .action(evaluate)
  verb('score <model>', 'how much each layer matters')
    .option(data, dataHelp)
    .option(
      '--method <id>',
      'see lathe methods; parameters as luq:clusters=64; again for more; all: all that fit',
      collect,
    )
    .option('--map', 'print the tables a score makes beside its values')
    .option('--xray <layer>', 'channels, spectrum and inputs of a layer, or of the one whose name holds these words')
    .action(score)
  methodVerb('plan <model>', 'choose bits per layer under a budget')
    .option(data, dataHelp)
    .option('--bits <average>', 'budget: as many bytes as this width for all layers', bits)
    .option('--bytes <size>', 'budget: size of the exported file in bytes', number(1, Number.MAX_SAFE_INTEGER))
    .option('--loss <nats>', 'budget: the smallest file with at most this predicted KL divergence', number(0, 1e9))
    .option('--lose <percent>', 'budget: the smallest file that loses at most so much of its accuracy', number(0, 100))
    .option('--per-second <n>', 'budget: at least so many samples or tokens a second here', number(0, 1e12))
    .option(
      '--memory <bytes>',
      'budget: weights, cache and activations fit in this',
      number(1, Number.MAX_SAFE_INTEGER),
    )
    .option('--context <tokens>', 'with --memory: length of the context', whole(1, 100_000_000))
    .option('--floor <layer=bits>', 'at least so many bits where a name holds this; again for more', collect)
    .option('--ceiling <layer=bits>', 'at most so many bits, likewise', collect)
    .option('--alike <part>', 'layers whose names hold this get the same option; again for more', collect)
    .option('--keep-block <n>', 'this block is not removed; again for more', collect)
    .option('--only <levers>', 'draw on these alone: bits, sparsity, rank, depth, with commas between')
    .option('--max-loss <nats>', 'refuse a plan with more predicted KL divergence', number(0, 1e9))
    .option('--uniform', 'one width for all layers')
    .option('--allocator <id>', allocatorHelp)
    .option('--format <id>', formatHelp)
    .option('--out <file>', 'write the recipe here')
    .action(plan)
  verb('run <model>', 'carry out a recipe; started again, it goes on where it stopped')
    .requiredOption('--recipe <file>', 'from lathe plan')
    .option(data, dataHelp)
    .requiredOption('--out <folder>', 'folder for the exported variant and its report')
    .option('--format <id>', 'export format (default: the one the recipe was planned for)')
    .option('--param <key=value>', 'parameter of the export format; again for more', collect)
    .option('--overwrite', 'replace what is there')
    .option('--no-evaluate', 'do not measure the result')
    .action(run)
  methodVerb('front <model>', 'predicted and measured accuracy against size')
    .requiredOption(data, dataHelp)
    .option('--bits <range>', 'range of average bits', parseRange, [2, 8] as [number, number])
    .option('--points <n>', 'measured plans', whole(1, 64), 6)
    .option('--no-uniform', 'leave the uniform widths out')
    .option('--format <id>', formatHelp)
    .option('--suggest', 'measure where it tells most, instead of evenly over --bits')
    .option('--minutes <n>', 'begin no further plan after so many minutes', number(0.01, 1_000_000))
    .addOption(new Option('--x <axis>', 'what the chart is drawn against').choices(frontAxes).default('size'))
    .option('--html <file>', 'write a page with the chart, its tables and where the numbers come from')
    .option('--svg <file>', 'write the chart')
    .option('--csv <file>', 'write all points')
    .action(front)
  methodVerb('compress <model>', 'plan, run, evaluate and export in one')
    .requiredOption(data, dataHelp)
    .option('--bits <average>', 'budget: as many bytes as this width for all layers', bits)
    .option('--lose <percent>', 'or: the smallest that is measured to lose at most so much', number(0.001, 100))
    .option('--uniform', 'one width for all layers')
    .option('--allocator <id>', allocatorHelp)
    .option('--format <id>', formatHelp)
    .option('--param <key=value>', 'parameter of the export format; again for more', collect)
    .requiredOption('--out <path>', 'file or folder to write')
    .option('--overwrite', 'replace what is there')
    .option('--no-evaluate', 'do not measure the result')
    .action(compress)
  verb('convert <model>', 'write a checkpoint in another format, without a plan')
    .requiredOption('--to <format>', 'gguf, onnx, … (see lathe methods)')
    .requiredOption('--out <path>', 'file or folder to write')
    .option('--type <type>', 'what the weights become: Q4_K, int8, … (the same as --param type=…)')
    .option('--param <key=value>', 'parameter of the format; again for more', collect)
    .option('--imatrix <file>', 'weigh the rounding by this llama.cpp imatrix file')
    .option(data, 'or by importance measured on this data')
    .option('--overwrite', 'replace what is there')
    .action(convert)
  methodVerb('refine <file>', 'the same GGUF file with better codes: types and size stay')
    .requiredOption('--original <model>', 'the checkpoint it was made from')
    .requiredOption(data, dataHelp)
    .requiredOption('--out <file>', 'file to write')
    .option('--overwrite', 'replace what is there')
    .option('--no-evaluate', 'do not measure the result')
    .action(refine)
  verb('imatrix <model>', 'measure how much each input channel matters, as llama.cpp’s imatrix file')
    .requiredOption(data, dataHelp)
    .requiredOption('--out <file>', 'file to write')
    .option('--overwrite', 'replace what is there')
    .action(imatrix)
  verb('shootout <model>', 'every quantizer and width on one layer: bits a weight against error')
    .requiredOption('--layer <name>', 'the layer, or a part of its name that fits no other')
    .option(data, dataHelp)
    .option('--methods <ids>', 'only these quantizers, such as rtn,ggml (see lathe methods)', (ids: string) =>
      ids.split(','),
    )
    .action(shootout)
  verb('methods', 'every score, quantizer, allocator, evaluator and exporter').action(methods)
  verb('demo', 'the main job on the two samples, in under a minute')
    .option('--out <folder>', 'keep the exports here')
    .action(demo)
  verb('doctor', 'what this machine can run on, and how fast')
    .option('--no-measure', 'list only')
    .option('--install-cuda', 'fetch the CUDA parts of ONNX Runtime (needs the network)')
    .action(doctor)
  verb('serve', 'the window in a browser, on this machine only')
    .option('--port <n>', 'port (default: any free one)', whole(0, 65_535), 0)
    .option('--no-open', 'do not open a browser')
    .action(serve)
  const project = program.command('project').description('projects on this machine').exitOverride()
  common(project.command('list').description('recent projects').exitOverride()).action(projectList)
  common(project.command('create <model>').description('a new project in --project, or in Lathe’s home').exitOverride())
    .option(data, dataHelp)
    .action(projectCreate)
  common(project.command('show <folder>').description('everything in a project').exitOverride()).action(projectShow)
  return program
}
