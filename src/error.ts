/**
 * The one error type. It carries fields, not prose: where it happened, what was expected, what was
 * found and what to do. Text is rendered from the fields, so every message has the same shape.
 */

/** `usage`: the call is wrong. `input`: a file is not what it should be. `work`: the job failed. */
export type ErrorKind = "usage" | "input" | "work";

export type ErrorFields = {
  readonly kind: ErrorKind;
  /** One short sentence without a final stop: what is wrong. */
  readonly what: string;
  /** File, with line and column or byte offset where known: `net.prototxt:12:3`. */
  readonly where?: string | undefined;
  /** Operator and node, e.g. `conv "conv1"`. */
  readonly node?: string | undefined;
  readonly expected?: string | undefined;
  readonly got?: string | undefined;
  /** The next step for the user. */
  readonly hint?: string | undefined;
};

/** Every failure that Inlay foresees. Anything else that is thrown is a bug. */
export class InlayError extends Error {
  override readonly name = "InlayError";
  readonly fields: ErrorFields;

  constructor(fields: ErrorFields, options?: ErrorOptions) {
    super(renderError(fields), options);
    this.fields = fields;
  }
}

/** `net.prototxt:3:1: conv "conv1": what; expected 3, got 4. Hint.` */
function renderError(fields: ErrorFields): string {
  const head = [fields.where, fields.node].filter((part) => part !== undefined);
  const facts = [
    fields.expected === undefined ? undefined : `expected ${fields.expected}`,
    fields.got === undefined ? undefined : `got ${fields.got}`,
  ].filter((part) => part !== undefined);
  const sentence = facts.length === 0 ? fields.what : `${fields.what}: ${facts.join(", ")}`;
  const text = [...head, sentence].join(": ");
  return fields.hint === undefined ? text : `${text}. ${fields.hint}`;
}

export function inputError(
  what: string,
  fields: Omit<ErrorFields, "kind" | "what"> = {},
): InlayError {
  return new InlayError({ kind: "input", what, ...fields });
}

export function usageError(
  what: string,
  fields: Omit<ErrorFields, "kind" | "what"> = {},
): InlayError {
  return new InlayError({ kind: "usage", what, ...fields });
}

export function workError(
  what: string,
  fields: Omit<ErrorFields, "kind" | "what"> = {},
): InlayError {
  return new InlayError({ kind: "work", what, ...fields });
}
