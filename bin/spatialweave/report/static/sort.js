// Tables of the class "sortable": a click on a head sorts by its column, a second one the other way.

import { element } from "./dom.js";

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    // As text.py writes numbers: with a minus sign, and narrow spaces between thousands.
    const number = Number.parseFloat(text.replaceAll("\u2212", "-").replaceAll("\u202f", ""));
    return text === "" || text === "–" ? null : Number.isNaN(number) || cell.tagName === "TH" ? text : number;
  };
  const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const sort = () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [value(row, column), row]);
      // Missing values stay last.
      rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : down ? order(b, a) : order(a, b)));
      for (const [, row] of rows) body.append(row);
    };
    // The button has the focus, not the words in it.
    head.querySelectorAll("[tabindex]").forEach((node) => node.removeAttribute("tabindex"));
    head.append(element("button", { type: "button", onclick: sort }, ...head.childNodes));
  });
}
