/**
 * `npm run bench`: measures what the project promises and prints one Markdown report.
 * Options: --only NAME (repeatable), --rounds N, --out FILE, --write (to bench/results.md).
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { dataFolder } from "./networks.js";
import { preamble, sectionText } from "./report.js";
import { sections } from "./sections.js";

const defaultRounds = 5;
const say = (text) => process.stderr.write(`${text}\n`);

function readOptions() {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true, default: [] },
      rounds: { type: "string", default: String(defaultRounds) },
      out: { type: "string" },
      write: { type: "boolean", default: false },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds must be 1 or more");
  const unknown = values.only.find((name) => !(name in sections));
  if (unknown !== undefined) {
    throw new Error(`--only ${unknown}: must be one of ${Object.keys(sections).join(", ")}`);
  }
  const names = values.only.length > 0 ? values.only : Object.keys(sections);
  const results = fileURLToPath(new URL("./results.md", import.meta.url));
  return { names, rounds, out: values.out ?? (values.write ? results : undefined) };
}

async function runSections({ names, rounds }) {
  const hasData = dataFolder !== undefined && existsSync(dataFolder);
  const folder = await mkdtemp(join(tmpdir(), "inlay-bench-"));
  const texts = [];
  try {
    for (const name of names) {
      const { title, run, needsData } = sections[name];
      if (needsData && !hasData) {
        texts.push(`Skipped "${name}": INLAY_DATA is unset or no folder.\n`);
      } else {
        say(`${name}: ${title}`);
        texts.push(sectionText(title, await run({ folder, rounds, hasData })));
      }
      process.stdout.write(`${texts.at(-1)}\n`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return texts;
}

async function main() {
  if (!existsSync(new URL("../dist/index.js", import.meta.url))) {
    throw new Error("dist/ is missing: run npm run build");
  }
  const options = readOptions();
  const command = ["npm run bench --", ...process.argv.slice(2)].join(" ").replace(/ --$/, "");
  const head = preamble(command, options.rounds);
  process.stdout.write(`${head}\n`);
  const texts = await runSections(options);
  if (options.out !== undefined) await writeFile(options.out, [head, ...texts].join("\n"));
}

try {
  await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
