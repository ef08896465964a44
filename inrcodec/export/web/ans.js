// Integers under Laplace laws from bytes: inrcodec's format/ans.py, whose docstring specifies all that is done here.

const TOTAL = 2 ** 24, WORD = 2 ** 32, ESCAPE = 255;
/** By scale: the residuals that have an index of their own, and the order of the code of those that have none. */
const REACHES = Int32Array.from({ length: 64 }, (_, scale) => (scale < 26 ? 7 : scale < 40 ? 63 : 511));
const ORDERS = Int32Array.from({ length: 64 }, (_, scale) => Math.max(0, Math.floor((scale - 25) / 5)));
/** The reaches of the bands, in their order. */
const BANDS = [7, 63, 511];
const ONE = 1n << 192n;

/** e^x; both in units of 1 / ONE. */
function exponential(x) {
  let sum = ONE;
  for (let k = 1n, term = ONE; term; k++) {
    term = (term * x) / (k * ONE);
    sum += term;
  }
  return sum;
}

/** X of the specification. */
const decayOf = (scale) => exponential((exponential((BigInt(-15 * scale) * ONE) / 100n) * -1000n) / 288n) >> 128n;

/** What a law's symbols share among them: W of the specification. */
const weightOf = (reach) => TOTAL - (2 * reach + 2) - ESCAPE;

/** G(0) .. G(16 R + 16) of a scale. */
function tailsOf(scale) {
  const reach = REACHES[scale], weight = BigInt(weightOf(reach)), decay = decayOf(scale), tails = [];
  for (let mass = 1n << 64n; tails.length <= 16 * (reach + 1); mass = (decay * mass) >> 64n) {
    tails.push(Number((weight * mass) >> 65n));
  }
  return tails;
}

const TAILS = [];

/** Cumulated frequencies of the law of a scale and a fraction f: where each index begins, and the total. */
function lawOf(scale, f) {
  const tails = (TAILS[scale] ??= tailsOf(scale)), reach = REACHES[scale];
  const begins = new Int32Array(2 * reach + 3);
  for (let r = -reach, at = 0; r <= reach; r++, at++) {
    const far = 16 * Math.abs(r), side = r < 0 ? -f : f;
    const mass = r
      ? tails[far - 8 - side] - tails[far + 8 - side]
      : weightOf(reach) - tails[8 - f] - tails[8 + f];
    begins[at + 1] = begins[at] + 1 + mass;
  }
  begins[2 * reach + 2] = TOTAL;
  return begins;
}

/** The last entry that is not over a number: of ascending ones, of which the first is not. */
function placeOf(number, ascending) {
  let low = 0, high = ascending.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (ascending[middle] <= number) low = middle;
    else high = middle;
  }
  return low;
}

/** Takes the calls of a stream one by one. Its state is 2^32 high + low. */
class AnsDecoder {
  constructor(bytes) {
    const padded = new Uint8Array(4 * Math.ceil(bytes.length / 4));
    padded.set(bytes);
    this.words = new Uint32Array(padded.buffer);
    [this.left, this.high, this.low] = [this.words.length, 0, 0];
    this.refill();
    this.refill();
    /** Laws by 16 scale + f + 8, made when they are first asked for. */
    this.laws = [];
  }

  /** Whether all was taken that the stream holds. */
  get isEmpty() {
    return !this.left && !this.high && !this.low;
  }

  refill() {
    if (this.left) [this.high, this.low] = [this.low, this.words[--this.left]];
  }

  /** Take the symbol of the frequencies from `begin` on, to which low mod 2^24 has led. All numbers stay below 2^53. */
  advance(begin, frequency) {
    const rest = this.high * 256 + (this.low >>> 24); // the state / 2^24
    const product = Math.floor(rest / 65536) * frequency;
    const low = (product % 65536) * 65536 + (rest % 65536) * frequency + (this.low & (TOTAL - 1)) - begin;
    this.high = Math.floor(product / 65536) + Math.floor(low / WORD);
    this.low = low % WORD;
    if (!this.high) this.refill();
  }

  /** One call: the first `count` symbols, by scale indices and means, into another array. */
  take(scales, means, count, symbols) {
    const escapes = [];
    for (const reach of BANDS) {
      for (let i = 0; i < count; i++) {
        if (REACHES[scales[i]] === reach) symbols[i] = this.takeResidual(scales[i], means[i]);
      }
    }
    for (let i = 0; i < count; i++) if (symbols[i] > REACHES[scales[i]]) escapes.push(i);
    if (escapes.length) this.takeEscapes(escapes, scales, symbols);
    for (let i = 0; i < count; i++) symbols[i] += (means[i] + 8) >> 4;
  }

  /** A residual; one more than the reach for an escape. */
  takeResidual(scale, mean) {
    const number = 16 * scale + ((mean + 8) & 15);
    const law = (this.laws[number] ??= lawOf(scale, (number & 15) - 8));
    const index = placeOf(this.low & (TOTAL - 1), law);
    this.advance(law[index], law[index + 1] - law[index]);
    return index - REACHES[scale];
  }

  /** The residuals of escapes, in their places. */
  takeEscapes(places, scales, symbols) {
    const lengths = places.map((i) => ORDERS[scales[i]] + this.takeJump());
    places.forEach((i, number) => {
      const shift = 23 - lengths[number], rest = (this.low & (TOTAL - 1)) >> shift;
      this.advance(rest << shift, 1 << shift);
      const size = REACHES[scales[i]] + 1 + (1 << lengths[number]) + (rest >> 1) - (1 << ORDERS[scales[i]]);
      symbols[i] = rest & 1 ? -size : size;
    });
  }

  /** j of the specification. */
  takeJump() {
    const jump = Math.min(16, Math.clz32(TOTAL - 1 - (this.low & (TOTAL - 1))) - 8);
    this.advance(TOTAL - 2 ** (24 - jump), 2 ** Math.max(8, 23 - jump));
    return jump;
  }
}
