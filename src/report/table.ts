/**
 * Aligned text for the terminal. Colour comes only through a style function, after alignment.
 */

/** What a piece of text means; the style function decides how that looks. */
export type Role = "heading" | "strong" | "dim" | "good" | "warn" | "bad";
export type Style = (role: Role, text: string) => string;

/** No colours at all. */
export const plainStyle: Style = (_role, text) => text;

export type Cell = string | { readonly text: string; readonly role: Role };
export type Column = { readonly title: string; readonly align?: "left" | "right" };

const textOf = (cell: Cell): string => (typeof cell === "string" ? cell : cell.text);

/** Two spaces between columns, the head in its own style, no trailing blanks, `\n` line ends. */
export function textTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  style: Style = plainStyle,
): string {
  const widths = columns.map(({ title }, at) =>
    rows.reduce(
      (width, row) => Math.max(width, textWidth(textOf(row[at] ?? ""))),
      textWidth(title),
    ),
  );
  const head = columns.map(({ title }): Cell => ({ text: title, role: "heading" }));
  return [head, ...rows]
    .map((row) =>
      columns
        .map(({ align }, at) => {
          const last = at === columns.length - 1;
          return padCell(row[at] ?? "", widths[at] ?? 0, align ?? "left", last, style);
        })
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

function padCell(
  cell: Cell,
  width: number,
  align: "left" | "right",
  last: boolean,
  style: Style,
): string {
  const text = textOf(cell);
  const blanks = " ".repeat(Math.max(0, width - textWidth(text)));
  const styled = typeof cell === "string" || text === "" ? text : style(cell.role, text);
  if (align === "right") return blanks + styled;
  return last ? styled : styled + blanks;
}

/** Terminal columns: combining marks take none, CJK and full-width forms take two. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    if (/\p{M}/u.test(character)) continue;
    width +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/.test(
        character,
      )
        ? 2
        : 1;
  }
  return width;
}
