"use strict";
// Points: where they are, how they look, which is under the pointer. They are drawn into an
// array of pixels, as a canvas takes ten times as long for 50,000 shapes of its own.

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;

const n = data.ids.length;
const dims = data.dimensions;
const places = new Float32Array(bytes(data.places));
const columns = data.columns.map((column) => (
  column.codes ? { ...column, codes: new Uint32Array(bytes(column.codes)) } : column
));
const valueOf = ({ classes, codes, numbers }, i) => String((codes ? classes[codes[i]] : numbers[i]) ?? "");
const MOST_CLASSES = 500; // of which a legend can still be read
const colorings = columns.filter(({ classes }) => classes && classes.length <= MOST_CLASSES);

const canvas = byId("map");
const context = canvas.getContext("2d");

// --- Projection: from the map, turned if it has three dimensions, to the plane that is seen.

const px = new Float32Array(n);
const py = new Float32Array(n);
const center = [0, 1, 2].slice(0, dims).map((axis) => {
  let low = Infinity, high = -Infinity;
  for (let i = axis; i < places.length; i += dims) {
    low = Math.min(low, places[i]);
    high = Math.max(high, places[i]);
  }
  return { middle: (low + high) / 2, half: (high - low) / 2 };
});
// How far the farthest point is from the middle: so far a map that is turned reaches.
let extent = 0;
for (let i = 0; i < n; i++) {
  extent = Math.max(extent, Math.hypot(...center.map((axis, k) => places[i * dims + k] - axis.middle)));
}
const turn = { yaw: dims === 3 ? 0.6 : 0, pitch: dims === 3 ? 0.4 : 0 };
let grid = null;

function project() {
  const [cy, sy] = [Math.cos(turn.yaw), Math.sin(turn.yaw)];
  const [cp, sp] = [Math.cos(turn.pitch), Math.sin(turn.pitch)];
  for (let i = 0; i < n; i++) {
    const x = places[i * dims] - center[0].middle;
    const y = places[i * dims + 1] - center[1].middle;
    const z = dims === 3 ? places[i * 3 + 2] - center[2].middle : 0;
    px[i] = cy * x + sy * z;
    py[i] = cp * y - sp * (cy * z - sy * x);
  }
  grid = null;
}

// --- View: the part of the plane that is on the screen. Screen coordinates are CSS pixels.

const view = { x: 0, y: 0, scale: 1 };
const size = { width: 1, height: 1, ratio: 1 };

function fitScale() {
  const half = dims === 3 ? [extent, extent] : [center[0].half, center[1].half];
  return 0.92 * Math.min(size.width / 2 / (half[0] || 1), size.height / 2 / (half[1] || 1));
}
function showAll() {
  Object.assign(view, { x: 0, y: 0, scale: fitScale() });
  requestDraw();
}
const toScreen = (i) => [
  (px[i] - view.x) * view.scale + size.width / 2,
  size.height / 2 - (py[i] - view.y) * view.scale,
];
const toPlane = (x, y) => [
  (x - size.width / 2) / view.scale + view.x,
  (size.height / 2 - y) / view.scale + view.y,
];
function zoom(factor, x = size.width / 2, y = size.height / 2) {
  const [ax, ay] = toPlane(x, y);
  view.scale = Math.min(Math.max(view.scale * factor, fitScale() / 4), fitScale() * 2000);
  const [bx, by] = toPlane(x, y);
  view.x += ax - bx;
  view.y += ay - by;
  requestDraw();
}
function pan(dx, dy) {
  view.x -= dx / view.scale;
  view.y += dy / view.scale;
  requestDraw();
}

// --- Looks: each class of the column that colors has a color and a marker.

