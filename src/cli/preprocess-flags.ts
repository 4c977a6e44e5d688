/**
 * The flags that say how pictures become the network's input.
 */
import { type Command, Option } from "commander";
import type { Preprocess } from "../index.ts";
import { type Io, pathIn } from "./io.ts";
import type { Library } from "./library.ts";
import {
  looksLikeNumbers,
  parseCount,
  parseFraction,
  parseNumbers,
  parseResize,
  type ResizeValue,
} from "./values.ts";

export type PreprocessFlags = {
  readonly resize?: ResizeValue;
  readonly crop?: number;
  readonly resizeAfter?: number;
  readonly order?: Preprocess["order"];
  readonly mean?: string;
  readonly scale?: number;
  readonly std?: readonly number[];
  readonly color?: Preprocess["color"];
  readonly forceColor?: true;
  readonly forceGray?: true;
};

export function addPreprocessFlags(command: Command): Command {
  return command
    .optionsGroup("Preprocessing, in this order:")
    .addOption(
      new Option(
        "--color <mode>",
        "channels of the pictures; auto: what the network takes",
      ).choices(["auto", "color", "gray"]),
    )
    .addOption(new Option("--force-color", "the same as --color color").conflicts("forceGray"))
    .addOption(new Option("--force-gray", "the same as --color gray").conflicts("forceColor"))
    .option("--resize <N|WxH>", "shorter side, or width and height (bilinear)", parseResize)
    .option("--crop <N>", "square from the centre", parseCount)
    .option("--resize-after <N>", "resize the crop to this square", parseCount)
    .addOption(
      new Option("--order <order>", "channel order of the network (default: rgb)").choices([
        "rgb",
        "bgr",
      ]),
    )
    .option("--mean <values|file>", "subtract: one number, one per channel, or a binaryproto file")
    .option("--scale <x>", "then multiply, 0.017 or 1/255", parseFraction)
    .option("--std <values>", "then divide: one number or one per channel", parseNumbers);
}

/** The record that the flags describe; undefined where no flag was given. */
export async function preprocessOf(
  flags: PreprocessFlags,
  library: Library,
  io: Io,
): Promise<Preprocess | undefined> {
  const mean = flags.mean === undefined ? undefined : await meanOf(flags.mean, library, io);
  const color = colorOf(flags, library);
  const given = {
    ...(color === undefined ? {} : { color }),
    ...(flags.resize === undefined ? {} : { resize: flags.resize }),
    ...(flags.crop === undefined ? {} : { crop: flags.crop }),
    ...(flags.resizeAfter === undefined ? {} : { resizeAfter: flags.resizeAfter }),
    ...(flags.order === undefined ? {} : { order: flags.order }),
    ...(mean === undefined ? {} : { mean }),
    ...(flags.scale === undefined ? {} : { scale: flags.scale }),
    ...(flags.std === undefined ? {} : { std: flags.std }),
  };
  if (Object.keys(given).length === 0) return undefined;
  return library.checkPreprocess({ ...library.defaultPreprocess, ...given });
}

async function meanOf(text: string, library: Library, io: Io): Promise<Preprocess["mean"]> {
  return looksLikeNumbers(text) ? parseNumbers(text) : await library.readMean(pathIn(io, text));
}

function colorOf(
  { color, forceColor, forceGray }: PreprocessFlags,
  library: Library,
): Preprocess["color"] | undefined {
  const forced = forceColor ? "color" : forceGray ? "gray" : undefined;
  if (color !== undefined && forced !== undefined && color !== forced) {
    throw library.usageError("--color contradicts the other colour flag", {
      got: `--color ${color} and --force-${forced}`,
    });
  }
  return forced ?? color;
}
