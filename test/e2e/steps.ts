import type { Page } from 'playwright-core'

/** Waits until no job runs or waits any more. */
export async function noJobs(page: Page): Promise<void> {
  await page.waitForTimeout(400) // a started job takes a moment to be announced
  await page.locator('.pill').waitFor({ state: 'detached', timeout: 240_000 })
}

/** Accessible words of what has the focus after each press of Tab. */
export async function focusOrder(page: Page, presses: number): Promise<string[]> {
  const order: string[] = []
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur())
  for (let i = 0; i < presses; i++) {
    await page.keyboard.press('Tab')
    order.push(
      await page.evaluate(() => {
        const now = document.activeElement
        return (now?.getAttribute('aria-label') ?? now?.textContent ?? '').replace(/\s+/g, ' ').trim()
      }),
    )
  }
  return order
}

export interface DragTimes {
  medianMs: number
  longestMs: number
  changes: number
}

/** Drags the budget slider across its range; times run from the pointer's move to the frame after the new loss is in the page. */
export async function dragTimes(page: Page): Promise<DragTimes> {
  await page.evaluate(() => {
    const times: number[] = []
    let movedAt = 0
    Object.assign(window, { latheTimes: times })
    window.addEventListener('pointermove', () => (movedAt = movedAt || performance.now()), true)
    const loss = document.querySelector('[data-test="loss"]')
    if (!loss) return
    new MutationObserver(() => {
      const from = movedAt
      movedAt = 0
      if (from) requestAnimationFrame(() => times.push(performance.now() - from))
    }).observe(loss, { characterData: true, childList: true, subtree: true })
  })
  const box = await page.getByRole('slider', { name: 'Bit budget' }).boundingBox()
  if (!box) throw new Error('The budget slider is not on the page.')
  const y = box.y + box.height / 2
  await page.mouse.move(box.x + box.width / 2, y)
  await page.mouse.down()
  for (let i = 0; i < 40; i++) {
    await page.mouse.move(box.x + box.width / 2 + i * 9, y)
    await page.waitForTimeout(16)
  }
  await page.mouse.up()
  await page.waitForTimeout(100)
  const times = await page.evaluate(() => (window as unknown as { latheTimes: number[] }).latheTimes)
  const sorted = [...times].sort((a, b) => a - b)
  return {
    medianMs: sorted[Math.floor(sorted.length / 2)] ?? Infinity,
    longestMs: sorted.at(-1) ?? Infinity,
    changes: sorted.length,
  }
}
