// Keeps the drawn page up to date. The server draws; this script replaces, filters, copies and shows the age.
import { follow } from "./live.js";

const connection = document.getElementById("connection");
const announcement = document.getElementById("announcement");
const query = document.getElementById("query");
const matches = document.getElementById("matches");

const STALE_ROUNDS = 3; // fewer missed rounds may be a short delay
const COPIED_MS = 1500;

let loaded = performance.now(); // when the sections on the page were current
let online = null;

function sections() {
  return [...document.querySelectorAll("section.cluster")];
}

function lasting(seconds) {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

// Ages are counted on the browser's monotonic clock: its wall clock may be as wrong as any other.
function showAge() {
  const since = (performance.now() - loaded) / 1000;
  let stale = false;
  for (const section of sections()) {
    const age = Number(section.dataset.age) + since;
    const late = age > STALE_ROUNDS * Number(section.dataset.interval);
    section.querySelector(".age").textContent = late ? `stale: ${lasting(age)} old` : `${lasting(age)} ago`;
    section.classList.toggle("stale", late);
    stale = stale || late;
  }
  if (online === null) return;
  const words = online ? (stale ? "Connected, but no new round came." : "Live.") : "Connection lost; trying again.";
  if (connection.textContent !== words) connection.textContent = words;
  connection.className = `connection ${online && !stale ? "live" : "lost"}`;
  document.body.classList.toggle("disconnected", !online);
}

// Announces changes to screen readers, and nothing that stays the same.
function announce(before) {
  const changed = sections()
    .filter((section) => section.dataset.verdict !== before.get(section.dataset.name))
    .map((section) => `${section.dataset.name}: ${section.querySelector(".verdict").textContent}`);
  if (changed.length) announcement.textContent = changed.join(" ");
}

function verdicts() {
  return new Map(sections().map((section) => [section.dataset.name, section.dataset.verdict]));
}

// Returns the element of the new drawing that corresponds to the focused one: same kind, same row.
function focusPath() {
  const active = document.activeElement;
  const row = active?.closest("#clusters tr, #clusters section");
  if (!row) return null;
  const place = [...row.querySelectorAll("a, button")].indexOf(active);
  return { name: row.dataset.name, cluster: row.closest("section")?.dataset.name, tag: row.localName, place };
}

function restoreFocus(path) {
  if (!path) return;
  const twin = [...document.querySelectorAll(`#clusters ${path.tag}`)].find(
    (row) => row.dataset.name === path.name && row.closest("section")?.dataset.name === path.cluster,
  );
  twin?.querySelectorAll("a, button")[path.place]?.focus({ preventScroll: true });
}

function draw(html, ageSeconds) {
  const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("clusters");
  if (!fresh) return;
  const before = verdicts();
  const path = focusPath();
  document.getElementById("clusters").replaceWith(document.adoptNode(fresh));
  loaded = performance.now() - ageSeconds * 1000;
  enhance();
  restoreFocus(path);
  announce(before);
}

function enhance() {
  for (const button of document.querySelectorAll("button.copy")) button.hidden = !navigator.clipboard;
  const verdict = document.getElementById("clusters").dataset.verdict;
  document.title = verdict === "ok" || verdict === "waiting" ? "skewmon" : `${verdict}: skewmon`;
  filter();
  showAge();
}

function filter() {
  const wanted = query.value.trim().toLowerCase();
  const rows = [...document.querySelectorAll("#clusters tbody tr")];
  let shown = 0;
  for (const row of rows) {
    row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
    if (!row.hidden) shown += 1;
  }
  const text = wanted ? `${shown} of ${rows.length} shown` : "";
  if (matches.textContent !== text) matches.textContent = text;
}

async function copy(button) {
  await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
  button.textContent = "Copied";
  setTimeout(() => {
    button.textContent = "Copy";
  }, COPIED_MS);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button.copy");
  if (button) copy(button);
});
document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("filter").hidden = false;
query.addEventListener("input", filter);
setInterval(showAge, 1000);
enhance();
follow({
  draw,
  state(isOnline) {
    online = isOnline;
    showAge();
  },
});
