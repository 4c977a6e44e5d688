/**
 * `inlay dataset lmdb` and `inlay dataset show`
 */
import type { Command } from "commander";
import type { DatasetLmdbJob } from "../index.ts";
import { addCommonFlags, type CommonFlags, createCommand } from "./common-flags.ts";
import { addPictureFlags, imageSource, imagesOf, type PictureFlags } from "./image-flags.ts";
import { pathIn } from "./io.ts";
import { runJob, type Shell } from "./run-job.ts";
import { parseResize, type ResizeValue } from "./values.ts";

const lmdbExamples = [
  "inlay dataset lmdb train.txt train_lmdb --resize 256x256 --shuffle",
  "inlay dataset lmdb pictures/ train_lmdb --split 0.9 --part first --resize 64x64",
  "inlay dataset lmdb cifar-10-batches-bin/ cifar_lmdb --mean cifar_mean.binaryproto",
  "inlay dataset lmdb photos/ photos_lmdb --encoded    # JPEG and PNG files as they are",
];

const showExamples = [
  "inlay dataset show pictures/",
  "inlay dataset show train_lmdb --all --json",
  "inlay dataset show train.txt --root images/ --report train.html",
];

type LmdbFlags = CommonFlags &
  PictureFlags & {
    readonly resize?: ResizeValue;
    readonly shuffle?: true;
    readonly encoded?: true;
    readonly raw?: true;
    readonly gray?: true;
    readonly mean?: string;
    readonly force?: true;
  };

type ShowFlags = CommonFlags & PictureFlags & { readonly all?: true; readonly report?: string };

export function datasetCommand(shell: Shell): Command {
  return createCommand("dataset", "Make training databases, and see what is in a data set.")
    .helpCommand(false)
    .addCommand(lmdbCommand(shell))
    .addCommand(showCommand(shell));
}

function lmdbCommand(shell: Shell): Command {
  const command = createCommand(
    "lmdb",
    "Write a data set as an LMDB that Caffe reads, and its mean image.",
    "Stands for convert_imageset and compute_image_mean.",
  )
    .argument("<pictures>", imageSource)
    .argument("<out>", "folder of the database");
  addPictureFlags(command.optionsGroup("Pictures:"))
    .option(
      "--resize <size>",
      "WIDTHxHEIGHT, such as 320x240, or the shorter side (bilinear, as OpenCV)",
      parseResize,
    )
    .option("--gray", "one channel")
    .optionsGroup("Database:")
    .option("--shuffle", "records in an order drawn by --seed")
    .option("--raw", "pixels (the default)")
    .option("--encoded", "picture files: the source's own where nothing changes, else PNG")
    .option("--mean <file>", "file of the mean image (default: mean.binaryproto in the folder)")
    .option("--force", "write over existing files");
  return addCommonFlags(command, lmdbExamples).action(
    async (pictures: string, out: string, flags: LmdbFlags) => {
      if (flags.raw && flags.encoded) command.error("error: --raw or --encoded, not both");
      const job = lmdbJob(shell, pictures, out, flags);
      await runJob(shell, flags, (library, context) => library.datasetLmdbJob(job, context));
    },
  );
}

function lmdbJob({ io }: Shell, pictures: string, out: string, flags: LmdbFlags): DatasetLmdbJob {
  const { resize, mean } = flags;
  return {
    images: imagesOf(pictures, flags, io),
    out: pathIn(io, out),
    resize,
    shuffle: flags.shuffle === true,
    encoding: flags.encoded ? "encoded" : "raw",
    gray: flags.gray === true,
    mean: mean === undefined ? undefined : pathIn(io, mean),
    force: flags.force === true,
  };
}

function showCommand(shell: Shell): Command {
  const command = createCommand(
    "show",
    "List what is in a data set: samples, labels, sizes, mean and deviation.",
    "Sizes, mean and deviation are those of 256 pictures, evenly spread, unless --all is given.",
  ).argument("<pictures>", imageSource);
  addPictureFlags(command.optionsGroup("Pictures:"))
    .option("--all", "decode every picture, and find those that cannot be read")
    .option("--report <file>", "also write a page with some of the pictures, HTML");
  return addCommonFlags(command, showExamples).action(
    async (pictures: string, flags: ShowFlags) => {
      const images = imagesOf(pictures, flags, shell.io);
      const report = flags.report === undefined ? undefined : pathIn(shell.io, flags.report);
      const job = { images, all: flags.all === true, report };
      await runJob(shell, flags, (library, context) => library.datasetShowJob(job, context));
    },
  );
}
