// Planes under a small network of sines, in JavaScript and as a shader: inrcodec's families/grid/drawing.py.
//
// What the network sees, x, are the planes, zeros up to a multiple of 4, then the first two planes (`FINE`) at the 8
// neighbours, a native pixel away: both at the first, both at the second, .. . The last layer sees x behind the sines.

const FINE = 2;
/** Numbers of the neighbours among 3x3 points. */
const NEIGHBOURS = [0, 1, 2, 3, 5, 6, 7, 8];
const HIDDEN = PICTURE.tensors["synthesis.second"][0];
const SEEN = 4 * PLANE_LAYERS + FINE * NEIGHBOURS.length;
const SIDES = [PICTURE.height, PICTURE.width];
/** Pixels of a unit of the coordinates: derivatives are by these. */
const HALF = Math.max(...SIDES) / 2;
const WEIGHTS = HIDDEN * (SEEN + HIDDEN) + (HIDDEN + SEEN) * PICTURE.channels + 100 * FINE + 20 * PLANES;

let LAYERS = null, COEFFICIENTS = null;

/** Decode the section, as far as everything else asks for it; yields how much of it is done, 0 .. 1. */
function* prepare() {
  const start = readStart(), tensors = readTensors(start), latents = [];
  yield* readLatents(tensors, start.decoder, latents);
  if (!start.decoder.isEmpty) throw new Error("the picture is damaged");
  COEFFICIENTS = new Float32Array(4 * PLANE_LAYERS * TEXEL_ROWS * TEXEL_COLUMNS);
  yield* layPlanes(latents, start.delta, tensors.gains, COEFFICIENTS);
  LAYERS = drawnLayers(layersOf(tensors, "synthesis"));
}

/** A number of a tensor [W | b]. */
const numberOf = ({ columns, weight }, row, column) => weight[row * columns + column] / 4096;
const biasOf = (tensor, row) => numberOf(tensor, row, tensor.columns - 1);

/** The weight of an entry of x, which a tensor has behind `skip` others, for a plane that is not scaled. */
function weightOfSeen(tensor, row, skip, entry) {
  const beyond = entry - 4 * PLANE_LAYERS, plane = beyond < 0 ? entry : beyond % FINE;
  if (plane >= PLANES) return 0;
  const column = beyond < 0 ? plane : PLANES + plane * NEIGHBOURS.length + Math.floor(beyond / FINE);
  return numberOf(tensor, row, skip + column) * PICTURE.planes[plane].scale;
}

/** A weight of the last layer, with the plain sum of a component's planes, which is always added. */
function weightOfLast(tensor, row, column) {
  if (column < HIDDEN) return numberOf(tensor, row, column);
  const entry = column - HIDDEN, isOwn = entry < PLANES && PICTURE.planes[entry].component === row;
  return weightOfSeen(tensor, row, HIDDEN, entry) + (isOwn ? 1 : 0);
}

function layerOf(rows, columns, weightAt, biasAt) {
  const weight = Array.from({ length: rows * columns }, (_, at) => weightAt(Math.floor(at / columns), at % columns));
  const bias = Array.from({ length: rows }, (_, row) => biasAt(row));
  return { rows, columns, weight: Float64Array.from(weight), bias: Float64Array.from(bias) };
}

/** The layers from planes that are not scaled to channels. */
function drawnLayers([first, second, last]) {
  const mixed = (channel, numberOfComponent) =>
    PICTURE.toValues[channel].reduce((sum, factor, component) => sum + factor * numberOfComponent(component), 0);
  return [
    layerOf(HIDDEN, SEEN, (row, column) => weightOfSeen(first, row, 0, column), (row) => biasOf(first, row)),
    layerOf(HIDDEN, HIDDEN, (row, column) => numberOf(second, row, column), (row) => biasOf(second, row)),
    layerOf(
      PICTURE.channels,
      HIDDEN + SEEN,
      (channel, column) => mixed(channel, (component) => weightOfLast(last, component, column)),
      (channel) => mixed(channel, (component) => biasOf(last, component)),
    ),
  ];
}

// In JavaScript.

/** The cubic B-spline at 1 + u, u, u - 1 and u - 2, and its first and second derivatives. */
const hill = (u, v = 1 - u) => [v ** 3 / 6, 2 / 3 - u * u * (1 - u / 2), 2 / 3 - v * v * (1 - v / 2), u ** 3 / 6];
const slope = (u, v = 1 - u) => [(-v * v) / 2, u * (1.5 * u - 2), v * (2 - 1.5 * v), (u * u) / 2];
const bend = (u, v = 1 - u) => [v, 3 * u - 2, 3 * v - 2, u];

/** A position along a side as {first: the texel of its furthest tap, u}. */
function spot(position, side) {
  const index = Math.min(side - 1, Math.max(-1, Math.floor(position - 0.5)));
  return { first: index + 1, u: position - 0.5 - index };
}

