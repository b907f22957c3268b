import { expect, test } from 'vitest'
import type { Problem } from '../../../src-main/engine/allocate/define.ts'
import { enumerate } from '../../../src-main/engine/allocate/enumerate.ref.ts'
import { totalsOf, within } from '../../../src-main/engine/allocate/limits.ts'
import { allocators } from '../../../src-main/engine/allocate/registry.ts'
import { describeMethod } from '../../../src-main/engine/method.ts'
import { choices } from './problems.ts'

const layers = [choices([[1, 2, 0.2], [3, 0, 0.1]]), choices([[2, 1, 0.1], [5, 0.5, 0.3]])] // prettier-ignore
const pairs = [{ a: 0, b: 1, rho: 0.5 }]

test.each(allocators.map((method) => [method.id, method] as const))(
  '%s describes itself, and takes into account what it says it knows',
  async (_, method) => {
    const described = describeMethod(method)
    expect(described).toMatchObject({ family: 'allocate', id: method.id })
    expect(described.cite.length * described.formula.length * described.cost.length).toBeGreaterThan(0)
    const knows = (...parts: (typeof method.knows)[number][]) => parts.every((part) => method.knows.includes(part))
    const problems: Problem[] = [{ layers, objective: 'loss', maxBytes: 5 }]
    if (knows('maxLoss')) problems.push({ layers, objective: 'loss', maxBytes: 6, maxLoss: 1 })
    if (knows('objective-bytes', 'maxLoss')) problems.push({ layers, objective: 'bytes', maxLoss: 1 })
    if (knows('maxSeconds')) problems.push({ layers, objective: 'loss', maxSeconds: 0.25 })
    if (knows('pairs')) problems.push({ layers, pairs, objective: 'loss', maxBytes: 6 })
    for (const problem of problems) {
      const answer = await method.solve(problem, method.params.parse({}))
      expect(answer).toMatchObject(totalsOf(problem, answer.choice))
      expect(within(answer, problem)).toBe(true)
      expect(answer[problem.objective]).toBeCloseTo(enumerate(problem)?.objective ?? NaN, 9)
    }
    const contradictory = knows('maxLoss') ? { maxBytes: 4, maxLoss: 0.1 } : { maxBytes: 2 }
    await expect(
      Promise.resolve().then(() =>
        method.solve({ layers, objective: 'loss', ...contradictory }, method.params.parse({})),
      ),
    ).rejects.toThrow(expect.objectContaining({ code: 'infeasible' }))
  },
)
