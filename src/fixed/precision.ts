/**
 * How a convolution's coefficients are rounded on the GTI chips: the names of the schemes. What each does to
 * a kernel is defined in coefficients.ts.
 */

/**
 * `float`: not at all. `dynamic`: fixed point, the binary point chosen by the layer. The others: one
 * magnitude per kernel of k x k taps and a mask of 1, 2, 3 or 5 bits per tap.
 */
export type Precision = "float" | "dynamic" | "oneBit" | "twoBits" | "threeBits" | "fiveBits";
