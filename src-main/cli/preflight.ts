import type { Arguments } from '../../src-preload/contract/channels.ts'
import type { Preflight } from '../../src-preload/contract/preflight.ts'
import { formatBytes, formatDuration } from './format.ts'
import type { Session } from './session.ts'

/** One line: what the job will take, and what to do where it will not fit. */
export function preflightWords({ memory, disk, time, fits, alternatives }: Preflight): string {
  const range = `${formatDuration(time.lowSeconds * 1000)} to ${formatDuration(time.highSeconds * 1000)}`
  const needs = [
    time.seconds > 0 ? `about ${formatDuration(time.seconds * 1000)} (${range}; ${time.from})` : time.from,
    `${formatBytes(memory.peakBytes)} of ${formatBytes(memory.availableBytes)} memory`,
    `${formatBytes(disk.bytes)} of ${formatBytes(disk.freeBytes)} disk`,
  ].join(', ')
  if (fits) return `pre-flight: ${needs}`
  const tight = [...(memory.fits ? [] : ['memory']), ...(disk.fits ? [] : ['disk'])].join(' and ')
  return `pre-flight: ${needs}. Not enough ${tight}: ${alternatives.join(' ')}`
}

/** Says on standard error what a job will take. It advises: what it says keeps nothing from being started. */
export async function sayPreflight(
  { client, say }: Session,
  project: string,
  job: Arguments<'plan.preflight'>['job'],
): Promise<void> {
  const found = await client.call('plan.preflight', { project, job })
  say(preflightWords(found))
  for (const notice of found.notices) say(`note: ${notice}`)
}
