// The last line of `npm test`, from Vitest's JSON report.
import { z } from 'zod'

const reportSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number().default(0),
  numTodoTests: z.number().default(0),
  testResults: z.array(z.object({ status: z.string(), assertionResults: z.array(z.object({ status: z.string() })) })),
})

/** 'N passed, N failed[, N skipped]'. A file that could not be run counts as one failure; so does a run that failed as a whole. */
export function tally(report: string | null, exitCode: number): string {
  const parsed = report === null ? null : reportSchema.safeParse(JSON.parse(report))
  if (!parsed?.success) return '0 passed, 1 failed'
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = parsed.data
  const brokenFiles = testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed'),
  ).length
  const failed = Math.max(numFailedTests + brokenFiles, exitCode === 0 ? 0 : 1)
  const skipped = numPendingTests + numTodoTests
  return `${numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
