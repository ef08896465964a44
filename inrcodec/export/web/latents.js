// What a section holds: tensors, and latents under the laws of context networks. inrcodec's families/grid/stored.py and
// context.py specify it in their docstrings. All numbers are integers, or multiples of 2^-6, that doubles hold exactly.

const [LUMA, RED, BLUE, ALPHA] = [0, 1, 2, 3];
const HAS_CHROMA = PICTURE.channels > 2;
const MOST_SYMBOL = 32767, MOST_OUT = 2 ** 27, LN_LEAST_SCALE = 16850128;
/** a(q) by q + MOST_SYMBOL. */
const STAND_INS = Int16Array.from({ length: 2 * MOST_SYMBOL + 1 }, (_, at) => {
  const q = at - MOST_SYMBOL;
  return Math.sign(q) * Math.floor(64 * Math.asinh(Math.abs(q)) + 0.5);
});

const bytesOf = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

/** {delta, shifts, scales: of each tensor, decoder: of what follows} of a section's start. */
function readStart() {
  const bytes = bytesOf(PICTURE.section), count = Object.keys(PICTURE.tensors).length;
  let at = 1, code = bytes[at++]; // the prior's number says nothing that the page does not hold
  if (code > 127) code += 128 * (bytes[at++] - 1);
  const halves = Array.from(bytes.subarray(at, at + count));
  return {
    delta: (64 + (code % 64)) * 2 ** (Math.floor(code / 64) - 16),
    shifts: halves.map((half) => half >> 4),
    scales: halves.map((half) => half & 15),
    decoder: new AnsDecoder(bytes.subarray(at + count)),
  };
}

/** Tensors {rows, columns, weight} by name, in units of 2^-12. */
function readTensors({ shifts, scales, decoder }) {
  const entries = Object.entries(PICTURE.tensors), sizes = entries.map(([, [rows, columns]]) => rows * columns);
  const indices = sizes.flatMap((size, number) => Array(size).fill(4 * scales[number]));
  const symbols = new Int32Array(indices.length), prior = new Int32Array(bytesOf(PICTURE.prior).buffer);
  decoder.take(indices, new Int32Array(indices.length), indices.length, symbols);
  let at = 0;
  return Object.fromEntries(
    entries.map(([name, [rows, columns]], number) => {
      const start = at, before = (i) => (name === "gains" ? 0 : prior[i - sizes[0]]); // gains come first
      at += sizes[number];
      const weight = Float64Array.from({ length: sizes[number] }, (_, i) =>
        before(start + i) + symbols[start + i] * 2 ** shifts[number]);
      return [name, { rows, columns, weight }];
    }),
  );
}

const layersOf = (tensors, name) => ["first", "second", "last"].map((layer) => tensors[`${name}.${layer}`]);

/** A context network: inputs are `put` in `x`, then `run` finds means and scale indices. */
class ContextNetwork {
  constructor([first, second, last]) {
    [this.first, this.second, this.last, this.width] = [first, second, last, first.rows];
    [this.x, this.h1, this.h2] = [first, second, last].map(({ columns }) => new Float64Array(columns));
    [this.x[first.columns - 1], this.h1[this.width], this.h2[last.columns - 1]] = [64, 1024, 1024];
    [this.sums, this.out] = [new Float64Array(this.width), new Float64Array(last.rows)];
    this.means = new Int32Array(last.rows / 2);
    this.scales = new Int32Array(last.rows / 2);
    this.changed = true;
  }

  put(input, value) {
    if (this.x[input] === value) return;
    this.x[input] = value;
    this.changed = true;
  }

  run() {
    if (!this.changed) return; // where there is little to see, many cells see the same
    this.changed = false;
    const { x, h1, h2, sums, width, out, means, scales } = this;
    product(this.first, x, sums, false);
    for (let r = 0; r < width; r++) h1[r] = Math.floor(leak(sums[r]) / 256);
    product(this.second, h1, sums, false);
    for (let r = 0; r < width; r++) h2[r] = h1[r] + Math.floor(leak(sums[r]) / 4096);
    for (let c = 0; c < x.length - 1; c++) h2[width + c] = 16 * x[c];
    product(this.last, h2, out, false);
    for (let one = 0; one < means.length; one++) {
      const mean = bounded(out[one], MOST_OUT), scale = bounded(out[means.length + one], MOST_OUT);
      means[one] = Math.floor((mean + 2 ** 17) / 2 ** 18);
      const index = Math.floor((20 * (scale + LN_LEAST_SCALE) + 3 * 2 ** 21) / (3 * 2 ** 22));
      scales[one] = Math.min(63, Math.max(0, index));
    }
  }
}

const leak = (z) => (z >= 0 ? z : z / 8);
const bounded = (value, most) => Math.min(most, Math.max(-most, value));

/** a(q) of a component's latents on one level, among zeros: two rows above, one below, two columns at each side. */
class Seen {
  constructor({ rows, columns }) {
    this.across = columns + 4;
    this.values = new Int16Array((rows + 3) * this.across);
    this.start = 2 * this.across + 2;
  }

