/** The first of these prefixes under which `probe` lies in the checkpoint; the first of all where none does, so that the
 *  message about the missing tensor names what is usual. A body saved by itself lies without the prefix of its class. */
export const findPrefix = (tensors: ReadonlyMap<string, unknown>, prefixes: readonly string[], probe: string): string =>
  prefixes.find((prefix) => tensors.has(prefix + probe)) ?? prefixes[0] ?? ''
