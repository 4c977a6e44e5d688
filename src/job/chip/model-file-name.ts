/**
 * What the model of a network is called on disk.
 */

/** `NAME.model`, the name without what file systems refuse. */
export function modelFileName(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9._-]+/g, "_").replace(/^\.+/, "");
  return `${plain === "" ? "network" : plain}.model`;
}
