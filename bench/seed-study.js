/** What studies have in common that run the command line tool with several seeds and write one page. */
import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Runs the tool; throws unless it ends well. */
export function inlay(words) {
  process.stderr.write(`inlay ${words.join(" ")}\n`);
  const argv = [here("../dist/cli/bin.js"), ...words, "--quiet"];
  const { status } = spawnSync(process.execPath, argv, { stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error(`inlay ${words[0]}: exit ${status}`);
}

/** A row of a Markdown table. */
export const line = (cells) => `| ${cells.join(" | ")} |`;

/** What `measure(seed)` gives for each seed. */
export function bySeed({ seeds }, measure) {
  return Array.from({ length: Number(seeds) }, (_, seed) => measure(seed));
}

/** A table with a row per chip and variant of it. */
export function table(headings, chips, variantsOf, rowOf) {
  return [
    line(headings),
    line(headings.map(() => "---")),
    ...chips.flatMap((chip) =>
      Object.keys(variantsOf(chip)).map((variant) => rowOf(chip, variant)),
    ),
  ];
}

/** `--work`, `--seeds`, `--threads` and `--write`. */
export function studyOptions() {
  const { values } = parseArgs({
    options: {
      work: { type: "string" },
      seeds: { type: "string", default: "3" },
      threads: { type: "string", default: "2" },
      write: { type: "boolean", default: false },
    },
  });
  if (values.work === undefined) throw new Error("--work FOLDER is needed");
  return values;
}

/** Prints the page, and writes it where that is asked. */
export async function deliver(name, lines, { write }) {
  const text = lines.join("\n");
  process.stdout.write(text);
  if (write) await writeFile(here(`./${name}`), text);
}
