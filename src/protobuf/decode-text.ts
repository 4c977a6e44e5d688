/**
 * Bytes of a text file to a string: UTF-8 with or without byte-order mark, UTF-16 with one, and
 * otherwise GBK, in which many Chinese tools write comments and names.
 */

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Never throws: bytes that no encoding explains become U+FFFD. */
export function decodeText(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return utf8.decode(bytes);
  } catch {
    return new TextDecoder("gbk").decode(bytes);
  }
}
