
// A page that follows a running fit: its state every second, all of it when passes have ended.
const stops = "a, button, [tabindex]";
const version = () => document.getElementById("status").dataset.version;
let state = null, isBusy = false, failures = 0;

async function renew() {
  const frame = document.getElementById("frame");
  const text = await (await fetch("frame")).text();
  const sorted = [...frame.querySelectorAll(".sortable th:is([aria-sort=ascending], [aria-sort=descending])")]
    .map((th) => [th.closest("table").id, [...th.parentNode.children].indexOf(th), th.getAttribute("aria-sort")]);
  const boxes = [...frame.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
  const focused = [...document.querySelectorAll(stops)].indexOf(document.activeElement);
  frame.innerHTML = text;
  for (const [id, column, order] of sorted) {
    const header = document.getElementById(id)?.tHead.rows[0].cells[column];
    if (header) sortBy(header, order);
  }
  frame.querySelectorAll(".scroll").forEach((box, i) => box.scrollTo(...(boxes[i] ?? [0, 0])));
  if (focused >= 0) document.querySelectorAll(stops)[focused]?.focus({ preventScroll: true });
}

function show() {
  document.getElementById("status").innerHTML = state.status;
}

async function follow() {
  try {
    const before = state?.kind;
    state = await (await fetch("state")).json();
    show();
    if (before !== state.kind) announce(`The fit is ${state.kind}.`);
    if (state.version !== version() && !isBusy && !document.hidden) {
      isBusy = true;
      renew().then(show).catch(() => {}).finally(() => { isBusy = false; });
    }
    failures = 0;
    if (state.is_last && state.version === version()) return;
  } catch {
    failures += 1;
    if (failures === 3) announce("streamkm watch has ended; this page stays as it is.", "ended");
  }
  setTimeout(follow, failures ? 3000 : 1000);
}

function announce(text, kind = "unseen") {
  const place = document.getElementById("announced");
  place.textContent = text;
  place.className = kind;
}

follow();
