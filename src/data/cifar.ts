/**
 * CIFAR's binary files: records of a label (CIFAR-10), or a coarse and a fine label (CIFAR-100), and
 * 32x32 pixels in planes red, green, blue. Not the Python or MATLAB versions.
 */
import { inputError } from "../error.ts";
import type { Image } from "./image.ts";

export type CifarRecords = {
  readonly count: number;
  readonly kind: "cifar-10" | "cifar-100";
  /** Class of record `index`; the fine one of CIFAR-100. */
  readonly label: (index: number) => number;
  readonly picture: (index: number) => Image;
};

const side = 32;
const area = side * side;

/** Tells the two versions apart by the file's length, then checks every label. Throws where neither fits. */
export function parseCifar(bytes: Uint8Array, name: string): CifarRecords {
  const labelBytes = bytes.length % (1 + 3 * area) === 0 ? 1 : 2;
  const recordBytes = labelBytes + 3 * area;
  const count = bytes.length / recordBytes;
  if (count === 0 || !Number.isInteger(count)) {
    throw inputError("not a CIFAR binary file", {
      where: name,
      expected: "a multiple of 3073 (CIFAR-10) or 3074 (CIFAR-100) bytes",
      got: `${bytes.length}`,
    });
  }
  const classes = labelBytes === 1 ? 10 : 100;
  const label = (index: number): number => bytes[index * recordBytes + labelBytes - 1]!;
  for (let index = 0; index < count; index++) checkLabel(label(index), classes, `${name}#${index}`);
  return {
    count,
    kind: labelBytes === 1 ? "cifar-10" : "cifar-100",
    label,
    picture: (index) => readPicture(bytes, index * recordBytes + labelBytes),
  };
}

function checkLabel(label: number, classes: number, where: string): void {
  if (label < classes) return;
  throw inputError("a CIFAR label is out of range", {
    where,
    expected: `0..${classes - 1}`,
    got: `${label}`,
  });
}

function readPicture(bytes: Uint8Array, start: number): Image {
  const data = new Uint8Array(3 * area);
  for (let pixel = 0, to = 0; pixel < area; pixel++) {
    for (let c = 0; c < 3; c++) data[to++] = bytes[start + c * area + pixel]!;
  }
  return { width: side, height: side, channels: 3, data };
}