/** Sum of 4x4 coefficients from `at` on. */
function blend(at, down, across) {
  const c = COEFFICIENTS;
  let sum = 0;
  for (let row = 0; row < 4; row++, at += 4 * TEXEL_COLUMNS) {
    sum += down[row] * (across[0] * c[at] + across[1] * c[at + 4] + across[2] * c[at + 8] + across[3] * c[at + 12]);
  }
  return sum;
}

const around = new Float64Array(9);

/** Sums of 4x4 coefficients at 3x3 points, into `around`; `at` is the first of all 6x6. */
function blendAround(at, down, across) {
  const c = COEFFICIENTS;
  around.fill(0);
  for (let row = 0; row < 6; row++, at += 4 * TEXEL_COLUMNS) {
    for (let dx = 0; dx < 3; dx++) {
      const from = at + 4 * dx;
      const sum = across[0] * c[from] + across[1] * c[from + 4] + across[2] * c[from + 8] + across[3] * c[from + 12];
      for (let dy = Math.max(0, row - 3); dy <= Math.min(2, row); dy++) around[3 * dy + dx] += down[row - dy] * sum;
    }
  }
}

/** Add to x what is seen at texel (row, column), the first of 6x6, by the weights of the taps along both axes. */
function see(row, column, down, across, x) {
  for (let plane = 0; plane < PLANES; plane++) {
    const top = Math.floor(plane / 4) * TEXEL_ROWS, start = 4 * ((top + row) * TEXEL_COLUMNS + column) + (plane % 4);
    if (plane >= FINE) {
      x[plane] += blend(start + 4 * (TEXEL_COLUMNS + 1), down, across);
      continue;
    }
    blendAround(start, down, across);
    x[plane] += around[4];
    for (let n = 0, entry = 4 * PLANE_LAYERS + plane; n < 8; n++, entry += FINE) x[entry] += around[NEIGHBOURS[n]];
  }
}

/** Jets: of x behind the second layer's sines, of x itself, of the first layer's sines, and of the channels. */
const last = jetOf(() => new Float64Array(HIDDEN + SEEN));
const seen = Object.fromEntries(Object.entries(last).map(([kind, numbers]) => [kind, numbers.subarray(HIDDEN)]));
const first = jetOf(() => new Float64Array(HIDDEN)), out = jetOf(() => new Float64Array(PICTURE.channels));

/** The channels at a position of the picture, near -1 .. 1; they stay valid until the next call. */
function valuesAt(y, x) {
  const [row, column] = [spot(y, PICTURE.height), spot(x, PICTURE.width)];
  seen.value.fill(0);
  see(row.first, column.first, hill(row.u), hill(column.u), seen.value);
  product(LAYERS[0], seen.value, first.value, true);
  for (let r = 0; r < HIDDEN; r++) first.value[r] = Math.sin(first.value[r]);
  product(LAYERS[1], first.value, last.value, true);
  for (let r = 0; r < HIDDEN; r++) last.value[r] = Math.sin(last.value[r]);
  product(LAYERS[2], last.value, out.value, true);
  return out.value;
}

/** Weights of taps along an axis: of the values, and of their derivatives by the coordinates. */
const tapsOf = (u) => [hill(u), slope(u).map((w) => w * HALF), bend(u).map((w) => w * HALF ** 2)];

/** The channels' jet, by the coordinates, at a position; see inrcodec's `jet`. */
function jetAt(y, x) {
  const [row, column] = [spot(y, PICTURE.height), spot(x, PICTURE.width)];
  const down = tapsOf(row.u), across = tapsOf(column.u);
  const add = (i, j, into) => see(row.first, column.first, down[i], across[j], into);
  for (const kind in seen) seen[kind].fill(0);
  add(0, 0, seen.value);
  add(1, 0, seen.alongY);
  add(0, 1, seen.alongX);
  add(2, 0, seen.bend);
  add(0, 2, seen.bend);
  jetProduct(LAYERS[0], seen, first);
  jetThroughSine(HIDDEN, first);
  jetProduct(LAYERS[1], first, last);
  jetThroughSine(HIDDEN, last);
  jetProduct(LAYERS[2], last, out);
  return out;
}

// As a shader.

/** The coefficients as a texture of layers. */
function uploadInputs(gl) {
  const most = gl.getParameter(gl.MAX_TEXTURE_SIZE), large = "the picture is too large for a texture";
  if (Math.max(TEXEL_ROWS, TEXEL_COLUMNS) > most) throw new Error(large);
  gl.bindTexture(gl.TEXTURE_2D_ARRAY, gl.createTexture());
  const size = [TEXEL_COLUMNS, TEXEL_ROWS, PLANE_LAYERS];
  gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, gl.RGBA32F, ...size);
  gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, 0, ...size, gl.RGBA, gl.FLOAT, COEFFICIENTS);
  if (gl.getError() !== gl.NO_ERROR) throw new Error(large);
  for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, filter, gl.NEAREST);
  }
}

