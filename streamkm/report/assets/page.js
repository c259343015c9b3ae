"use strict";

// Sorting: a button in a column's header sorts by it, a second press turns the order round.
const collator = new Intl.Collator("en", { numeric: true });

function sortBy(header, order) {
  const table = header.closest("table");
  const column = [...header.parentNode.children].indexOf(header);
  const sign = order === "descending" ? -1 : 1;
  const rows = [...table.tBodies[0].rows].map((row) => {
    const cell = row.cells[column];
    const { value } = cell.dataset;
    return { row, text: cell.textContent, value: value === undefined ? NaN : Number(value) };
  });
  rows.sort((a, b) => {
    if (!a.text || !b.text) return (a.text ? 0 : 1) - (b.text ? 0 : 1); // what is not known stays last
    const difference = a.value - b.value;
    return sign * (Number.isNaN(difference) ? collator.compare(a.text, b.text) : difference);
  });
  for (const other of header.parentNode.children) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", order);
  table.tBodies[0].append(...rows.map((item) => item.row));
}

async function copyFrom(button) {
  const source = document.getElementById(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    getSelection().selectAllChildren(source); // the reader's own copy command does the rest
    return;
  }
  document.getElementById("copied").textContent = "Copied";
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const header = button.closest(".sortable th");
  if (header) sortBy(header, header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending");
  if (button.dataset.copies) copyFrom(button);
});
