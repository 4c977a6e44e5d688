/**
 * A sortable HTML table: scopes for screen readers, the plain value of each cell for sorting.
 */
import { html, type Markup } from "./markup.ts";

/** What a cell shows, and what it is sorted by; null sorts last. */
export type DataCell = {
  readonly text: string;
  readonly value: string | number | null;
  readonly role?: "bad" | "warn" | undefined;
};

export type DataColumn<Row> = {
  readonly title: string;
  /** What the head's tooltip says. */
  readonly hint?: string;
  readonly kind: "text" | "number";
  readonly cell: (row: Row) => DataCell;
};

export type DataTable<Row> = {
  readonly caption: string;
  readonly columns: readonly DataColumn<Row>[];
  readonly rows: readonly Row[];
  /** Id of the row's element, for links. */
  readonly anchor?: (row: Row) => string;
};

/** The first column heads the rows. Columns without any value are left out. */
export function dataTable<Row>(table: DataTable<Row>): Markup {
  const columns = table.columns.filter(
    ({ cell }, at) => at === 0 || table.rows.some((row) => cell(row).value !== null),
  );
  const heads = columns.map(
    ({ title, hint, kind }) =>
      html`<th scope="col" class="${kind}" title="${hint ?? title}"><button type="button">${title}</button></th>`,
  );
  const rows = table.rows.map((row) => {
    const id = table.anchor === undefined ? null : html` id="${table.anchor(row)}"`;
    return html`<tr${id}>${columns.map((column, at) => dataCell(column, row, at === 0))}</tr>`;
  });
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${table.caption}"><table class="layers"><thead><tr>${heads}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

function dataCell<Row>(column: DataColumn<Row>, row: Row, isHead: boolean): Markup {
  const { text, value, role } = column.cell(row);
  const names = role === undefined ? column.kind : `${column.kind} ${role}`;
  // Six digits sort as well as seventeen.
  const sortValue = typeof value === "number" ? Number(value.toPrecision(6)) : (value ?? "");
  return isHead
    ? html`<th scope="row" class="${names}" title="${text}" data-v="${sortValue}">${text}</th>`
    : html`<td class="${names}" data-v="${sortValue}">${text}</td>`;
}

/** A small table that needs no sorting; its last column may run over several lines. */
export function plainTable(heads: readonly string[], rows: readonly (readonly string[])[]): Markup {
  return html`<div class="scroll"><table><thead><tr>${heads.map((head) => html`<th scope="col" class="text">${head}</th>`)}</tr></thead><tbody>${rows.map(
    ([first, ...rest]) =>
      html`<tr><th scope="row" class="text">${first ?? ""}</th>${rest.map((cell, at) => html`<td class="${at === rest.length - 1 ? "text free" : "text"}">${cell}</td>`)}</tr>`,
  )}</tbody></table></div>`;
}
