import { fromHalfBits } from '../float16.ts'

export const halfBytesToFloat = (bytes: ArrayBuffer) => Float32Array.from(new Uint16Array(bytes), fromHalfBits)
export const bfloatBytesToFloat = (bytes: ArrayBuffer) =>
  new Float32Array(Uint32Array.from(new Uint16Array(bytes), (bits) => bits * 65536).buffer)
