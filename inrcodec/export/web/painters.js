// Two painters: both draw a tile, w x h samples with `step` pixels of the picture from one to the next, on their canvas.
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
          const y = (2 * (tile.top + step * down) - PICTURE.height) / LONGER;
          const x = (2 * (tile.left + step * across) - PICTURE.width) / LONGER;
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
    if (WIDEST > MOST_NEURONS) throw new Error("the network is too large for a shader");
    this.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.programs = {};
    [this.work, this.patience] = [2e7, 120]; // a tile may cost 30 ms by itself, where GL is software
    this.upload();
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

  /** {program, corner, place} of a mode; compiled when it is first asked for, since that takes a while. */
  program(mode) {
    if (!this.programs[mode]) {
      const program = this.link(VERTEX_SHADER, fragmentShader(mode));
      const [corner, place] = ["corner", "place"].map((name) => this.gl.getUniformLocation(program, name));
      this.programs[mode] = { program, corner, place };
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
    const { gl } = this, { program, corner, place } = this.program(mode);
    gl.useProgram(program);
    gl.viewport(0, MOST_SAMPLES - tile.h, tile.w, tile.h);
    const y = (2 * tile.top - PICTURE.height) / LONGER, x = (2 * tile.left - PICTURE.width) / LONGER;
    gl.uniform3f(corner, y, x, (2 * tile.step) / LONGER);
    gl.uniform4i(place, tile.row, tile.column, tile.stride, tile.points);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.readPixels(0, MOST_SAMPLES - tile.h, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)); // waits for the tile
    if (gl.isContextLost()) throw new Error("the graphics context was lost");
  }
}
