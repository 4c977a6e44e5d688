import { expect, it } from "vitest";
import { bytesOf, chunksLength, joinBytes } from "./chunks.ts";

it("joins pieces in order, into memory of its own", () => {
  const chunks = [Uint8Array.of(1, 2), new Uint8Array(), Uint8Array.of(3)];
  expect(chunksLength(chunks)).toBe(3);
  expect([...joinBytes(chunks)]).toEqual([1, 2, 3]);
  expect(joinBytes([chunks[0] ?? new Uint8Array()]).buffer).not.toBe(chunks[0]?.buffer);
  expect(joinBytes([])).toHaveLength(0);
});

it("gives the little-endian bytes of a part of an array without a copy", () => {
  const values = Float32Array.of(5, 1, -2);
  const bytes = bytesOf(values.subarray(1));
  expect([...bytes]).toEqual([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
  expect(bytes.buffer).toBe(values.buffer);
});
