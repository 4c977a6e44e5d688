/**
 * Text of lists and label files as users have it: UTF-8 with or without a byte-order mark, UTF-16 with one,
 * or GBK; any line ending.
 */
import { inputError } from "../error.ts";

/** Largest list or label file, in bytes. */
export const maxTextBytes: number = 2 ** 26;

/** The text. What is not valid UTF-8 is taken for GBK, the other encoding that lists for these chips come in. */
export function decodeText(bytes: Uint8Array, name: string): string {
  if (bytes.length > maxTextBytes) {
    throw inputError("the text file is too large", {
      where: name,
      expected: `at most ${maxTextBytes} bytes`,
      got: `${bytes.length}`,
    });
  }
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  const text = decodeStrictly("utf-8", bytes) ?? decodeGb(bytes);
  if (text === undefined || text.includes("\0")) {
    throw inputError("not a text file", {
      where: name,
      expected: "UTF-8 or GBK text",
      got: "other bytes",
    });
  }
  return text;
}

/** GB 18030 contains GBK. 0xFF occurs in neither, though some decoders let it pass. */
function decodeGb(bytes: Uint8Array): string | undefined {
  return bytes.includes(0xff) ? undefined : decodeStrictly("gb18030", bytes);
}

function decodeStrictly(encoding: "utf-8" | "gb18030", bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Longest line that is believed to be one. */
const maxLine = 65_536;

/** Lines without their ending (LF, CRLF or CR), one after the other: a list may have millions. */
export function* textLines(text: string, name: string): Generator<string> {
  const ending = /\r\n|\n|\r/g;
  let start = 0;
  for (let line = 1; start <= text.length; line++) {
    const end = ending.exec(text);
    const stop = end?.index ?? text.length;
    if (stop - start > maxLine) {
      throw inputError("a line is too long", {
        where: `${name}:${line}`,
        expected: `at most ${maxLine} characters`,
        got: `${stop - start}`,
      });
    }
    yield text.slice(start, stop);
    start = end === null ? text.length + 1 : ending.lastIndex;
  }
}
