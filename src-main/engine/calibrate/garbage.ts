import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let collect: (() => void) | null = null

/** Gives memory back now. V8 sees its own small heap and not the weights outside it, so it would let hundreds of megabytes
 *  of finished layers lie; between layers a collection costs milliseconds. */
export function releaseMemory(): void {
  if (collect === null) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  collect()
}