/** A tile's place for the shader: whole pixels apart from fractions, so that no zoom is too high for them. */
const shaderPlace = ({ top, left, step }) => ({
  origin: [Math.floor(top), Math.floor(left)],
  corner: [top - Math.floor(top), left - Math.floor(left), step],
});

const SPLINE = `
uniform highp sampler2DArray inputs;
vec4 hill(float u) {
  float v = 1.0 - u;
  vec2 inner = 2.0 / 3.0 - vec2(u * u * (1.0 - u / 2.0), v * v * (1.0 - v / 2.0));
  return vec4(v * v * v / 6.0, inner, u * u * u / 6.0);
}
vec4 slope(float u) {
  float v = 1.0 - u;
  return ${HALF.toFixed(1)} * vec4(-v * v / 2.0, u * (1.5 * u - 2.0), v * (2.0 - 1.5 * v), u * u / 2.0);
}
vec4 bend(float u) { return ${(HALF ** 2).toFixed(2)} * vec4(1.0 - u, 3.0 * u - 2.0, 1.0 - 3.0 * u, u); }
vec4 c(ivec2 at, int row, int column, int layer) {
  return texelFetch(inputs, ivec3(at.y + column, at.x + row, layer), 0);
}
vec4 blend(ivec2 at, vec4 down, vec4 across, int layer) {
  vec4 sum = vec4(0);
  for (int row = 1; row < 5; row++) {
    vec4 t1 = c(at, row, 1, layer), t2 = c(at, row, 2, layer), t3 = c(at, row, 3, layer), t4 = c(at, row, 4, layer);
    sum += down[row - 1] * (mat4(t1, t2, t3, t4) * across);
  }
  return sum;
}`;

/** GLSL of `see`, for an array of fours that has x behind `HIDDEN` values. */
function seeCode(size) {
  const skip = HIDDEN / 4, pairs = skip + PLANE_LAYERS;
  const layers = Array.from({ length: PLANE_LAYERS - 1 }, (_, number) =>
    `x[${skip + 1 + number}] += blend(at, down, across, ${1 + number});`);
  const neighbours = [0, 2, 4, 6].map((number) => {
    const [one, other] = NEIGHBOURS.slice(number, number + 2);
    return `x[${pairs + number / 2}] += vec4(s[${one}].xy, s[${other}].xy);`;
  });
  return `
void see(ivec2 at, vec4 down, vec4 across, inout vec4 x[${size}]) {
  vec4 s[9] = vec4[9](${Array(9).fill("vec4(0)").join(", ")});
  for (int row = 0; row < 6; row++) {
    vec4 t[6];
    for (int column = 0; column < 6; column++) t[column] = c(at, row, column, 0);
    for (int dx = 0; dx < 3; dx++) {
      vec4 sum = mat4(t[dx], t[dx + 1], t[dx + 2], t[dx + 3]) * across;
      for (int dy = max(0, row - 3); dy <= min(2, row); dy++) s[3 * dy + dx] += down[row - dy] * sum;
    }
  }
  x[${skip}] += s[4];
  ${[...layers, ...neighbours].join("\n  ")}
}`;
}

/** Planes into a; from there to b, back before them, and the whole to b. */
function networkCode(jets) {
  const size = groups(HIDDEN + SEEN), skip = HIDDEN / 4, kinds = kindsOf(jets);
  const [atSecond, atLast] = [texelsOf(LAYERS[0]), texelsOf(LAYERS[0]) + texelsOf(LAYERS[1])];
  const body = `
  ivec2 at = clamp(origin + ivec2(floor(p - 0.5)), ivec2(-1), ivec2(${SIDES.join(", ")}) - 1);
  vec2 u = p - 0.5 - vec2(at - origin);
  at += 1;
  for (int i = 0; i < ${size}; i++) { ${kinds.map((kind) => `a${kind}[i] = vec4(0);`).join(" ")} }
  see(at, hill(u.x), hill(u.y), a);
  ${jets ? "see(at, slope(u.x), hill(u.y), ay); see(at, hill(u.x), slope(u.y), ax);" : ""}
  ${jets ? "see(at, bend(u.x), hill(u.y), al); see(at, hill(u.x), bend(u.y), al);" : ""}
  ${layerCode(LAYERS[0], { at: 0, from: "a", skip, to: "b", sines: true, jets })}
  ${layerCode(LAYERS[1], { at: atSecond, from: "b", to: "a", sines: true, jets })}
  ${layerCode(LAYERS[2], { at: atLast, from: "a", to: "b", sines: false, jets })}`;
  return { size, declarations: SPLINE + seeCode(size), body, result: "b" };
}
