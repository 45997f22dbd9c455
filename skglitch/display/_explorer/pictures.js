// Pictures: decoded when somebody looks, colored here, as gray ones are smaller.

const pictures = data.pictures && { ...data.pictures, viridis: new Uint8Array(bytes(data.pictures.viridis)) };
const SHEETS_KEPT = 24;
const sheets = new Map();

function sheet(number) {
  const decoded = sheets.get(number) ?? decode(number);
  sheets.delete(number);
  sheets.set(number, decoded); // the last is the one used last
  if (sheets.size > SHEETS_KEPT) sheets.delete(sheets.keys().next().value);
  return decoded;
}
async function decode(number) {
  const image = new Image();
  image.src = byId(`sheet-${number}`).textContent;
  await image.decode();
  const drawn = document.createElement("canvas");
  [drawn.width, drawn.height] = [image.width, image.height];
  const pen = drawn.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0);
  return pen;
}

// The views of a glitch side by side, in color.
async function tile(i) {
  const { views, height, width, perSheet, viridis } = pictures;
  const pen = await sheet(Math.floor(i / perSheet));
  const pixels = pen.getImageData(0, (i % perSheet) * height, views * width, height);
  for (let k = 0; k < pixels.data.length; k += 4) {
    const level = 3 * pixels.data[k];
    for (let c = 0; c < 3; c++) pixels.data[k + c] = viridis[level + c];
  }
  const drawn = document.createElement("canvas");
  [drawn.width, drawn.height] = [pixels.width, pixels.height];
  drawn.getContext("2d").putImageData(pixels, 0, 0);
  return drawn;
}
const columnsOf = (views) => (views === 1 ? 1 : views === 3 ? 3 : 2);

async function drawThumb(target, i) {
  const { views, height, width } = pictures;
  const source = await tile(i);
  const columns = columnsOf(views), rows = Math.ceil(views / columns);
  const shrink = Math.max(1, (columns * width) / 168);
  const [w, h] = [Math.round(width / shrink), Math.round(height / shrink)];
  [target.width, target.height] = [columns * w, rows * h];
  const pen = target.getContext("2d");
  for (let v = 0; v < views; v++) {
    pen.drawImage(source, v * width, 0, width, height, (v % columns) * w, Math.floor(v / columns) * h, w, h);
  }
}

const MARGIN = { left: 58, top: 18, right: 12, bottom: 20, end: 16 };
const short = (value) => String(Number(value.toPrecision(4)));
function frequencyTicks([low, high]) {
  const ticks = [];
  for (let p = Math.ceil(Math.log10(low) - 1e-9); 10 ** p <= high * (1 + 1e-9); p++) ticks.push(10 ** p);
  return ticks.length > 1 ? ticks : [low, high];
}
const SMALLEST_VIEW = 100; // of which the numbers below do not run together
// All views with their axes, in the width and height in CSS pixels that there are.
async function drawViews(target, i, roomX, roomY) {
  const { views, height, width, durations, frange } = pictures;
  const source = await tile(i);
  const columns = columnsOf(views), rows = Math.ceil(views / columns);
  const slope = Math.min(height / width, 1.2);
  const across = (roomX - MARGIN.left) / columns - MARGIN.right;
  const up = (roomY - MARGIN.end) / rows - MARGIN.top - MARGIN.bottom;
  const most = columns === 1 ? 280 : 170;
  const w = Math.floor(Math.min(most, Math.max(Math.min(across, up / slope), SMALLEST_VIEW)));
  const h = Math.round(w * slope);
  const stepX = w + MARGIN.right, stepY = MARGIN.top + h + MARGIN.bottom;
  const wide = MARGIN.left + columns * stepX, high = rows * stepY + MARGIN.end;
  const ratio = window.devicePixelRatio || 1;
  [target.width, target.height] = [wide * ratio, high * ratio];
  target.style.width = `${wide}px`;
  const pen = target.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = "12px system-ui, sans-serif";
  pen.fillStyle = pen.strokeStyle = theme.text;
  for (let v = 0; v < views; v++) {
    const column = v % columns;
    const x = MARGIN.left + column * stepX, y = Math.floor(v / columns) * stepY + MARGIN.top;
    pen.drawImage(source, v * width, 0, width, height, x, y, w, h);
    pen.textAlign = "center";
    pen.textBaseline = "alphabetic";
    pen.fillText(`${short(durations[v])} s`, x + w / 2, y - 5);
    pen.textBaseline = "top";
    [-0.5, 0, 0.5].forEach((at) => {
      const along = x + w * (at + 0.5);
      pen.fillRect(along - 0.5, y + h, 1, 4);
      pen.textAlign = at < 0 ? "left" : at > 0 ? "right" : "center";
      pen.fillText(short(at * durations[v]).replace("-", "−"), along, y + h + 6);
    });
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const tick of frequencyTicks(frange)) {
      const up = y + h * (1 - Math.log(tick / frange[0]) / Math.log(frange[1] / frange[0]));
      pen.fillRect(x - 4, up - 0.5, 4, 1);
      if (column === 0) pen.fillText(short(tick), x - 6, up);
    }
  }
  pen.textAlign = "center";
  pen.textBaseline = "bottom";
  pen.fillText("Time (s)", MARGIN.left + (columns * stepX - MARGIN.right) / 2, high);
  pen.translate(2, (rows * stepY) / 2);
  pen.rotate(-Math.PI / 2);
  pen.textBaseline = "top";
  pen.fillText("Frequency (Hz)", 0, 0);
}
