/**
 * Arithmetic that is the same to the last bit on every JavaScript engine and CPU.
 *
 * ECMA-262 fixes + - * / on doubles (IEEE 754-2019, round to nearest, ties to even, no fused multiply-add), Math.fround, Math.floor,
 * Math.imul, the shifts, and since ES2025 Math.sqrt. It leaves Math.exp, log, tanh and pow "implementation-approximated", so engines and even
 * versions of one engine differ there: what is below replaces them. Only NaN has more than one bit pattern, so training stops at the first
 * number that isn't finite. Sums run in an order that the code fixes; nothing is left to threads.
 */

const LOG2_E = 1.4426950408889634;
// ln 2 in two parts: k * LN2_HIGH is exact for |k| < 2^21, because the low 21 bits of its significand are zero.
const LN2_HIGH = 6.9314718036912381649e-1;
const LN2_LOW = 1.90821492927058770002e-10;

/** 2^k for -1022 ≤ k ≤ 1023, each by exact doublings or halvings of 1. */
const POWERS_OF_TWO = ((): Float64Array => {
  const powers = new Float64Array(2046);
  for (let k = 0, up = 1, down = 1; k <= 1023; k++, up *= 2, down /= 2) {
    powers[1022 + k] = up;
    if (k <= 1022) powers[1022 - k] = down;
  }
  return powers;
})();

/** e^x within 2 units in the last place for -708 ≤ x ≤ 709; 0 below, Infinity above. NaN stays NaN. */
export function exp(x: number): number {
  if (x < -708) return 0;
  if (x > 709) return Infinity;
  if (Number.isNaN(x)) return NaN;
  const k = Math.floor(x * LOG2_E + 0.5);
  const r = x - k * LN2_HIGH - k * LN2_LOW; // |r| ≤ ln(2)/2
  // Taylor to r^13: the first term left out is below 5e-18.
  let sum = 1 + r / 13;
  for (let n = 12; n >= 1; n--) sum = 1 + (r / n) * sum;
  return sum * POWERS_OF_TWO[1022 + k]!;
}

const view = new DataView(new ArrayBuffer(8));

/** Natural logarithm within a few units in the last place for positive normal x. @throws RangeError for anything else. */
export function log(x: number): number {
  if (!(x >= 2.2250738585072014e-308 && x < Infinity)) throw new RangeError(`log of ${String(x)}`);
  view.setFloat64(0, x);
  let k = (view.getUint16(0) >> 4) - 1023;
  view.setUint16(0, (view.getUint16(0) & 0x000f) | 0x3ff0);
  let m = view.getFloat64(0); // x = m * 2^k, 1 ≤ m < 2
  if (m > 1.4142135623730951) {
    m /= 2;
    k += 1;
  }
  // ln m = 2 artanh s with |s| ≤ 0.1716: the first term left out is below 1e-18.
  const s = (m - 1) / (m + 1);
  const s2 = s * s;
  let sum = 0;
  for (let n = 21; n >= 1; n -= 2) sum = 1 / n + s2 * sum;
  return k * LN2_HIGH + (k * LN2_LOW + 2 * s * sum);
}

/** Small fast counter generator (sfc32): 128 bits of state, integer operations only. Not for secrets. */
export type Rng = { state: Uint32Array };

export function rngFromSeed(seed: number, stream = 0): Rng {
  const rng: Rng = { state: Uint32Array.of(seed >>> 0, Math.floor(seed / 4294967296) >>> 0, stream >>> 0, 1) };
  for (let i = 0; i < 15; i++) nextUint32(rng); // mixes close seeds apart
  return rng;
}

export function nextUint32(rng: Rng): number {
  const s = rng.state;
  const a = s[0]!;
  const b = s[1]!;
  const c = s[2]!;
  const counter = s[3]!;
  const result = (a + b + counter) >>> 0;
  s[3] = counter + 1;
  s[0] = b ^ (b >>> 9);
  s[1] = c + (c << 3);
  s[2] = ((c << 21) | (c >>> 11)) + result;
  return result;
}

/** An integer in [0, n), n ≤ 2^32. The bias is below n / 2^32: of no weight here, and one draw a number keeps the stream simple. */
export function nextBelow(rng: Rng, n: number): number {
  return Math.floor((nextUint32(rng) / 4294967296) * n);
}

/** A number in [0, 1) on a grid of 2^-32. */
export function nextUnit(rng: Rng): number {
  return nextUint32(rng) / 4294967296;
}

/** Fisher-Yates over 0..n-1. */
export function permutation(n: number, rng: Rng): Uint32Array {
  const order = new Uint32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  for (let i = n - 1; i > 0; i--) {
    const j = nextBelow(rng, i + 1);
    const swap = order[i]!;
    order[i] = order[j]!;
    order[j] = swap;
  }
  return order;
}

/** Σ a[i0+k] b[j0+k], in four running sums added at the end: a fixed order, and four times the speed of one. */
export function dot(a: Float32Array, i0: number, b: Float32Array, j0: number, n: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let k = 0;
  for (; k + 3 < n; k += 4) {
    s0 += a[i0 + k]! * b[j0 + k]!;
    s1 += a[i0 + k + 1]! * b[j0 + k + 1]!;
    s2 += a[i0 + k + 2]! * b[j0 + k + 2]!;
    s3 += a[i0 + k + 3]! * b[j0 + k + 3]!;
  }
  for (; k < n; k++) s0 += a[i0 + k]! * b[j0 + k]!;
  return s0 + s1 + (s2 + s3);
}

/** a[i0+k] += scale * b[j0+k], each rounded once to binary32 when stored. */
export function addScaled(a: Float32Array, i0: number, scale: number, b: Float32Array, j0: number, n: number): void {
  for (let k = 0; k < n; k++) a[i0 + k]! += scale * b[j0 + k]!;
}
