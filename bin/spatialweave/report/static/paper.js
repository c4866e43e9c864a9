// Paper does not scroll: a table that is a little wider than the paper is printed small, a wider one in parts, each with the
// first column.

const PAPER_WIDTH = 688;  // CSS pixels: A4 less its margins (report.css)
const SMALLER_UP_TO = 1.2;  // so many times the paper's width is made to fit by smaller letters

function paperTables() {
  for (const table of document.querySelectorAll(".scroll > table")) {
    if (!table.offsetParent) continue;
    const widths = columnWidths(table);
    const parts = fitting(widths);
    if (parts.length < 2) continue;
    if (widths.reduce((sum, own) => sum + own) <= SMALLER_UP_TO * PAPER_WIDTH) { table.classList.add("small"); continue; }
    for (const columns of parts) table.before(partOf(table, columns));
    table.classList.add("in-parts");
  }
}

// The widths of the columns on paper.
function columnWidths(table) {
  table.classList.add("paper");
  const widths = [...table.tHead?.rows[0]?.cells ?? []].map((cell) => cell.getBoundingClientRect().width);
  table.classList.remove("paper");
  return widths;
}

// The columns of each part: those that fit on paper beside the first column, at least one.
function fitting([first, ...others]) {
  const parts = [new Set()];
  let width = first;
  others.forEach((own, index) => {
    if (width + own > PAPER_WIDTH && parts.at(-1).size) { parts.push(new Set()); width = first; }
    parts.at(-1).add(index + 1);
    width += own;
  });
  return parts;
}

// A copy with the first column and some others. The one cell of a heading between the rows goes over all of them.
function partOf(table, columns) {
  const part = table.cloneNode(true);
  part.classList.add("part");
  for (const node of [part, ...part.querySelectorAll("[id]")]) node.removeAttribute("id");
  for (const row of part.rows) {
    if (row.cells.length === 1) row.cells[0].colSpan = columns.size + 1;
    else [...row.cells].forEach((cell, column) => { if (column && !columns.has(column)) cell.remove(); });
  }
  return part;
}

function screenTables() {
  document.querySelectorAll("table.part").forEach((part) => part.remove());
  document.querySelectorAll("table.in-parts, table.small").forEach((table) => table.classList.remove("in-parts", "small"));
}

addEventListener("beforeprint", paperTables);
addEventListener("afterprint", screenTables);
