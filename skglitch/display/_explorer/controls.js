// Controls: pointer, keys, legend, search, selection.

function element(tag, text = null, ...children) {
  const made = document.createElement(tag);
  if (text !== null) made.textContent = text; // never as HTML
  made.append(...children);
  return made;
}
const many = (count) => `${count.toLocaleString("en")} glitch${count === 1 ? "" : "es"}`;

// --- Cards: what is known of one glitch.

// Width and height for spectrograms: beside the map, a card leaves some of it to be seen.
function roomOfViews() {
  if (matchMedia("(max-width: 760px)").matches) return [size.width - 40, Infinity];
  const aboveThem = 34 + 20 * columns.length;
  return [Math.min(0.6 * size.width, size.width - 40), size.height - aboveThem - 46];
}
async function fillCard(card, i) {
  card.dataset.row = i;
  const drawn = pictures ? [element("canvas")] : [];
  for (const canvas of drawn) {
    await drawViews(canvas, i, ...roomOfViews());
    // Another glitch may have been asked for while this one was decoded.
    if (Number(card.dataset.row) !== i) return false;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Spectrograms of ${data.ids[i]}`);
  }
  const bar = element("div", null, element("h2", data.ids[i]));
  bar.className = "bar";
  const facts = columns.flatMap((column) => [element("dt", column.name), element("dd", valueOf(column, i) || "–")]);
  card.replaceChildren(bar, element("dl", null, ...facts), ...drawn);
  card.hidden = false;
  return true;
}
async function pin(i) {
  marks.pinned = i;
  hover(-1);
  requestDraw();
  if (i < 0) {
    byId("pin").dataset.row = -1;
    byId("pin").hidden = true;
    return;
  }
  // On the side that the glitch is not on.
  byId("pin").classList.toggle("left", toScreen(i)[0] > size.width / 2);
  if (!(await fillCard(byId("pin"), i))) return;
  const close = element("button", "×");
  close.type = "button";
  close.setAttribute("aria-label", "Close");
  close.addEventListener("click", () => { pin(-1); canvas.focus(); });
  byId("pin").querySelector(".bar").append(close);
  byId("pin").scrollIntoView({ block: "nearest" }); // on a phone it is below the map
}
async function hover(i) {
  if (i === marks.hovered) return;
  marks.hovered = i;
  requestDraw();
  const tip = byId("tip");
  tip.dataset.row = i;
  tip.hidden = true;
  if (i < 0 || i === marks.pinned) return;
  if (await fillCard(tip, i)) placeTip(tip, i);
}
// Beside the glitch, on the side that has more room.
function placeTip(tip, i) {
  const [x, y] = toScreen(i);
  const left = x < size.width / 2 ? x + 16 : x - 16 - tip.offsetWidth;
  const top = y - tip.offsetHeight / 2;
  tip.style.left = `${Math.max(8, Math.min(left, size.width - tip.offsetWidth - 8))}px`;
  tip.style.top = `${Math.max(8, Math.min(top, size.height - tip.offsetHeight - 8))}px`;
}
function goTo(i) {
  const group = groups[groupOf[i]];
  if (!group.shown) {
    group.shown = true;
    showLegend();
    filtered();
  }
  Object.assign(view, { x: px[i], y: py[i], scale: Math.max(view.scale, 4 * fitScale()) });
  pin(i);
}

// --- Pointer: one drags or draws, two zoom, a click pins.

let mode = dims === 3 ? "rotate" : "move";
const down = new Map(); // pointers that touch, by id
let press = null; // where the first touched, and what it does
const CLICK = 5;

function setMode(wanted) {
  mode = wanted;
  for (const each of ["rotate", "move", "lasso"]) byId(`mode-${each}`).setAttribute("aria-pressed", each === mode);
  canvas.classList.toggle("lasso", mode === "lasso");
}
const at = (event) => {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};
canvas.addEventListener("pointerdown", (event) => {
  if (event.button > 0) return;
  canvas.setPointerCapture(event.pointerId);
  const [x, y] = at(event);
  down.set(event.pointerId, [x, y]);
  if (down.size === 1) {
    press = { x, y, moved: false, does: event.shiftKey ? "lasso" : mode };
    if (press.does === "lasso") marks.lasso = [[x, y]];
  } else {
    Object.assign(press, { moved: true, does: "pinch" });
    marks.lasso = null;
  }
  hover(-1);
});
canvas.addEventListener("pointermove", (event) => {
  const [x, y] = at(event);
  if (!down.has(event.pointerId)) {
    if (event.pointerType === "mouse") hover(nearest(x, y, 10));
    return;
  }
  const before = down.get(event.pointerId);
  if (press.does === "pinch") {
    const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
    down.set(event.pointerId, [x, y]);
    if (!other) return;
    const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
    pan((x - before[0]) / 2, (y - before[1]) / 2);
    zoom(apart([x, y]) / apart(before), (x + other[0]) / 2, (y + other[1]) / 2);
    return;
  }
  down.set(event.pointerId, [x, y]);
  press.moved ||= Math.hypot(x - press.x, y - press.y) > CLICK;
  if (!press.moved) return;
  if (press.does === "lasso") marks.lasso.push([x, y]);
  else if (press.does === "rotate") {
    turn.yaw += (x - before[0]) * 0.008;
    turn.pitch = Math.min(Math.max(turn.pitch + (y - before[1]) * 0.008, -1.57), 1.57);
    project();
  } else pan(x - before[0], y - before[1]);
  requestDraw();
});
function lift(event) {
  if (!down.delete(event.pointerId) || down.size) return;
  const drawn = marks.lasso;
  marks.lasso = null;
  if (event.type === "pointerup" && !press.moved) {
    pin(nearest(press.x, press.y, event.pointerType === "mouse" ? 10 : 24));
  } else if (event.type === "pointerup" && press.does === "lasso") select(inside(drawn));
  requestDraw();
}
canvas.addEventListener("pointerup", lift);
canvas.addEventListener("pointercancel", lift);
canvas.addEventListener("pointerleave", () => hover(-1));
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 16 : 1;
  zoom(Math.exp(-event.deltaY * lines * 0.0015), ...at(event));
}, { passive: false });

// --- Keys, for those without a pointer.

const KEYS = {
  ArrowLeft: () => pan(60, 0), ArrowRight: () => pan(-60, 0),
  ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60),
  "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), 0: showAll,
  Enter: () => pin(nearest(size.width / 2, size.height / 2, Math.max(size.width, size.height))),
};
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") pin(-1); });

// --- Legend: what colors mean, and which classes are shown.

function showLegend() {
  light(-1);
  byId("legend-title").textContent = coloring ? `By ${coloring.name}` : "Glitches";
  const scale = 2;
  byId("legend").replaceChildren(...groups.map((group, k) => {
    const swatch = element("canvas");
    swatch.width = swatch.height = 16 * scale;
    const image = new ImageData(16 * scale, 16 * scale);
    const pixels = new Uint32Array(image.data.buffer).fill(pack(parse(group.color)) & 0xffffff);
    const shape = makeStamp(group.shape, 5.6 * scale, 16 * scale);
    const middle = 8 * scale * 16 * scale + 8 * scale;
    // Covered pixels are opaque and those at the rim in part, on whatever lies behind.
    shape.full.forEach((offset) => { pixels[middle + offset] |= 0xff000000; });
    shape.part.forEach((offset, p) => { pixels[middle + offset] |= Math.min(shape.shares[p], 255) << 24; });
    swatch.getContext("2d").putImageData(image, 0, 0);
    const button = element("button", null, swatch, element("span", group.name), element("small", group.count.toLocaleString("en")));
    button.type = "button";
    button.setAttribute("aria-pressed", group.shown);
    button.addEventListener("click", () => {
      group.shown = !group.shown;
      button.setAttribute("aria-pressed", group.shown);
      light(k);
      filtered();
    });
    button.addEventListener("pointerenter", () => light(k));
    button.addEventListener("pointerleave", () => light(-1));
    button.addEventListener("focus", () => { if (button.matches(":focus-visible")) light(k); });
    button.addEventListener("blur", () => light(-1));
    const item = element("li", null, button);
    item.hidden = !group.count;
    return item;
  }));
}
// Let a class stand out, as colors and markers are hard to look up among many.
function light(k) {
  marks.group = groups[k]?.shown ? k : -1;
  requestDraw();
}
function filtered() {
  const shown = groups.reduce((sum, group) => sum + (group.shown ? group.count : 0), 0);
  byId("count").textContent = shown === n ? many(n) : `${shown.toLocaleString("en")} of ${many(n)}`;
  if (marks.hovered >= 0 && !isShown(marks.hovered)) hover(-1);
  requestDraw();
}
function showGroups(shown) {
  groups.forEach((group) => { group.shown = shown; });
  showLegend();
  filtered();
}
function colorBy(index) {
  makeGroups(index);
  showLegend();
  filtered();
}

// --- Search.

const LISTED = 8, RINGED = 500;
function search() {
  const wanted = byId("search").value.trim().toLowerCase();
  const hits = [];
  if (wanted) for (let i = 0; i < n; i++) if (lowered[i].includes(wanted)) hits.push(i);
  // Who types a whole id wants that one, not those that contain it.
  hits.sort((a, b) => (lowered[b] === wanted) - (lowered[a] === wanted));
  marks.found = hits.slice(0, RINGED);
  const list = hits.slice(0, LISTED).map((i) => {
    const button = element("button", data.ids[i]);
    button.type = "button";
    button.addEventListener("click", () => goTo(i));
    return button;
  });
  const told = hits.length > LISTED ? `${many(hits.length)}, the first ${LISTED}:` : many(hits.length);
  byId("found").replaceChildren(element("span", told), ...list);
  byId("found").hidden = !wanted;
  requestDraw();
}
const lowered = data.ids.map((id) => id.toLowerCase());
byId("search").addEventListener("input", search);
byId("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && marks.found.length) { goTo(marks.found[0]); byId("found").hidden = true; }
});

// --- Selection, its gallery and its export.

const THUMBS = 60;

function select(rows) {
  selection = rows;
  selected.fill(0);
  for (const i of rows) selected[i] = 1;
  byId("selected").textContent = rows.length ? `${many(rows.length)} selected` : "None selected";
  for (const id of ["clear", "copy", "save"]) byId(id).disabled = !rows.length;
  say("");
  showGallery();
  requestDraw();
}
async function showGallery() {
  const rows = pictures ? selection.slice(0, THUMBS) : [];
  const thumbs = rows.map((i) => {
    const picture = element("canvas");
    const button = element("button", null, picture, element("span", data.ids[i]));
    button.type = "button";
    button.title = data.ids[i];
    button.addEventListener("click", () => goTo(i));
    return [button, picture, i];
  });
  byId("gallery").replaceChildren(...thumbs.map(([button]) => button));
  byId("rest").hidden = selection.length === rows.length || !pictures;
  byId("rest").textContent = `The first ${THUMBS} are shown; the table has all.`;
  for (const [, picture, i] of thumbs) if (picture.isConnected) await drawThumb(picture, i);
}
function csv() {
  const quote = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const header = ["id", ...columns.map(({ name }) => name)];
  const rows = selection.map((i) => [data.ids[i], ...columns.map((column) => valueOf(column, i))]);
  return [header, ...rows].map((row) => `${row.map(quote).join(",")}\n`).join("");
}
const idLines = () => `${selection.map((i) => data.ids[i]).join("\n")}\n`;
const say = (text) => { byId("said").textContent = text; };

function save() {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  link.download = "glitches.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
async function copy() {
  try {
    await navigator.clipboard.writeText(idLines());
  } catch {
    // Browsers that keep the clipboard from pages read from a disk have this older way.
    const area = element("textarea", idLines());
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) { say("The browser does not let this page copy: save them instead."); return; }
  }
  say(`${selection.length.toLocaleString("en")} ids copied`);
}

// --- Start.

const ON_CLICK = {
  "mode-rotate": () => setMode("rotate"), "mode-move": () => setMode("move"), "mode-lasso": () => setMode("lasso"),
  "zoom-in": () => zoom(1.4), "zoom-out": () => zoom(1 / 1.4), reset: showAll,
  all: () => showGroups(true), none: () => showGroups(false),
  "select-shown": () => select(Array.from({ length: n }, (_, i) => i).filter(isShown)),
  clear: () => select([]), copy, save,
};
for (const [id, action] of Object.entries(ON_CLICK)) byId(id).addEventListener("click", action);
byId("mode-rotate").hidden = dims !== 3;
byId("color-by-label").hidden = colorings.length < 2;
byId("color-by").append(...colorings.map(({ name }, k) => new Option(name, k)));
byId("color-by").addEventListener("change", (event) => colorBy(Number(event.target.value)));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  readTheme();
  requestDraw();
  if (marks.pinned >= 0) pin(marks.pinned);
});
new ResizeObserver(resize).observe(byId("stage"));
readTheme();
project();
colorBy(0);
resize();
setMode(mode);
showAll();
