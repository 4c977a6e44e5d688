/**
 * The spellings of the GTI kit's scripts, as flags of our own: gflags takes one dash or two, and names with underscores;
 * the kit's manual types some flags with a slip, or without any dash.
 */
import type { Command } from "commander";

/** What the kit's manual types, and what it means. */
const slips: ReadonlyMap<string, string> = new Map([["ouput-dir", "output-dir"]]);

/** The parts of a word: dashes, name, and what stands behind an equals sign. */
const word = /^(-{0,2})([A-Za-z][A-Za-z0-9_-]*)(=.*)?$/s;

/**
 * The words with their flags in our spelling. `-name`, `--name` and `--long_name` become `--long-name`; `name=value` does so
 * too, where `names` has the name. A bare `-o` is dropped. Values and unknown words stay as they are.
 *
 * `-prototxt=a --num_batches 5 -o label=b --ouput_dir=c` becomes
 * `--prototxt=a --num-batches 5 --label=b --output-dir=c`.
 */
export function normalizeGflags(
  argv: readonly string[],
  names: ReadonlySet<string>,
): readonly string[] {
  return argv.flatMap((text) => {
    if (text === "-o" && !names.has("o")) return [];
    const [, dashes = "", name = "", value = ""] = word.exec(text) ?? [];
    const dashed = name.replaceAll("_", "-");
    const known = slips.get(dashed) ?? dashed;
    if (!names.has(known) || (dashes === "" && value === "")) return [text];
    return [`--${known}${value}`];
  });
}

/** The command, which from now on takes its own flags in all of these spellings. */
export function takeGflags(command: Command): Command {
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (argv) => {
    const names = command.options.map(({ long }) => long?.replace(/^--/, "") ?? "");
    return parse([...normalizeGflags(argv, new Set(names))]);
  };
  return command;
}
