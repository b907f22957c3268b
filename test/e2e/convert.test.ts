import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, type House, isBuilt, openHouse, photograph } from './house.ts'
import { noJobs } from './steps.ts'

const model = resolve(import.meta.dirname, '../../resources/samples/vision/model.onnx')

// A plain conversion through the window: no project is made for it.
describe.skipIf(!hasChromium || !isBuilt)('Convert, end to end', () => {
  let house: House
  const folder = mkdtempSync(join(tmpdir(), 'lathe-e2e-convert-'))
  beforeAll(async () => {
    house = await openHouse()
  })
  afterAll(async () => {
    await house.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const photo = async (name: string) => expect(await photograph(house.page, name), 'wider than the window').toEqual([])

  test('a key leads there; a file that cannot be read is a fault on the page', async () => {
    const { page } = house
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.keyboard.press('8')
    await page.getByRole('heading', { level: 1, name: 'Convert' }).waitFor()
    await photo('8-convert-start')
    await choose('/no/such/model.onnx')
    await page.getByRole('alert').first().waitFor()
  })

  async function choose(path: string): Promise<void> {
    const { page } = house
    await page.getByRole('button', { name: /^(Choose|Another)…$/ }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('listbox', { name: 'Files' }).waitFor()
    await dialog.getByLabel('Path', { exact: true }).fill(path)
    await page.keyboard.press('Enter')
    await dialog.waitFor({ state: 'detached' })
  }

  test('it says what the file is, which formats it can become and why not others', async () => {
    const { page } = house
    await choose(model)
    await page.getByText(/ONNX · .*classifier/).waitFor()
    const formats = page.getByRole('radiogroup', { name: 'Convert to' })
    await page.getByText(/^\d+ formats? do(es)? not fit$/).click()
    await page.getByText('GGUF', { exact: true }).waitFor()
    await photo('8-convert-unfit')
    await page.getByText(/^\d+ formats? do(es)? not fit$/).click()
    await formats.getByRole('radio', { name: /^ONNX/ }).first().click()
    await page.getByRole('combobox', { name: 'Type' }).click()
    await page.getByRole('option', { name: 'int8' }).click()
    await page.getByText('8 bits', { exact: true }).waitFor()
    await page.getByLabel('Folder', { exact: true }).fill(folder)
    await photo('8-convert')
  })

  test('it writes the file, shows its checksum, and asks before replacing it', async () => {
    const { page } = house
    await page.getByRole('button', { name: 'Convert', exact: true }).last().click()
    await page
      .getByText(/sha256 [0-9a-f]{64}/)
      .first()
      .waitFor({ timeout: 60_000 })
    await noJobs(page)
    const written = join(folder, 'vision-int8.onnx')
    expect(statSync(written).size).toBeLessThan(statSync(model).size / 3)
    await photo('8-convert-done')
    await page.getByRole('button', { name: 'Convert it once more' }).click()
    await page.getByRole('button', { name: 'Convert', exact: true }).last().click()
    await page.getByText(/Something of that name exists/).waitFor()
    await photo('8-convert-conflict')
  })

  test('no project was made, and the page complained about nothing', async () => {
    const { page } = house
    await page.keyboard.press('Escape')
    await page.locator('main').focus()
    await page.keyboard.press('1')
    await page.getByText('Nothing here yet').waitFor()
    expect(existsSync(join(folder, 'lathe.sqlite'))).toBe(false)
    expect(house.complaints).toEqual([])
  })
})
