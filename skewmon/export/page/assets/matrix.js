// Names the pair under the pointer or the keyboard's cursor, from the same document that the matrix is drawn from.
import { offset, visible } from "./format.js";

const NS = 1e9;
const PAIRS_MAX = 1_000; // of one answer: all peers of the largest cluster
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

let cursor = null; // { cluster, node, peer }
let asked = null; // { url, answer }: the pairs of one clock, fetched once a round

export function forget() {
  asked = null;
  if (cursor) show();
}

// Returns all pairs of a clock, as the API has them.
function pairsOf(cluster, node) {
  const query = `pairs?node=${encodeURIComponent(node)}&limit=${PAIRS_MAX}`;
  const url = `${document.body.dataset.root}api/v1/clusters/${encodeURIComponent(cluster)}/${query}`;
  if (asked?.url !== url) {
    asked = { url, answer: fetch(url, { cache: "no-store" }).then((response) => response.json()) };
  }
  return asked.answer;
}

function boxOf(cluster) {
  return [...document.querySelectorAll(".matrix-box")].find((box) => box.dataset.cluster === cluster);
}

function clocksOf(svg) {
  return JSON.parse(svg.dataset.clocks);
}

async function show() {
  const shown = cursor;
  const { pairs } = await pairsOf(cursor.cluster, cursor.node);
  if (shown !== cursor) return;
  const pair = pairs?.find((one) => one.peer === cursor.peer);
  const box = boxOf(cursor.cluster);
  const svg = box?.querySelector("svg.pairs");
  if (!svg) return;
  const names = `${visible(cursor.node)} minus ${visible(cursor.peer)}`;
  const text = pair ? offset(Math.round(pair.lower * NS), Math.round(pair.upper * NS)) : "not measured";
  box.querySelector(".readout").textContent = cursor.node === cursor.peer ? visible(cursor.node) : `${names}: ${text}`;
  const clocks = clocksOf(svg);
  const [row, column] = [clocks.indexOf(cursor.node), clocks.indexOf(cursor.peer)];
  const cell = svg.viewBox.baseVal.width / clocks.length;
  const outline = row < 0 || column < 0 ? "" : `M${column * cell} ${row * cell}h${cell}v${cell}h-${cell}z`;
  svg.querySelector(".cursor").setAttribute("d", outline);
}

function place(svg, row, column) {
  const clocks = clocksOf(svg);
  const clamp = (value) => Math.min(clocks.length - 1, Math.max(0, value));
  const cluster = svg.closest(".matrix-box").dataset.cluster;
  const next = { cluster, node: clocks[clamp(row)], peer: clocks[clamp(column)] };
  if (cursor && Object.keys(next).every((key) => next[key] === cursor[key])) return;
  cursor = next;
  show();
}

function point(event) {
  const svg = event.target.closest?.("svg.pairs");
  if (!svg) return;
  const box = svg.getBoundingClientRect();
  const count = clocksOf(svg).length;
  const at = (value, start, size) => Math.floor(((value - start) / size) * count);
  place(svg, at(event.clientY, box.top, box.height), at(event.clientX, box.left, box.width));
}

function move(event) {
  const svg = event.target.closest?.("svg.pairs");
  const step = STEPS[event.key];
  if (!svg || !step) return;
  event.preventDefault();
  const clocks = clocksOf(svg);
  const here = cursor?.cluster === svg.closest(".matrix-box").dataset.cluster;
  const [row, column] = here ? [clocks.indexOf(cursor.node), clocks.indexOf(cursor.peer)] : [0, 0];
  const far = event.ctrlKey ? clocks.length : event.shiftKey ? 10 : 1;
  place(svg, row + step[0] * far, column + step[1] * far);
}

document.addEventListener("pointermove", point);
document.addEventListener("pointerdown", point);
document.addEventListener("keydown", move);
