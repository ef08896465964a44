// Layers of sines in double precision, with derivatives: what networks of all kinds are made of.
// A layer: {rows, columns, weight: row by row, bias}.

/** out[r] = bias[r] + sum of weight[r, c] a[c]; no bias where a derivative is mapped. */
function product({ rows, columns, weight, bias }, a, out, withBias) {
  for (let r = 0, at = 0; r < rows; r++) {
    let sum = withBias ? bias[r] : 0;
    for (let c = 0; c < columns; c++) sum += weight[at++] * a[c];
    out[r] = sum;
  }
}

/** A jet: values with their derivatives along y and x, and their Laplacian. `make` gives room for one of the four. */
const jetOf = (make) => ({ value: make(), alongY: make(), alongX: make(), bend: make() });

/** `product` of a jet. */
function jetProduct(layer, jet, out) {
  for (const kind in jet) product(layer, jet[kind], out[kind], kind === "value");
}

/** With z the first `rows` sums: grad sin z = cos z grad z, and lap sin z = cos z lap z - sin z |grad z|^2. */
function jetThroughSine(rows, { value, alongY, alongX, bend }) {
  for (let r = 0; r < rows; r++) {
    const sine = Math.sin(value[r]), cosine = Math.cos(value[r]);
    bend[r] = cosine * bend[r] - sine * (alongY[r] ** 2 + alongX[r] ** 2);
    alongY[r] *= cosine;
    alongX[r] *= cosine;
    value[r] = sine;
  }
}
