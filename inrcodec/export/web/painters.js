// Two painters. The scripts of a network, which come first, define for them
//   WEIGHTS                     multiplications of a point, about
//   prepare()                   a generator of what is done before drawing; yields how much of it is done, 0 .. 1
//   valuesAt(y, x), jetAt       channels at a position of the picture, in pixels from its upper left corner
//   LAYERS                      layers that the shader finds in its texture
//   uploadInputs(gl)            puts what else it needs in texture 1, or throws an Error that says why it cannot
//   shaderPlace(tile)           {origin, corner} of the shader's uniforms
//   networkCode(jets)           {size: of the arrays a and b, declarations, body: p to .., result: .. the array's name}
//
// Both draw a tile, w x h samples with `step` pixels of the picture from one to the next, on their canvas.
// tile: {row, column: of the first sample on the screen, w, h, stride: screen pixels of a sample, top, left: position of
// the first sample's corner in the picture, step, points}

/** Draws with Math.sin, in double precision: exact, and slow. */
class NumberPainter {
  constructor() {
    this.name = "JavaScript";
    this.canvas = document.createElement("canvas");
    this.context = this.canvas.getContext("2d");
    [this.work, this.patience] = [2e6, 30];
  }

  paint(mode, tile) {
    const { w, h, step, points } = tile;
    const image = this.context.createImageData(w, h), shade = [0, 0, 0];
    for (let row = 0, at = 0; row < h; row++) {
      for (let column = 0; column < w; column++, at += 4) {
        shade.fill(0);
        for (let i = 0; i < points * points; i++) {
          const down = row + (Math.floor(i / points) + 0.5) / points, across = column + ((i % points) + 0.5) / points;
          const y = tile.top + step * down, x = tile.left + step * across;
          addShade(mode, y, x, tile.row + row * tile.stride, tile.column + column * tile.stride, shade);
        }
        for (let c = 0; c < 3; c++) image.data[at + c] = (255 * shade[c]) / (points * points);
        image.data[at + 3] = 255;
      }
    }
    [this.canvas.width, this.canvas.height] = [w, h];
    this.context.putImageData(image, 0, 0);
  }
}

/** Draws with a fragment shader, in single precision. */
class ShaderPainter {
  /** Throws an Error that says why where this browser or this network cannot. */
  constructor() {
    this.name = "WebGL2";
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.canvas.height = MOST_SAMPLES;
    const options = { alpha: false, antialias: false, depth: false, preserveDrawingBuffer: true };
    const gl = (this.gl = this.canvas.getContext("webgl2", options));
    if (!gl) throw new Error("this browser has no WebGL2");
    this.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.programs = {};
    [this.work, this.patience] = [2e7, 120]; // a tile may cost 30 ms by itself, where GL is software
    this.upload();
    gl.activeTexture(gl.TEXTURE1);
    uploadInputs(gl);
  }

  /** The weights, as a texture of which each texel holds four. */
  upload() {
    const { gl } = this, texels = packTexels();
    const rows = texels.length / 4 / TEXTURE_WIDTH;
    if (rows > gl.getParameter(gl.MAX_TEXTURE_SIZE)) throw new Error("the network is too large for a texture");
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, TEXTURE_WIDTH, rows, 0, gl.RGBA, gl.FLOAT, texels);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  }

  /** {program, places: of its uniforms} of a mode; compiled when it is first asked for, since that takes a while. */
  program(mode) {
    if (!this.programs[mode]) {
      const program = this.link(VERTEX_SHADER, fragmentShader(mode));
      const [weights, inputs, ...places] = ["weights", "inputs", "origin", "corner", "place"].map((name) =>
        this.gl.getUniformLocation(program, name));
      this.gl.useProgram(program);
      this.gl.uniform1i(weights, 0);
      this.gl.uniform1i(inputs, 1);
      this.programs[mode] = { program, places };
    }
    return this.programs[mode];
  }

  link(...sources) {
    const { gl } = this, program = gl.createProgram();
    sources.forEach((source, number) => {
      const shader = gl.createShader([gl.VERTEX_SHADER, gl.FRAGMENT_SHADER][number]);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    });
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      throw new Error(gl.isContextLost() ? "the graphics context was lost" : "the shader does not compile here");
    }
    return program;
  }

  paint(mode, tile) {
    const { gl } = this, { program, places: [origin, corner, place] } = this.program(mode);
    gl.useProgram(program);
    gl.viewport(0, MOST_SAMPLES - tile.h, tile.w, tile.h);
    const at = shaderPlace(tile);
    gl.uniform2iv(origin, at.origin);
    gl.uniform3fv(corner, at.corner);
    gl.uniform4i(place, tile.row, tile.column, tile.stride, tile.points);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.readPixels(0, MOST_SAMPLES - tile.h, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)); // waits for the tile
    if (gl.isContextLost()) throw new Error("the graphics context was lost");
  }
}
