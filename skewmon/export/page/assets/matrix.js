// Names the pair under the pointer or the keyboard's cursor, from the same document that the matrix is drawn from.
import { offset, visible } from "./format.js";

const NS = 1e9;
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

let cursor = null; // { cluster, node, peer }
let documents = null; // the newest status, fetched once a round while a pair is shown

export function forget() {
  documents = null;
  if (cursor) show();
}

function status(root) {
  documents ??= fetch(`${root}api/v1/status`, { cache: "no-store" }).then((response) => response.json());
  return documents;
}

function boxOf(cluster) {
  return [...document.querySelectorAll(".matrix-box")].find((box) => box.dataset.cluster === cluster);
}

function clocksOf(svg) {
  return JSON.parse(svg.dataset.clocks);
}

function ends(nodes, name) {
  const found = nodes.find((node) => node.name === name)?.offset;
  return found ? [Math.round(found.lower * NS), Math.round(found.upper * NS)] : null;
}

async function show() {
  const shown = cursor;
  const { clusters } = await status(document.body.dataset.root);
  if (shown !== cursor) return;
  const nodes = clusters.find((one) => one.name === cursor.cluster)?.nodes ?? [];
  const [own, other] = [ends(nodes, cursor.node), ends(nodes, cursor.peer)];
  const box = boxOf(cursor.cluster);
  const svg = box?.querySelector("svg.pairs");
  if (!svg) return;
  const names = `${visible(cursor.node)} minus ${visible(cursor.peer)}`;
  const text = own && other ? offset(own[0] - other[1], own[1] - other[0]) : "not measured";
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
