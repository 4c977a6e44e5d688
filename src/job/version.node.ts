/**
 * Inlay's own version, read from the package file that the program was installed with.
 */
import { readFileSync } from "node:fs";

/** `0.1.0`; "unknown" where the package file is not beside the program (a bundle). */
export function inlayVersion(): string {
  try {
    const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
    const found: { readonly version?: unknown } = JSON.parse(text);
    return typeof found.version === "string" ? found.version : "unknown";
  } catch {
    return "unknown";
  }
}
