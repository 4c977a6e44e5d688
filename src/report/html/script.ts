/**
 * The report's only script: click a head to sort its table, and open everything for the printer.
 * The page reads the same without it. Its hash stands in the page's content security policy, so
 * that no other script can run there.
 */

export const script: string = `
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const body = head.closest("table").tBodies[0];
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => row.cells[head.cellIndex].dataset.v ?? "";
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y, "en", { numeric: true }) : x - y;
      return up ? order : -order;
    };
    body.append(...[...body.rows].sort(compare));
  });
}
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
`;

/** SHA-256 of `script`, base64: what the content security policy admits. A test holds it. */
export const scriptHash = "a7BXcaSNnGG3dGnid7NGB8yKCpx/KfkQgwf3gvjOtUs=";
