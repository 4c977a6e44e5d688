/**
 * Figures that a test measured, for whoever reads its output.
 */

/** One line to the terminal. */
export function say(line: string): void {
  process.stdout.write(`    ${line}\n`);
}
