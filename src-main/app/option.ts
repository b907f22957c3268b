import type { Handlers } from '../../src-preload/contract/server.ts'
import type { AppContext } from './context.ts'
import { planModel } from './plan-model.ts'
import { readLosses } from './losses.ts'
import { plainOption } from './solve.ts'

export const optionHandlers = (context: AppContext): Pick<Handlers, 'option.list'> => ({
  'option.list': async ({ project }) => {
    const open = context.projects.get(project)
    const model = await planModel(context, open)
    const losses = readLosses(open, model.subject)
    return model.layers.map((layer) => ({
      name: layer.name,
      options: layer.options.map((option) => {
        const cost = losses.of(layer.name, option)
        return { ...plainOption(option), bytes: option.bytes, loss: cost.measured ? cost.loss : null }
      }),
    }))
  },
})
