// A network as a fragment shader, which loops over weights in a texture.

const TEXTURE_WIDTH = 256;
/** Side of the canvas that tiles are drawn on. */
const MOST_SAMPLES = 256;

const groups = (count) => Math.ceil(count / 4);
/** What a layer has of the texture. */
const texelsOf = ({ rows, columns }) => groups(rows) * (1 + 4 * groups(columns));

/** For each four outputs of a layer: their biases, then for each input their four weights. Padded with zeros. */
function packTexels() {
  const numbers = [];
  for (const { rows, columns, weight, bias } of LAYERS) {
    for (let row = 0; row < rows; row += 4) {
      const four = (pick) => [0, 1, 2, 3].forEach((k) => numbers.push(row + k < rows ? pick(row + k) : 0));
      four((r) => bias[r]);
      for (let c = 0; c < 4 * groups(columns); c++) four((r) => (c < columns ? weight[r * columns + c] : 0));
    }
  }
  const texels = new Float32Array(4 * TEXTURE_WIDTH * Math.ceil(numbers.length / 4 / TEXTURE_WIDTH));
  texels.set(numbers);
  return texels;
}

const VERTEX_SHADER = `#version 300 es
void main() { gl_Position = vec4(gl_VertexID == 1 ? 3 : -1, gl_VertexID == 2 ? 3 : -1, 0, 1); }`;

// Sines of our own, good to 2e-7: those of GPUs may be off by 5e-4, and by more where the argument is large.
const SINES = `
vec4 folded(vec4 z, vec4 turns) { return (z - turns * 3.140625) - turns * 9.67653589793e-4; }
vec4 signs(vec4 turns) { return 1.0 - 2.0 * abs(turns - 2.0 * round(0.5 * turns)); }
vec4 series(vec4 r) {
  vec4 s = r * r;
  return r + r * s * (-1.66666571e-1 + s * (8.33301729e-3 + s * (-1.98066150e-4 + s * 2.60005443e-6)));
}
vec4 sine(vec4 z) {
  vec4 turns = round(z * 0.318309886);
  return signs(turns) * series(folded(z, turns));
}
vec4 cosine(vec4 z) {
  vec4 turns = round(z * 0.318309886 - 0.5) + 0.5;
  return -signs(turns - 0.5) * series(folded(z, turns));
}`;

/** Arrays of a layer's values, and with `jets` of their two slopes and their Laplacian, four neurons in each. */
const kindsOf = (jets) => (jets ? ["", "y", "x", "l"] : [""]);
const declared = (name, count, jets) => kindsOf(jets).map((kind) => `${name}${kind}[${count}]`);

/** One layer, from the array `from`, of which the first `skip` entries are passed over, to the array `to`. */
function layerCode({ columns, rows }, { at, from, skip = 0, to, sines, jets }) {
  const kinds = kindsOf(jets);
  const sums = kinds.map((kind) => `z${kind} += m * ${from}${kind}[${skip} + i];`).join(" ");
  const after = !sines
    ? kinds.map((kind) => `${to}${kind}[j] = z${kind};`).join(" ")
    : `${to}[j] = sine(z);` +
      (jets
        ? ` vec4 q = cosine(z); ${to}l[j] = q * zl - ${to}[j] * (zy * zy + zx * zx); ${to}y[j] = q * zy; ${to}x[j] = q * zx;`
        : "");
  return `
  for (int j = 0; j < ${groups(rows)}; j++) {
    int t = ${at} + j * ${1 + 4 * groups(columns)};
    vec4 z = w(t)${jets ? ", zy = vec4(0), zx = vec4(0), zl = vec4(0)" : ""};
    for (int i = 0; i < ${groups(columns)}; i++) {
      mat4 m = mat4(w(t + 1), w(t + 2), w(t + 3), w(t + 4));
      ${sums}
      t += 4;
    }
    ${after}
  }`;
}

/** The shade of a point as `shade.js` has it, of the network's result. */
function shadeCode(mode, result) {
  const rgb = COLOURS === 1 ? ".rrr" : ".rgb";
  if (mode === "colour") {
    const alpha = HAS_ALPHA ? `clamp(${result}[0][${COLOURS}] * 0.5 + 0.5, 0.0, 1.0)` : "1.0";
    return `mix(under, clamp(${result}[0]${rgb} * 0.5 + 0.5, 0.0, 1.0), ${alpha})`;
  }
  const white = 2 * PICTURE.white[mode];
  if (mode === "laplacian") return `clamp((128.0 + ${result}l[0]${rgb} * ${(127.5 / white).toExponential()}) / 255.0, 0.0, 1.0)`;
  const squares = ["y", "x"].map((kind) => `dot(${result}${kind}[0]${rgb}, ${result}${kind}[0]${rgb})`).join(" + ");
  const share = COLOURS === 1 ? "/ 3.0" : "";
  return `vec3(min(1.0, sqrt((${squares}) ${share}) / ${white.toExponential()}))`;
}

function fragmentShader(mode) {
  const jets = mode !== "colour", { size, declarations, body, result } = networkCode(jets);
  return `#version 300 es
precision highp float;
precision highp int;
uniform highp sampler2D weights;
uniform ivec2 origin; // what shaderPlace says of the tile: positions are counted from here,
uniform vec3 corner; // y, x of its corner, and the distance of its samples
uniform ivec4 place; // row, column, stride on the screen, points along each side of a sample
out vec4 colour;
vec4 w(int t) { return texelFetch(weights, ivec2(t & ${TEXTURE_WIDTH - 1}, t >> ${Math.log2(TEXTURE_WIDTH)}), 0); }
${SINES}
${declarations}
vec3 shade(vec2 p, vec3 under) {
  vec4 ${[...declared("a", size, jets), ...declared("b", size, jets)].join(", ")};
  ${body}
  return ${shadeCode(mode, result)};
}
void main() {
  vec2 cell = vec2(${MOST_SAMPLES}.0 - gl_FragCoord.y, gl_FragCoord.x) - 0.5; // row, column in the tile
  ivec2 check = (place.xy + place.z * ivec2(cell)) / ${CHECK};
  vec3 under = vec3((check.x + check.y) % 2 == 0 ? ${LIGHT.toFixed(1)} : ${DARK.toFixed(1)}), sum = vec3(0);
  for (int i = 0; i < place.w * place.w; i++) {
    vec2 inside = (vec2(i / place.w, i % place.w) + 0.5) / float(place.w);
    sum += shade(corner.xy + corner.z * (cell + inside), under);
  }
  colour = vec4(sum / float(place.w * place.w), 1);
}`;
}
