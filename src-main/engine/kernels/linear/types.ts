// What calibrated methods know of a layer's inputs.

/** Mean of w x x^T over the rows x that enter a layer during calibration (w = 1, or the token's importance). */
export interface Hessian {
  size: number // inputs of the layer
  data: Float32Array // [size, size], symmetric
  rows: number // calibration rows that went in
}

/** U of U^T U = (H + damping mean(diag H) I)^-1, upper triangular, as error feedback wants it
 *  (Frantar et al. 2022, "GPTQ", section 3.3, step 3). */
export interface InverseFactor {
  size: number
  data: Float32Array // [size, size]; below the diagonal 0
  damping: number // share of the mean diagonal that was added in the end
  attempts: number // 1: the asked damping was enough
  dead: Uint32Array // inputs that were always 0
}
