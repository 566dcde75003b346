// Keeps the drawn page up to date. The server draws; this script replaces parts, filters, copies and shows the age.
import { follow } from "./live.js";
import { forget } from "./matrix.js";

const connection = document.getElementById("connection");
const announcement = document.getElementById("announcement");
const query = document.getElementById("query");
const matches = document.getElementById("matches");

const STALE_ROUNDS = 3; // fewer missed rounds may be a short delay
const COPIED_MS = 1500;
const FILTERED = "#content tbody tr, #content .cell";
const FOCUSABLE = "a, button, summary, [tabindex]";

const opened = new Map(); // what the reader folded or unfolded, by data-key

let loaded = performance.now(); // when the parts on the page were current
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

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Ages are counted on the browser's monotonic clock: its wall clock may be as wrong as any other.
function showAge() {
  const since = (performance.now() - loaded) / 1000;
  let stale = false;
  for (const section of sections()) {
    const age = Number(section.querySelector("header").dataset.age) + since;
    const late = age > STALE_ROUNDS * Number(section.dataset.interval);
    write(section.querySelector(".age"), late ? `stale: ${lasting(age)} old` : `${lasting(age)} ago`);
    section.classList.toggle("stale", late);
    stale = stale || late;
  }
  if (online === null) return;
  write(connection, online ? (stale ? "Connected, but no new round came." : "Live.") : "Connection lost; trying again.");
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

// Returns how to find the element that corresponds to the focused one after its part was replaced.
function focusPath(old) {
  const active = document.activeElement;
  if (!old.contains(active)) return null;
  const part = active.closest("[id]");
  return { id: part.id, place: [...part.querySelectorAll(FOCUSABLE)].indexOf(active) };
}

function restoreFocus(path) {
  const part = path && document.getElementById(path.id);
  const twin = path?.place < 0 ? part : part?.querySelectorAll(FOCUSABLE)[path.place];
  twin?.focus({ preventScroll: true });
}

function replace(fresh) {
  const old = document.getElementById(fresh.id);
  if (!old) return false;
  const path = focusPath(old);
  old.replaceWith(fresh);
  enhance(fresh);
  restoreFocus(path);
  return true;
}

// Parses many parts at once. Rows of a table are parsed by themselves: beside others, the parser would move them.
function parsed(parts) {
  const isRow = (html) => /^<t(r|body)[ >]/.test(html);
  return [parts.filter(isRow), parts.filter((html) => !isRow(html))].flatMap((some) => {
    const template = document.createElement("template");
    template.innerHTML = some.join("");
    return [...template.content.children];
  });
}

// Replaces the parts that changed; returns whether all of them were on the page.
function apply(parts, ageSeconds) {
  const before = verdicts();
  const fits = parsed(Object.values(parts)).every(replace);
  loaded = performance.now() - ageSeconds * 1000;
  if (query.value) filter();
  showTitle();
  showAge();
  announce(before);
  forget();
  return fits;
}

function within(element, selector) {
  return [...(element.matches(selector) ? [element] : []), ...element.querySelectorAll(selector)];
}

function enhance(element) {
  for (const button of within(element, "button.copy")) button.hidden = !navigator.clipboard;
  for (const details of within(element, "details[data-key]")) {
    details.open = opened.get(details.dataset.key) ?? details.open;
  }
}

function showTitle() {
  const verdict = document.querySelector("#content [data-verdict]")?.dataset.verdict ?? "ok";
  const title = document.body.dataset.title;
  document.title = verdict === "ok" || verdict === "waiting" ? title : `${verdict}: ${title}`;
}

function filter() {
  const wanted = query.value.trim().toLowerCase();
  const rows = [...document.querySelectorAll(FILTERED)];
  let shown = 0;
  for (const row of rows) {
    row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
    if (!row.hidden) shown += 1;
  }
  write(matches, wanted ? `${shown} of ${rows.length} shown` : "");
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
  const summary = event.target.closest("details[data-key] > summary");
  if (summary) opened.set(summary.parentElement.dataset.key, !summary.parentElement.open);
});
document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("filter").hidden = false;
query.addEventListener("input", filter);
setInterval(showAge, 1000);
enhance(document.body);
showTitle();
follow({
  root: document.body.dataset.root,
  token: document.body.dataset.token,
  apply,
  state(isOnline) {
    online = isOnline;
    showAge();
  },
});
