import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { normalizeGflags, takeGflags } from "./gflags.ts";

const names = new Set(["prototxt", "num-batches", "label", "output-dir", "force"]);
const said = (text: string): string => normalizeGflags(text.split(" "), names).join(" ");

describe("flags in the kit's spellings", () => {
  it.each([
    ["--prototxt=a", "--prototxt=a"],
    ["-prototxt=a", "--prototxt=a"],
    ["--prototxt a", "--prototxt a"],
    ["-prototxt a", "--prototxt a"],
    ["--num_batches=5 -num_batches 5", "--num-batches=5 --num-batches 5"],
    [
      "a.prototxt net.caffemodel -o label=labels.txt",
      "a.prototxt net.caffemodel --label=labels.txt",
    ],
    ["-o --ouput_dir=out", "--output-dir=out"],
    ["--force -force", "--force --force"],
    ["--prototxt=a=b --prototxt=", "--prototxt=a=b --prototxt="],
  ])("%s", (typed, meant) => {
    expect(said(typed)).toBe(meant);
  });

  it.each(["label", "prototxt", "path/label=x", "unknown=x", "-unknown=x", "--Force", "-5", "-h"])(
    "%s stays",
    (typed) => {
      expect(said(typed)).toBe(typed);
    },
  );

  it("reach a command that is parsed by its parent", async () => {
    const seen: unknown[] = [];
    const command = takeGflags(new Command("convert"))
      .argument("<net>")
      .option("--output-dir <folder>")
      .option("--label <file>")
      .action((net: string, flags: object) => void seen.push(net, flags));
    const parent = new Command("inlay").option("-V, --version").addCommand(command);
    const argv = ["convert", "net.prototxt", "-o", "label=l.txt", "-ouput_dir=out"];
    await parent.parseAsync(argv, { from: "user" });
    expect(seen).toEqual(["net.prototxt", { label: "l.txt", outputDir: "out" }]);
  });
});
