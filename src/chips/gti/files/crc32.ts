/**
 * CRC-32 as in zip and PNG (polynomial 0x04c11db7, reflected). It finds every change of one byte, and any
 * burst of up to 32 bits; it is no protection against intent.
 */

const table: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

/** 0..2^32-1. Of the nine characters `123456789`: 0xcbf43926. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let index = 0; index < bytes.length; index++)
    crc = (crc >>> 8) ^ (table[(crc ^ (bytes[index] ?? 0)) & 255] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}
