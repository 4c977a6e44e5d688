/**
 * Scales and ticks. Positions along the page's width are percent of the chart, so that a chart fits
 * every screen while its text keeps its size.
 */

/** Value -> 0..100 over the domain; the ends of an empty domain are 50. */
export type Scale = {
  readonly domain: readonly [lo: number, hi: number];
  readonly at: (value: number) => number;
};

/** Linear over lo..hi; values beyond it are held at its ends. */
export function linearScale(lo: number, hi: number): Scale {
  // Halves first: the span of two huge values of opposite sign would overflow.
  const half = hi / 2 - lo / 2;
  const share = (value: number): number => (half === 0 ? 0.5 : (value / 2 - lo / 2) / half);
  return { domain: [lo, hi], at: (value) => 100 * Math.min(1, Math.max(0, share(value))) };
}

/** Two decimals are below a tenth of a pixel on every screen. */
export function round2(value: number): number {
  return Math.round(value * 100) / 100;
}

export function percent(value: number): string {
  return `${round2(value)}%`;
}

/** Multiples of 1, 2 or 5 times a power of ten within lo..hi: at most about `most` of them. */
export function ticks(lo: number, hi: number, most: number): readonly number[] {
  const step = tickStep(hi - lo, most);
  if (!(step > 0 && Number.isFinite(step))) return [lo];
  const first = Math.ceil(lo / step);
  const count = Math.floor(hi / step) - first + 1;
  // Multiplying keeps 0.3 from becoming 0.30000000000000004 in most cases; toPrecision does the rest.
  return Array.from({ length: count }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

/** The smallest of 1, 2, 5, 10, ... times a power of ten that cuts the span into at most `most`. */
function tickStep(span: number, most: number): number {
  const raw = span / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= raw * 0.999999) ?? 10;
  return factor * power;
}
