/** How many copies of channels can be asked for: powers of two, because the chips' counts of channels are. */
export const copyCounts: readonly number[] = [1, 2, 4, 8];
