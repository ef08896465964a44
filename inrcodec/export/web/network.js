// A network of sine layers over the coordinates: symbols to weights, and its values and derivatives at a point.

const SINE_LAYERS = PICTURE.hidden.length;
const SIZES = [2, ...PICTURE.hidden, PICTURE.channels];
const LONGER = Math.max(PICTURE.width, PICTURE.height);
/** Widest layer that a shader's arrays are trusted with. */
const MOST_NEURONS = 256;

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

/** There is nothing to do before it can be drawn. */
function* prepare() {}

const numbers = () => new Float64Array(WIDEST);
let [jet, nextJet] = [jetOf(numbers), jetOf(numbers)];

/** The coordinate, near -1 .. 1, of a position along a side. */
const coordinate = (position, side) => (2 * position - side) / LONGER;

/** The channels at a position of the picture, near -1 .. 1; they stay valid until the next call. */
function valuesAt(y, x) {
  [jet.value[0], jet.value[1]] = [coordinate(y, PICTURE.height), coordinate(x, PICTURE.width)];
  LAYERS.forEach((layer, number) => {
    const { value } = nextJet;
    product(layer, jet.value, value, true);
    if (number < SINE_LAYERS) for (let r = 0; r < layer.rows; r++) value[r] = Math.sin(value[r]);
    [jet, nextJet] = [nextJet, jet];
  });
  return jet.value;
}

/** The channels' jet, by the coordinates, at a position; see inrcodec's `jet`. */
function jetAt(y, x) {
  const { value, alongY, alongX, bend } = jet;
  [value[0], value[1]] = [coordinate(y, PICTURE.height), coordinate(x, PICTURE.width)];
  [alongY[0], alongY[1], alongX[0], alongX[1], bend[0], bend[1]] = [1, 0, 0, 1, 0, 0];
  LAYERS.forEach((layer, number) => {
    jetProduct(layer, jet, nextJet);
    if (number < SINE_LAYERS) jetThroughSine(layer.rows, nextJet);
    [jet, nextJet] = [nextJet, jet];
  });
  return jet;
}

function uploadInputs() {
  if (WIDEST > MOST_NEURONS) throw new Error("the network is too large for a shader");
}

/** A tile's place for the shader: the coordinates of its corner, and the distance of its samples in them. */
const shaderPlace = ({ top, left, step }) => ({
  origin: [0, 0],
  corner: [coordinate(top, PICTURE.height), coordinate(left, PICTURE.width), (2 * step) / LONGER],
});

/** All layers, from one array to another and back. */
function networkCode(jets) {
  const start = jets ? "ay[0] = vec4(1, 0, 0, 0); ax[0] = vec4(0, 1, 0, 0); al[0] = vec4(0);" : "";
  let at = 0, body = `a[0] = vec4(p, 0, 0); ${start}`, names = ["a", "b"];
  LAYERS.forEach((layer, number) => {
    body += layerCode(layer, { at, from: names[0], to: names[1], sines: number < SINE_LAYERS, jets });
    at += texelsOf(layer);
    names.reverse();
  });
  return { size: groups(WIDEST), declarations: "", body, result: names[0] };
}
