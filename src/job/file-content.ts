/**
 * What a job writes into a file. Pieces may be views of tensors, or made one after the other while they are written:
 * a job with several large files never holds them all.
 */
export type FileContent = string | Uint8Array | Iterable<Uint8Array>;
