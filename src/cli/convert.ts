/**
 * `inlay convert`: the vendor converter's command line, its flags spelt as its manual spells them.
 */
import { type Command, InvalidArgumentError } from "commander";
import type { ConvertJob } from "../index.ts";
import { addCommonFlags, addInputShape, type CommonFlags, createCommand } from "./common-flags.ts";
import { takeGflags } from "./gflags.ts";
import { pathIn } from "./io.ts";
import type { Library } from "./library.ts";
import { runJob, type Shell } from "./run-job.ts";
import { parseCount, parseCountOrZero, parseFraction } from "./values.ts";

const examples = [
  "inlay convert deploy.prototxt net.caffemodel network2803.json fullmodel.json -o --label=labels.txt --output_dir=output",
  "inlay convert deploy.prototxt net.caffemodel network2803.json -o        # the full model is made",
  "inlay convert deploy.prototxt net.caffemodel --target gti2803 --force   # both JSON files are made",
  "inlay run output/out.model picture.jpg",
];

const details = [
  "Takes a network that the vendor's kit trained and refined. Writes out.model and what it is made of; without the",
  "vendor's library the chip image in it is Inlay's own: the simulator runs it, a device does not.",
  "Flags are taken as the vendor's manual types them too: --shift_max, -debug, label=FILE, behind -o.",
].join(" ");

type Flags = CommonFlags & {
  readonly label?: string;
  readonly shiftMax?: number;
  readonly inputScale?: number;
  readonly outputDir: string;
  readonly evaluate?: string;
  readonly debug?: boolean;
  readonly editGain?: boolean;
  readonly likeMdk?: true;
  readonly target?: string;
  readonly waive?: string;
  readonly accumulatorBits?: number;
  readonly vendorLibrary?: string;
  readonly force?: true;
};

export function convertCommand(shell: Shell): Command {
  const command = takeGflags(
    createCommand("convert", "Convert a refined network for a GTI chip.", details),
  )
    .argument("<prototxt>", "deploy.prototxt")
    .argument("<caffemodel>", "net.caffemodel")
    .argument("[network]", "network JSON of the chip: network2803.json")
    .argument("[fullmodel]", "full-model JSON; made from the network where it is left out, or -")
    .option("--label <file>", "labels, `ID NAME` a line, as many as the last layer has outputs")
    .option("--shift-max <n>", "largest shift (default: the chip's)", parseCountOrZero)
    .option("--input-scale <x>", "with --edit-gain: pictures were 0..255 times this", parseFraction)
    .option("--output-dir <folder>", "where the files go", "output")
    .option("--evaluate <path>", "a folder or a picture: compare what was written bit by bit")
    .option("--debug [true|false]", "intermediate files in debug/ too", parseSwitch)
    .option("--edit-gain [true|false]", "bring caps to the chip's first", parseSwitch)
    .optionsGroup("Besides the vendor's:")
    .option("--like-mdk", "as the vendor's converter, where it is odd")
    .option("--target <name>", "the chip, where no network JSON tells it")
    .option("--waive <rule[,rule]>", "rules that may be broken; the result cannot be deployed")
    .option("--accumulator-bits <n>", "warn of sums beyond this width (default: 32)", parseCount)
    .option("--vendor-library <file>", "the vendor's libgticonfig: writes the device's image")
    .option("--force", "write over files that are there");
  addInputShape(command);
  return addCommonFlags(command, examples).action(
    async (prototxt: string, caffemodel: string, ...rest: readonly unknown[]) => {
      const [network, fullModel, flags] = rest as [string?, string?, Flags?];
      if (flags === undefined) return;
      const paths = { prototxt, caffemodel, network, fullModel };
      await runJob(shell, flags, (library, context) => {
        const job = jobOf(paths, flags, shell, library);
        if (flags.evaluate === undefined) return library.convertJob(job, context);
        const images = { path: pathIn(shell.io, flags.evaluate) };
        return library.convertAndMatchJob(job, images, context);
      });
    },
  );
}

type Paths = {
  readonly prototxt: string;
  readonly caffemodel: string;
  readonly network: string | undefined;
  readonly fullModel: string | undefined;
};

function jobOf(paths: Paths, flags: Flags, { io }: Shell, library: Library): ConvertJob {
  const at = (path: string | undefined): string | undefined =>
    path === undefined || path === "-" || path === "" ? undefined : pathIn(io, path);
  const names = (flags.waive ?? "").split(",").filter((name) => name !== "");
  return {
    model: [pathIn(io, paths.prototxt), pathIn(io, paths.caffemodel)],
    network: at(paths.network),
    target: flags.target,
    fullModel: at(paths.fullModel),
    labels: at(flags.label),
    chip: { waive: names.map((name) => library.ruleNamed(name.trim())) },
    shiftMax: flags.shiftMax,
    inputScale: flags.inputScale,
    editGain: flags.editGain === true,
    likeMdk: flags.likeMdk === true,
    debug: flags.debug === true,
    accumulatorBits: flags.accumulatorBits,
    vendorLibrary: at(flags.vendorLibrary),
    out: pathIn(io, flags.outputDir),
    force: flags.force === true,
  };
}

/** `true`, `True`, `false`, `False`; the flag alone is true. */
function parseSwitch(text: string): boolean {
  if (/^true$/i.test(text)) return true;
  if (/^false$/i.test(text)) return false;
  throw new InvalidArgumentError("Expected true or false.");
}
