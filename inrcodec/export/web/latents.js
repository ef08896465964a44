// What a section holds: tensors, and latents under the laws of context networks. inrcodec's families/grid/stored.py and
// context.py specify it in their docstrings. All numbers are integers or multiples of 2^-11, that doubles hold exactly,
// and floats those that networks see.

/** Luma; and sources that are no components: the sizes of luma, and eighths of their sums over 3x3 cells. */
const [LUMA, SIZE, SIZES] = [0, 4, 5];
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
    for (let c = 0; c < x.length - 1; c++) h2[width + c] = Math.floor(16 * x[c]);
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

/** What networks see of latents: numbers (rows, columns) by source, level, and levels that they are enlarged by. */
class Views {
  /** `latents` are those read so far, by level and component. */
  constructor(latents) {
    [this.latents, this.found] = [latents, {}];
  }

  numbers(source, level, up) {
    return (this.found[[source, level, up]] ??= this.find(source, level, up));
  }

  find(source, level, up) {
    const size = PICTURE.levels[level], coarser = PICTURE.levels[level + 1], read = this.latents[level][source];
    if (up && coarser) return enlarge(this.numbers(source, level + 1, up - 1), coarser, size);
    if (read && !up) return new Float32Array(read).map((q) => STAND_INS[q + MOST_SYMBOL]);
    if (source === SIZE) return this.numbers(LUMA, level, 0).map(Math.abs);
    if (source === SIZES) return eighths(this.numbers(SIZE, level, 0), size);
    return new Float32Array(size.rows * size.columns); // there is no such source, or no such level
  }
}

/** Eighths of the sums over 3x3 cells. */
function eighths(numbers, { rows, columns }) {
  return numbers.map((_, at) => {
    const y = Math.floor(at / columns), x = at % columns;
    let sum = 0;
    for (let j = Math.max(0, y - 1); j <= Math.min(rows - 1, y + 1); j++) {
      for (let i = Math.max(0, x - 1); i <= Math.min(columns - 1, x + 1); i++) sum += numbers[j * columns + i];
    }
    return sum / 8;
  });
}

/** Reads the components of one level that are coded together. */
class GridReader {
  /** `known` are the views of what was read before. */
  constructor({ components, views }, level, network, known) {
    const { rows, columns } = PICTURE.levels[level], { margin } = PICTURE, across = columns + 2 * margin;
    [this.rows, this.columns, this.across, this.network] = [rows, columns, across, network];
    [this.area, this.start] = [(rows + 2 * margin) * across, margin * (across + 1)];
    this.latents = components.map(() => new Int16Array(rows * columns));
    /** The planes of all views, each among zeros; first those of the components, which are still to be read. */
    this.seen = new Float32Array(views.length * this.area);
    /** Where the inputs of the first cell are in them. */
    this.taps = Int32Array.from(
      views.flatMap(({ source, up, places }, number) => {
        const start = number * this.area + this.start;
        if (number >= components.length) this.lay(known.numbers(source, level, up), start);
        return places.map(([dy, dx]) => start + dy * across + dx);
      }),
    );
    network.put(this.taps.length, 16 * (Math.min(level, 7) - 3));
  }

  lay(numbers, start) {
    for (let y = 0, { rows, columns } = this; y < rows; y++) {
      this.seen.set(numbers.subarray(y * columns, (y + 1) * columns), start + y * this.across);
    }
  }

  /** Read all, wave by wave; yields the latents of each. */
  *read(decoder) {
    const { rows, columns } = this, together = this.latents.length;
    const most = together * Math.min(rows, (columns + 1) >> 1);
    [this.scales, this.means, this.symbols] = [0, 1, 2].map(() => new Int32Array(most));
    for (let wave = 0; wave <= 2 * (rows - 1) + columns - 1; wave++) {
      const first = Math.max(0, (wave - columns + 2) >> 1), last = Math.min(rows - 1, wave >> 1);
      const count = last - first + 1;
      for (let y = first; y <= last; y++) this.findLaws(y, wave - 2 * y, y - first, count);
      decoder.take(this.scales, this.means, count * together, this.symbols);
      for (let y = first; y <= last; y++) this.keep(y, wave - 2 * y, y - first, count);
      yield count * together;
    }
  }

  /** The laws of a cell, which is number `at` of `count`. */
  findLaws(y, x, at, count) {
    const { network, taps, seen } = this, cell = y * this.across + x;
    for (let i = 0; i < taps.length; i++) network.put(i, seen[taps[i] + cell]);
    network.run();
    for (let one = 0; one < this.latents.length; one++) {
      this.scales[one * count + at] = network.scales[one];
      this.means[one * count + at] = network.means[one];
    }
  }

  keep(y, x, at, count) {
    const cell = this.start + y * this.across + x;
    for (let one = 0; one < this.latents.length; one++) {
      const q = this.symbols[one * count + at];
      this.latents[one][y * this.columns + x] = q;
      this.seen[one * this.area + cell] = STAND_INS[q + MOST_SYMBOL];
    }
  }
}

/** Read latents into [level][component]; yields how much of them is read, 0 .. 1. */
function* readLatents(tensors, decoder, latents) {
  const sizeOf = ({ rows, columns, components }) => rows * columns * components.length;
  const total = PICTURE.levels.reduce((sum, level) => sum + sizeOf(level), 0);
  const networks = {}, views = new Views(latents);
  for (const { network } of PICTURE.together) networks[network] = new ContextNetwork(layersOf(tensors, network));
  let done = 0;
  for (let level = PICTURE.levels.length - 1; level >= 0; level--) {
    latents[level] = {};
    for (const together of PICTURE.together) {
      const { network, components } = together;
      if (!PICTURE.levels[level].components.includes(components[0])) continue;
      const reader = new GridReader(together, level, networks[network], views);
      for (const count of reader.read(decoder)) yield (done += count) / total;
      components.forEach((one, number) => (latents[level][one] = reader.latents[number]));
    }
  }
}
