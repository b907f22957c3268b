/** The only places a link in the window may lead to: where methods, formats and runtimes are documented. */
export const documentationHosts: ReadonlySet<string> = new Set([
  'arxiv.org',
  'doi.org',
  'github.com',
  'huggingface.co',
  'onnx.ai',
  'onnxruntime.ai',
  'openreview.net',
])

/** Whether an address may be handed to the system's browser: https, a listed host, no name, password or port. */
export function isDocumentation(address: string): boolean {
  const url = URL.parse(address)
  if (!url || url.protocol !== 'https:') return false
  return documentationHosts.has(url.hostname) && url.port === '' && url.username === '' && url.password === ''
}
