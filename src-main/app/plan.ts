import type { Handlers } from '../../src-preload/contract/server.ts'
import type { AppContext } from './context.ts'
import { followOf } from './follow.ts'
import { planModel } from './plan-model.ts'
import { planFor } from './solve.ts'

export const planHandlers = (context: AppContext): Pick<Handlers, 'plan.solve' | 'plan.follow'> => ({
  'plan.solve': async ({ project, ...request }) =>
    planFor(await planModel(context, context.projects.get(project)), request),
  'plan.follow': async ({ project, ...kept }) =>
    followOf(await planModel(context, context.projects.get(project)), kept),
})
