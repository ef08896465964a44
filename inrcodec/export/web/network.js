// The network: symbols to weights, and its values and derivatives at a point, in double precision.

const SINE_LAYERS = PICTURE.hidden.length;
const SIZES = [2, ...PICTURE.hidden, PICTURE.channels];
const LONGER = Math.max(PICTURE.width, PICTURE.height);

/** Base64 of zigzag varints -> the symbols, all tensors one after the other. */
function readSymbols(text) {
  const symbols = [];
  let value = 0, place = 1;
  for (const char of atob(text)) {
    const byte = char.charCodeAt(0);
    value += (byte & 127) * place;
    place *= 128;
    if (byte < 128) {
      symbols.push(value % 2 ? -(value + 1) / 2 : value / 2);
      value = 0;
      place = 1;
    }
  }
  return symbols;
}

/** Layers {rows, columns, weight, bias}: a weight is its symbol times its tensor's step, exact in double precision. */
function readLayers() {
  const symbols = readSymbols(PICTURE.symbols);
  let at = 0;
  const take = (count, step) => Float64Array.from(symbols.slice(at, (at += count)), (symbol) => symbol * step);
  return SIZES.slice(1).map((rows, layer) => {
    const columns = SIZES[layer];
    const weight = take(rows * columns, PICTURE.steps[2 * layer]);
    return { rows, columns, weight, bias: take(rows, PICTURE.steps[2 * layer + 1]) };
  });
}

const LAYERS = readLayers();
const WIDEST = Math.max(...SIZES);
const WEIGHTS = LAYERS.reduce((sum, { rows, columns }) => sum + rows * columns, 0);

/** out[r] = bias[r] + sum of weight[r, c] a[c]; no bias where a derivative is mapped. */
function product({ rows, columns, weight, bias }, a, out, withBias) {
  for (let r = 0, at = 0; r < rows; r++) {
    let sum = withBias ? bias[r] : 0;
    for (let c = 0; c < columns; c++) sum += weight[at++] * a[c];
    out[r] = sum;
  }
}

const numbers = () => new Float64Array(WIDEST);
let [value, nextValue] = [numbers(), numbers()];
let [alongY, nextY, alongX, nextX, bend, nextBend] = [1, 2, 3, 4, 5, 6].map(numbers);

/** The channels at (y, x), near -1 .. 1; they stay valid until the next call. */
function valuesAt(y, x) {
  value[0] = y;
  value[1] = x;
  LAYERS.forEach((layer, number) => {
    product(layer, value, nextValue, true);
    if (number < SINE_LAYERS) for (let r = 0; r < layer.rows; r++) nextValue[r] = Math.sin(nextValue[r]);
    [value, nextValue] = [nextValue, value];
  });
  return value;
}

/** {alongY, alongX, bend}: the channels' first derivatives, and their Laplacian, at (y, x); see inrcodec's `jet`. */
function jetAt(y, x) {
  [value[0], value[1]] = [y, x];
  [alongY[0], alongY[1], alongX[0], alongX[1], bend[0], bend[1]] = [1, 0, 0, 1, 0, 0];
  LAYERS.forEach((layer, number) => {
    product(layer, value, nextValue, true);
    product(layer, alongY, nextY, false);
    product(layer, alongX, nextX, false);
    product(layer, bend, nextBend, false);
    if (number < SINE_LAYERS) throughSine(layer.rows);
    [value, nextValue] = [nextValue, value];
    [alongY, nextY, alongX, nextX] = [nextY, alongY, nextX, alongX];
    [bend, nextBend] = [nextBend, bend];
  });
  return { alongY, alongX, bend };
}

/** With z a sum: grad sin z = cos z grad z, and lap sin z = cos z lap z - sin z |grad z|^2. */
function throughSine(rows) {
  for (let r = 0; r < rows; r++) {
    const sine = Math.sin(nextValue[r]), cosine = Math.cos(nextValue[r]);
    nextBend[r] = cosine * nextBend[r] - sine * (nextY[r] ** 2 + nextX[r] ** 2);
    nextY[r] *= cosine;
    nextX[r] *= cosine;
    nextValue[r] = sine;
  }
}