const SHAPES = [
  (x, y) => x * x + y * y <= 1,
  (x, y) => y <= 0.75 && y >= 2 * Math.abs(x) - 1.05,
  (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.86,
  (x, y) => Math.abs(x) + Math.abs(y) <= 1.15,
  (x, y) => y >= -0.75 && -y >= 2 * Math.abs(x) - 1.05,
  (x, y) => Math.min(Math.abs(x), Math.abs(y)) <= 0.32 && Math.max(Math.abs(x), Math.abs(y)) <= 1.1,
  (x, y) => Math.min(Math.abs(x + y), Math.abs(x - y)) <= 0.42 && Math.max(Math.abs(x), Math.abs(y)) <= 0.95,
];
const GREY = "#8a8f96";
let coloring = null; // the column that colors
const groupOf = new Uint16Array(n); // of each point
const drawOrder = new Uint32Array(n); // those without a class first, beneath all others
let groups = []; // {name, color, shape, count, shown}
const selected = new Uint8Array(n);
let selection = []; // the same as row numbers

function makeGroups(index) {
  coloring = colorings[index] ?? null;
  const names = coloring ? coloring.classes : [];
  groups = names.map((name, k) => ({
    name, color: data.colors[k % data.colors.length], shape: k % SHAPES.length,
  }));
  groups.push({ name: coloring ? `no ${coloring.name}` : "all", color: coloring ? GREY : data.colors[0], shape: 0 });
  for (const group of groups) Object.assign(group, { count: 0, shown: true });
  for (let i = 0; i < n; i++) {
    groupOf[i] = coloring ? Math.min(coloring.codes[i], names.length) : 0;
    groups[groupOf[i]].count++;
  }
  let beneath = 0, above = groups[names.length].count;
  for (let i = 0; i < n; i++) drawOrder[groupOf[i] === names.length ? beneath++ : above++] = i;
}
const isShown = (i) => groups[groupOf[i]].shown;

// Share of each pixel around a point that its marker covers.
function makeStamp(shape, radius, stride) {
  const reach = Math.ceil(radius * 1.2);
  const full = [], part = [], shares = [];
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      let inside = 0;
      for (let a = 0; a < 16; a++) {
        const x = dx + ((a & 3) - 1.5) / 4, y = dy + ((a >> 2) - 1.5) / 4;
        inside += SHAPES[shape](x / radius, y / radius);
      }
      if (inside === 16) full.push(dy * stride + dx);
      else if (inside) { part.push(dy * stride + dx); shares.push(inside * 16); }
    }
  }
  return { full: Int32Array.from(full), part: Int32Array.from(part), shares: Int32Array.from(shares) };
}
const parse = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const pack = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
const blend = (front, back, share) => front.map((value, k) => Math.round(value * share + back[k] * (1 - share)));

function stamp(pixels, at, { full, part, shares }, color) {
  for (let k = 0; k < full.length; k++) pixels[at + full[k]] = color;
  const r = color & 255, g = (color >> 8) & 255, b = (color >> 16) & 255;
  for (let k = 0; k < part.length; k++) {
    const old = pixels[at + part[k]], share = shares[k], rest = 256 - share;
    pixels[at + part[k]] = 0xff000000
      | ((b * share + ((old >> 16) & 255) * rest) >> 8) << 16
      | ((g * share + ((old >> 8) & 255) * rest) >> 8) << 8
      | (r * share + (old & 255) * rest) >> 8;
  }
}

// --- Drawing.

const RIM = 0.7; // CSS pixels around a marker, so that shapes stay apart where points are dense
const SMALLEST_RIMMED = 3; // of which there are too many for two stamps each, nor would it be seen
const PAD = 44; // pixels around the screen, so that no marker needs to be clipped
let buffer = null;
let theme = {};
const marks = { hovered: -1, pinned: -1, found: [], lasso: null, group: -1 };
let drawing = 0;

