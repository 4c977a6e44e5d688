/** The Markdown report: one table per section, and the machine that it was taken on. */
import { readFileSync } from "node:fs";
import { cpus, platform, release, totalmem } from "node:os";

const pairHeadings = ["what", "median", "range", "sides A / B", "target"];

/** A section's table. */
export function sectionText(title, rows, headings = pairHeadings) {
  const lines = rows.map(({ what, value, range, sides, target, isMet }) => {
    const verdict = isMet === undefined ? "" : isMet ? "met" : "**missed**";
    return `| ${[what, value, range, sides, target, verdict].join(" | ")} |`;
  });
  return [
    `## ${title}`,
    "",
    `| ${headings.join(" | ")} | |`,
    "|---|---|---|---|---|---|",
    ...lines,
    "",
  ].join("\n");
}

/** How the figures were taken, and where. */
export function preamble(command, rounds) {
  const [cpu] = cpus();
  const runtime = readPackage("../node_modules/onnxruntime-node/package.json");
  const facts = [
    `- command: \`${command}\``,
    `- date: ${new Date().toISOString().slice(0, 10)}`,
    `- processor: ${cpu?.model.trim() ?? "unknown"}, ${cpus().length} logical cores`,
    `- memory: ${(totalmem() / 2 ** 30).toFixed(0)} GiB, ${platform()} ${release()}`,
    `- Node ${process.versions.node}, onnxruntime-node ${runtime}`,
  ];
  return [
    "# Bench",
    "",
    `Separate processes in turn (A B A B ...), ${rounds} rounds after one warm-up pair. A ratio is the median of`,
    "the ratios of the pairs; the range is the least and the largest of them. Below 1 A is faster.",
    "",
    ...facts,
    "",
  ].join("\n");
}

function readPackage(path) {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")).version;
}
