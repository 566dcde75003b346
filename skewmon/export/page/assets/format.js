// Offsets as text, in the words of skewmon/text.py; a test compares the two.

const UNITS = [
  [1_000_000_000, "s"],
  [1_000_000, "ms"],
  [1_000, "us"],
  [1, "ns"],
];
const DECIMALS_MAX = 6;
const LONG_NS = 1_000 * UNITS[0][0];

function unitOf(ns) {
  return UNITS.find(([size]) => Math.abs(ns) >= size) ?? UNITS.at(-1);
}

// Returns an estimate with as many digits as its bound supports.
function estimate(ns, boundNs) {
  const [size, unit] = unitOf(ns);
  const digits = Math.max(0, String(size).length - String(Math.max(1, Math.floor(boundNs / 10))).length);
  const text = (ns / size).toFixed(Math.min(digits, DECIMALS_MAX));
  return `${ns < 0 ? "" : "+"}${text} ${unit}`;
}

// Returns a bound in two or three digits, never smaller than it is.
function bound(ns) {
  const [size, unit] = unitOf(ns);
  if (ns >= LONG_NS) return `${Math.ceil(ns / size).toLocaleString("en")} ${unit}`;
  const scaled = ns >= 10 * size ? Math.ceil(ns / size) : Math.ceil((ns * 10) / size) / 10;
  return `${scaled} ${unit}`;
}

export function offset(lowerNs, upperNs) {
  const middle = Math.floor((lowerNs + upperNs) / 2);
  const half = Math.ceil((upperNs - lowerNs) / 2);
  return `${estimate(middle, half)} ± ${bound(half)}`;
}

export function all(intervals) {
  return intervals.map(([lower, upper]) => offset(lower, upper));
}

// Makes control characters and marks that reverse the direction of reading visible.
export function visible(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (sign) => `\\u${sign.codePointAt(0).toString(16).padStart(4, "0")}`);
}