function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const [back, text, accent] = ["--back", "--text", "--accent"].map((name) => style.getPropertyValue(name).trim());
  theme = { back: parse(back), text, accent };
}
function resize() {
  const box = canvas.getBoundingClientRect();
  const ratio = Math.min(window.devicePixelRatio || 1, 2); // more is not seen, but slow
  const before = fitScale();
  Object.assign(size, { width: box.width || 1, height: box.height || 1, ratio });
  canvas.width = Math.round(size.width * ratio);
  canvas.height = Math.round(size.height * ratio);
  buffer = new ImageData(canvas.width + 2 * PAD, canvas.height + 2 * PAD);
  view.scale *= fitScale() / before;
  requestDraw();
}
function radius() {
  const plain = Math.min(Math.max(6.6 - 0.95 * Math.log10(n), 2), 5);
  const grown = Math.min(Math.max((view.scale / fitScale()) ** 0.25, 1), 2);
  return Math.min(plain * grown * size.ratio, PAD / 2.5);
}
function requestDraw() {
  drawing ||= requestAnimationFrame(draw);
}
function draw() {
  drawing = 0;
  const pixels = new Uint32Array(buffer.data.buffer);
  const stride = buffer.width;
  const back = pack(theme.back);
  pixels.fill(back);
  const r = radius();
  const stampsOf = (reach) => {
    const made = SHAPES.map((_, shape) => makeStamp(shape, reach, stride));
    return groups.map((group) => made[group.shape]);
  };
  const stamps = stampsOf(r);
  const rims = r / size.ratio < SMALLEST_RIMMED ? null : stampsOf(r + RIM * size.ratio);
  const bright = groups.map((group) => pack(parse(group.color)));
  const faint = groups.map((group) => pack(blend(parse(group.color), theme.back, 0.22)));
  const zoomed = view.scale * size.ratio;
  const left = canvas.width / 2 - view.x * zoomed, top = canvas.height / 2 + view.y * zoomed;
  const shown = groups.map((group) => group.shown);
  // What is selected, or of the class that is pointed at in the legend, stands out.
  const some = selection.length > 0, all = !some && marks.group < 0;
  const standsOut = (i) => (!some || selected[i] === 1) && (marks.group < 0 || groupOf[i] === marks.group);
  const drawAll = (wanted, colors) => {
    for (let k = 0; k < n; k++) {
      const i = drawOrder[k], group = groupOf[i];
      if (!shown[group] || (!all && standsOut(i) !== wanted)) continue;
      const x = Math.round(px[i] * zoomed + left), y = Math.round(top - py[i] * zoomed);
      if (x < -PAD / 2 || y < -PAD / 2 || x >= canvas.width + PAD / 2 || y >= canvas.height + PAD / 2) continue;
      const at = (y + PAD) * stride + x + PAD;
      if (rims) stamp(pixels, at, rims[group], back);
      stamp(pixels, at, stamps[group], colors[group]);
    }
  };
  if (!all) drawAll(false, faint);
  drawAll(true, bright);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.putImageData(buffer, -PAD, -PAD);
  drawMarks(r / size.ratio);
}
function ring(i, away, color, width) {
  context.beginPath();
  context.arc(...toScreen(i), away, 0, 2 * Math.PI);
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke();
}
function drawMarks(r) {
  context.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
  for (const i of marks.found) if (isShown(i)) ring(i, r + 4, theme.text, 1.5);
  if (marks.pinned >= 0) ring(marks.pinned, r + 5, theme.accent, 3);
  if (marks.hovered >= 0) ring(marks.hovered, r + 3, theme.text, 2);
  if (!marks.lasso) return;
  context.beginPath();
  marks.lasso.forEach(([x, y]) => context.lineTo(x, y));
  context.closePath();
  context.strokeStyle = theme.accent;
  context.lineWidth = 2;
  context.setLineDash([6, 4]);
  context.stroke();
  context.setLineDash([]);
}

// --- Who is where: points sorted into the cells of a grid over the plane.

function makeGrid() {
  const cells = Math.min(Math.max(Math.ceil(Math.sqrt(n / 2)), 1), 256);
  let low = [Infinity, Infinity], high = [-Infinity, -Infinity];
  for (let i = 0; i < n; i++) {
    low = [Math.min(low[0], px[i]), Math.min(low[1], py[i])];
    high = [Math.max(high[0], px[i]), Math.max(high[1], py[i])];
  }
  const step = [0, 1].map((k) => (high[k] - low[k]) / cells || 1);
  const cell = (value, k) => Math.min(Math.max(Math.floor((value - low[k]) / step[k]), 0), cells - 1);
  const start = new Uint32Array(cells * cells + 1);
  const where = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    where[i] = cell(py[i], 1) * cells + cell(px[i], 0);
    start[where[i] + 1]++;
  }
  for (let k = 0; k < cells * cells; k++) start[k + 1] += start[k];
  const fill = start.slice(), order = new Uint32Array(n);
  for (let i = 0; i < n; i++) order[fill[where[i]]++] = i;
  return { cells, cell, start, order };
}
// Call `visit` for each point that is shown and in a cell that the box touches.
function visitBox(x0, y0, x1, y1, visit) {
  grid ||= makeGrid();
  const { cells, cell, start, order } = grid;
  for (let row = cell(y0, 1); row <= cell(y1, 1); row++) {
    const from = start[row * cells + cell(x0, 0)], to = start[row * cells + cell(x1, 0) + 1];
    for (let k = from; k < to; k++) if (isShown(order[k])) visit(order[k]);
  }
}
function nearest(x, y, reach) {
  const [wx, wy] = toPlane(x, y);
  const r = reach / view.scale;
  let best = -1, least = r * r;
  visitBox(wx - r, wy - r, wx + r, wy + r, (i) => {
    const away = (px[i] - wx) ** 2 + (py[i] - wy) ** 2;
    if (away <= least) [best, least] = [i, away];
  });
  return best;
}
function inside(polygon) {
  const corners = polygon.map(([x, y]) => toPlane(x, y));
  const xs = corners.map((c) => c[0]), ys = corners.map((c) => c[1]);
  const found = [];
  visitBox(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys), (i) => {
    let within = false;
    for (let a = 0, b = corners.length - 1; a < corners.length; b = a++) {
      if ((ys[a] > py[i]) !== (ys[b] > py[i])
        && px[i] < ((xs[b] - xs[a]) * (py[i] - ys[a])) / (ys[b] - ys[a]) + xs[a]) within = !within;
    }
    if (within) found.push(i);
  });
  return found.sort((a, b) => a - b);
}