  /** An input: the latents (dy, dx) away, or with shift 1 that of the cell of half the size's grid. */
  tap(shift, dy = 0, dx = 0) {
    return { values: this.values, across: this.across, start: this.start + dy * this.across + dx, shift };
  }
}

/** Reads the components of one level that are coded together. */
class GridReader {
  /** `own` and `coarser` are what was read before, by component: of this level, and of the one above it. */
  constructor(together, level, network, own, coarser) {
    [this.together, this.network, this.own] = [together, network, own];
    [this.rows, this.columns] = [PICTURE.levels[level].rows, PICTURE.levels[level].columns];
    for (const one of together) own[one] = new Seen(this);
    this.latents = together.map(() => new Int16Array(this.rows * this.columns));
    this.isChroma = together.length > 1;
    const causal = PICTURE.causal[this.isChroma ? "chroma" : "luma"];
    this.taps = together.flatMap((one) => causal.map(([dy, dx]) => own[one].tap(0, dy, dx)));
    if (this.isChroma) this.taps.push(own[LUMA].tap(0));
    for (const one of this.coarserOnes()) this.taps.push(coarser[one]?.tap(1) ?? null);
    network.x.fill(0, 0, -1);
    network.x[this.taps.length] = 16 * (Math.min(level, 7) - 3);
    network.changed = true;
  }

  /** Components of the coarser level that are seen; null for a place that has none. */
  coarserOnes() {
    if (this.isChroma) return [RED, BLUE, LUMA];
    const [one] = this.together, none = [null, null];
    return HAS_CHROMA ? [one, ...(one === LUMA ? [RED, BLUE] : none)] : [one];
  }

  /** Read all, wave by wave; yields the latents of each. */
  *read(decoder) {
    const { rows, columns, together } = this, most = together.length * Math.min(rows, (columns + 1) >> 1);
    [this.scales, this.means, this.symbols] = [0, 1, 2].map(() => new Int32Array(most));
    for (let wave = 0; wave <= 2 * (rows - 1) + columns - 1; wave++) {
      const first = Math.max(0, (wave - columns + 2) >> 1), last = Math.min(rows - 1, wave >> 1);
      const count = last - first + 1;
      for (let y = first; y <= last; y++) this.findLaws(y, wave - 2 * y, y - first, count);
      decoder.take(this.scales, this.means, count * together.length, this.symbols);
      for (let y = first; y <= last; y++) this.keep(y, wave - 2 * y, y - first, count);
      yield count * together.length;
    }
  }

  /** The laws of a cell, which is number `at` of `count`. */
  findLaws(y, x, at, count) {
    const { network, taps } = this;
    for (let i = 0; i < taps.length; i++) {
      const tap = taps[i];
      if (tap) network.put(i, tap.values[(y >> tap.shift) * tap.across + (x >> tap.shift) + tap.start]);
    }
    if (this.isChroma) this.seeSizes(y, x, taps.length + 1);
    network.run();
    for (let one = 0; one < this.together.length; one++) {
      this.scales[one * count + at] = network.scales[one];
      this.means[one * count + at] = network.means[one];
    }
  }

  /** |a| of luma, and an eighth of the sum of that over 3x3 cells. */
  seeSizes(y, x, input) {
    const { values, across, start } = this.own[LUMA], middle = start + y * across + x;
    let sum = 0;
    for (let at = middle - across; at <= middle + across; at += across) {
      sum += Math.abs(values[at - 1]) + Math.abs(values[at]) + Math.abs(values[at + 1]);
    }
    this.network.put(input, Math.abs(values[middle]));
    this.network.put(input + 1, sum / 8);
  }

  keep(y, x, at, count) {
    this.together.forEach((one, number) => {
      const q = this.symbols[number * count + at], { values, across, start } = this.own[one];
      this.latents[number][y * this.columns + x] = q;
      values[start + y * across + x] = STAND_INS[q + MOST_SYMBOL];
    });
  }
}

/** Read latents into [level][component]; yields how much of them is read, 0 .. 1. */
function* readLatents(tensors, decoder, latents) {
  const sizeOf = ({ rows, columns, components }) => rows * columns * components.length;
  const total = PICTURE.levels.reduce((sum, level) => sum + sizeOf(level), 0);
  const networks = { luma: new ContextNetwork(layersOf(tensors, "luma")) };
  if (HAS_CHROMA) networks.chroma = new ContextNetwork(layersOf(tensors, "chroma"));
  let coarser = {}, done = 0;
  for (let level = PICTURE.levels.length - 1; level >= 0; level--) {
    const own = {};
    latents[level] = {};
    for (const together of [[LUMA], [RED, BLUE], [ALPHA]]) {
      if (!PICTURE.levels[level].components.includes(together[0])) continue;
      const network = networks[together.length > 1 ? "chroma" : "luma"];
      const reader = new GridReader(together, level, network, own, coarser);
      for (const count of reader.read(decoder)) yield (done += count) / total;
      together.forEach((one, number) => (latents[level][one] = reader.latents[number]));
    }
    coarser = own;
  }
}
