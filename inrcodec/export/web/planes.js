// Latents as planes of native pixels, and these as functions of the place: inrcodec's compute/pyramid.py and spline.py.

const PLANES = PICTURE.planes.length;
/** Four planes are in each layer of the coefficients, which reach out of the picture by the margin. */
const PLANE_LAYERS = Math.ceil(PLANES / 4), MARGIN = 3;
const TEXEL_ROWS = PICTURE.height + 2 * MARGIN, TEXEL_COLUMNS = PICTURE.width + 2 * MARGIN;
const POLE = Math.sqrt(3) - 2;

/** Coefficients of a quadratic B-spline as those on the grid of half cells; beyond the edges they are repeated. */
function enlarge(coarse, { rows, columns }, finer) {
  const fine = new Float32Array(finer.rows * finer.columns);
  const beside = (i, count) => (i & 1 ? Math.min((i >> 1) + 1, count - 1) : Math.max((i >> 1) - 1, 0));
  for (let y = 0, at = 0; y < finer.rows; y++) {
    const near = (y >> 1) * columns, far = beside(y, rows) * columns;
    for (let x = 0; x < finer.columns; x++) {
      const j = x >> 1, k = beside(x, columns);
      fine[at++] = (9 * coarse[near + j] + 3 * (coarse[near + k] + coarse[far + j]) + coarse[far + k]) / 16;
    }
  }
  return fine;
}

/** One plane, the sum of its levels; null where there are none. `steps` are [level][component]. */
function layPlane(plane, latents, steps) {
  const { levels } = PICTURE;
  let sum = null;
  for (let level = levels.length - 1; level >= 0; level--) {
    if (sum) sum = enlarge(sum, levels[level + 1], levels[level]);
    const number = levels[level].planes.indexOf(plane);
    if (number < 0) continue;
    const component = levels[level].components[number], q = latents[level][component], step = steps[level][component];
    sum ??= new Float32Array(q.length);
    for (let i = 0; i < q.length; i++) sum[i] += q[i] * step;
  }
  return sum;
}

/** Steps of the latents as [level][component]. */
function stepsOf(delta, gains) {
  let at = 0;
  return PICTURE.levels.map(({ components }, level) =>
    Object.fromEntries(components.map((one) => [one, delta * 2 ** -level * (1 + gains.weight[at++] / 4096)])));
}

/**
 * Samples to coefficients of the cubic B-spline, in place: `count` numbers from `start`, `stride` apart; the first and
 * the last go on for ever. One pass sums from before, one from behind, both with powers of the pole.
 */
function filterLine(data, start, count, stride) {
  const end = start + (count - 1) * stride, beyond = data[end] / (1 - POLE);
  let sum = data[start] / (1 - POLE);
  for (let at = start; at <= end; at += stride) data[at] = sum = data[at] + POLE * sum;
  sum = -POLE * (beyond / (1 - POLE) + (sum - beyond) / (1 - POLE ** 2));
  data[end] = 6 * sum;
  for (let at = end - stride; at >= start; at -= stride) data[at] = 6 * (sum = POLE * (sum - data[at]));
}

/** Put a plane's coefficients in their place among `all`. */
function placePlane(samples, plane, all) {
  const start = Math.floor(plane / 4) * 4 * TEXEL_ROWS * TEXEL_COLUMNS + (plane % 4);
  const inside = (i, count) => Math.min(count - 1, Math.max(0, i - MARGIN));
  for (let row = 0, at = start; row < TEXEL_ROWS; row++) {
    const first = inside(row, PICTURE.height) * PICTURE.width;
    for (let column = 0; column < TEXEL_COLUMNS; column++, at += 4) {
      all[at] = samples[first + inside(column, PICTURE.width)];
    }
  }
  const down = 4 * TEXEL_COLUMNS;
  for (let row = 0; row < TEXEL_ROWS; row++) filterLine(all, start + row * down, TEXEL_COLUMNS, 4);
  for (let column = 0; column < TEXEL_COLUMNS; column++) filterLine(all, start + 4 * column, TEXEL_ROWS, down);
}

/** The coefficients of all planes into `all`, by layer, row, column and plane in the layer, as the texture has them. */
function* layPlanes(latents, delta, gains, all) {
  const steps = stepsOf(delta, gains);
  for (let plane = 0; plane < PLANES; plane++) {
    const samples = layPlane(plane, latents, steps);
    if (samples) placePlane(samples, plane, all); // a small picture has no levels for some
    yield 1;
  }
}
