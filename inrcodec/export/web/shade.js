// What is shown of the network at a point, as red, green and blue: the rules that both painters follow.

const COLOURS = PICTURE.channels < 3 ? 1 : 3;
const HAS_ALPHA = PICTURE.channels % 2 === 0;
const MODES = ["colour", "gradient", "laplacian"];
/** Side of the squares under what is transparent, in pixels of the screen, and their two greys. */
const CHECK = 8, LIGHT = 1.0, DARK = 0.8;
/** Most points along each side of a pixel of the screen, where the picture is shown smaller than it is. */
const MOST_POINTS = 4;

const clip = (v) => Math.min(1, Math.max(0, v));

/** out[0 .. 2] += the shade, 0 .. 1, of the picture at (y, x), which lies in pixel (row, column) of the screen. */
function addShade(mode, y, x, row, column, out) {
  if (mode === "colour") {
    const v = valuesAt(y, x);
    const alpha = HAS_ALPHA ? clip((v[COLOURS] + 1) / 2) : 1;
    const under = (Math.floor(row / CHECK) + Math.floor(column / CHECK)) % 2 ? DARK : LIGHT;
    for (let c = 0; c < 3; c++) out[c] += alpha * clip((v[COLOURS === 1 ? 0 : c] + 1) / 2) + (1 - alpha) * under;
    return;
  }
  const jet = jetAt(y, x);
  if (mode === "gradient") {
    let sum = 0;
    for (let c = 0; c < COLOURS; c++) sum += jet.alongY[c] ** 2 + jet.alongX[c] ** 2;
    for (let c = 0; c < 3; c++) out[c] += clip(Math.sqrt(sum) / 2 / PICTURE.white.gradient);
    return;
  }
  for (let c = 0; c < 3; c++) {
    out[c] += clip((128 + (127.5 * jet.bend[COLOURS === 1 ? 0 : c]) / 2 / PICTURE.white.laplacian) / 255);
  }
}

/** Points along each side of a pixel that is 1 / scale pixels of the picture wide. */
const pointsAcross = (scale) => Math.min(MOST_POINTS, Math.max(1, Math.ceil(1 / scale - 1e-9)));
