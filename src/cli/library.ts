/**
 * The library, loaded when the first command needs it: `--help` and wrong flags must answer at once.
 */

export type Library = typeof import("../index.ts");

export async function loadLibrary(): Promise<Library> {
  return await import("../index.ts");
}
