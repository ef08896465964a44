// The page: what is shown where, by which painter, and how a person moves about.

const find = (id) => document.getElementById(id);
const screen = find("screen"), context = screen.getContext("2d", { alpha: false });
const BACKGROUND = "#16181b";
/** Strides of successive passes, in pixels of the screen. */
const PASSES = [16, 4, 1];
/** Milliseconds between two looks at what the person does, and between two changes of the page's address. */
const PATIENCE = 30, ADDRESS_PAUSE = 300;
/** Screen pixels of a picture's pixel at most: a screen then holds less than one of them, a single colour. */
const MOST_ZOOM = 4096;
/** Free pixels between the whole picture and the toolbar. */
const GAP = 8;

/**
 * x, y: picture position in the middle of the screen, in its pixels; zoom: screen pixels of a picture's pixel. What is no
 * number yet is that of the whole picture.
 */
const view = { x: NaN, y: NaN, zoom: NaN, show: "colour" };
/** The view that the screen holds, wholly or in part, where there is one. */
let held = null;
/** Whether the screen holds something everywhere, be it coarse. */
let filled = false;
let painter = null, tiles = null, scheduled = false;
/** What the page's address asks to be the painter, and the timer after which the address names the view. */
let renderer = null, addressing = 0, addressed = -ADDRESS_PAUSE;

/** Height that the toolbar takes from the foot of the screen. */
const toolbarHeight = () => Math.max(0, innerHeight - find("toolbar").getBoundingClientRect().top + GAP) * devicePixelRatio;
const wholeZoom = () =>
  Math.min(screen.width / PICTURE.width, Math.max(1, screen.height - toolbarHeight()) / PICTURE.height);
/** The middle of the picture in the middle of what the toolbar leaves free. */
const centred = (zoom) => ({ x: PICTURE.width / 2, y: PICTURE.height / 2 + toolbarHeight() / 2 / zoom, zoom });
/** Position in the picture of the screen's upper left corner; exact where the zoom is a power of two. */
const cornerOf = ({ x, y, zoom }) => ({ left: x - screen.width / 2 / zoom, top: y - screen.height / 2 / zoom });

/** The picture's rectangle on the screen, in whole pixels: those whose middle lies in it. */
function frameOf(shown) {
  const { left, top } = cornerOf(shown);
  const edge = (position, size) => Math.min(size, Math.max(0, Math.ceil(position - 0.5)));
  return {
    left: edge(-left * shown.zoom, screen.width),
    top: edge(-top * shown.zoom, screen.height),
    right: edge((PICTURE.width - left) * shown.zoom, screen.width),
    bottom: edge((PICTURE.height - top) * shown.zoom, screen.height),
  };
}

/** All tiles of all passes; their size follows `painter.work`, the multiplications of a tile of `painter.patience` ms. */
function* allTiles(shown, covered) {
  const frame = frameOf(shown), corner = cornerOf(shown);
  for (const stride of PASSES) {
    const points = stride === 1 ? pointsAcross(shown.zoom) : 1;
    let side = 0;
    for (let row = frame.top; row < frame.bottom; row += side * stride) {
      const cost = WEIGHTS * points ** 2 * (shown.show === "colour" ? 1 : 4);
      side = Math.min(MOST_SAMPLES, Math.max(8, Math.floor(Math.sqrt(painter.work / cost))));
      for (let column = frame.left; column < frame.right; column += side * stride) {
        const w = Math.min(side, Math.ceil((frame.right - column) / stride));
        const h = Math.min(side, Math.ceil((frame.bottom - row) / stride));
        const tile = { row, column, w, h, stride, points, step: stride / shown.zoom };
        if (stride > 1 && covered && contains(covered, tile)) continue;
        yield { ...tile, top: corner.top + row / shown.zoom, left: corner.left + column / shown.zoom };
      }
    }
    filled = true;
  }
}

const contains = (box, { row, column, w, h, stride }) =>
  row >= box.top && column >= box.left && row + h * stride <= box.bottom && column + w * stride <= box.right;

/** What the screen held, while it is drawn anew; one canvas for all moves. */
const before = document.createElement("canvas");

/** Put on the screen what it held, where that lies in the new view; its rectangle there, null where it is too coarse. */
function carryOver() {
  if (!held || held.show !== view.show) return clearScreen(), null;
  const ratio = view.zoom / held.zoom, old = cornerOf(held), now = cornerOf(view);
  const left = (old.left - now.left) * view.zoom, top = (old.top - now.top) * view.zoom;
  [before.width, before.height] = [screen.width, screen.height];
  before.getContext("2d").drawImage(screen, 0, 0);
  clearScreen();
  context.imageSmoothingEnabled = true;
  context.drawImage(before, left, top, screen.width * ratio, screen.height * ratio);
  if (ratio > 3) return null;
  return { left, top, right: left + screen.width * ratio, bottom: top + screen.height * ratio };
}

function clearScreen() {
  context.fillStyle = BACKGROUND;
  context.fillRect(0, 0, screen.width, screen.height);
}

/** Begin to draw the view; what was being drawn is given up. */
function restart() {
  const carried = carryOver();
  held = { ...view };
  tiles = allTiles(held, filled ? carried : null);
  filled = false;
  document.documentElement.dataset.state = "drawing";
  showState();
  addressing ||= setTimeout(nameView, Math.max(0, addressed + ADDRESS_PAUSE - performance.now()));
  if (!scheduled) requestAnimationFrame(work);
  scheduled = true;
}

/** Draw tiles for a while, then let the browser show them. */
function work() {
  scheduled = false;
  const start = performance.now();
  do {
    const { value: tile, done } = tiles.next();
    if (done) return finish();
    if (!draw(tile)) return restart();
  } while (performance.now() - start < PATIENCE);
  scheduled = true;
  requestAnimationFrame(work);
}

/** Whether the tile was drawn; else the painter is another now, and the page says why. */
function draw(tile) {
  const start = performance.now();
  try {
    painter.paint(held.show, tile);
  } catch (error) {
    if (painter instanceof NumberPainter) throw error;
    choosePainter(error.message);
    return false;
  }
  const took = performance.now() - start;
  const change = took < painter.patience / 2 ? 1.5 : took > painter.patience * 2 ? 0.5 : 1;
  painter.work = Math.min(1e10, Math.max(5e5, painter.work * change));
  context.imageSmoothingEnabled = tile.stride > 1;
  context.save();
  context.beginPath();
  const frame = frameOf(held), { row, column, w, h, stride } = tile;
  context.rect(frame.left, frame.top, frame.right - frame.left, frame.bottom - frame.top);
  context.clip();
  context.drawImage(painter.canvas, 0, 0, w, h, column, row, w * stride, h * stride);
  context.restore();
  document.documentElement.dataset.first ??= Math.round(performance.now());
  return true;
}

function finish() {
  nameView();
  document.documentElement.dataset.state = "done";
}

/** Have the page's address name the view; browsers refuse it where that is done too often. */
function nameView() {
  clearTimeout(addressing);
  [addressing, addressed] = [0, performance.now()];
  const { x, y, zoom, show } = view, kept = renderer ? `&renderer=${renderer}` : "";
  const place = `#x=${+x.toFixed(4)}&y=${+y.toFixed(4)}&zoom=${+zoom.toPrecision(6)}&show=${show}${kept}`;
  try {
    history.replaceState(null, "", place);
  } catch {
    // a browser may refuse it to a page that is a file; then the address does not follow the view
  }
}

/** The shader where it works and pays, else numbers; `trouble` says what has gone wrong with the shader. */
function choosePainter(trouble = "") {
  let told = "Drawn by JavaScript, which is faster here than WebGL2: its shaders run on no GPU.";
  painter = new NumberPainter();
  try {
    if (trouble || renderer === "js") throw new Error(trouble || "asked for by the page's address");
    const shader = new ShaderPainter();
    if (renderer === "gl" || isFaster(shader, painter)) {
      painter = shader;
      told = "Drawn by WebGL2 in single precision, to within a code or two of the decoder.";
    }
  } catch (error) {
    told = `Drawn by JavaScript, which is slower: ${error.message}.`;
    find("notice").textContent = `Drawn by JavaScript, slowly: ${error.message}`;
    setTimeout(() => (find("notice").textContent = ""), 6000);
  }
  find("painter").textContent = told;
  document.documentElement.dataset.painter = painter.name;
}

/** Whether one painter outruns another, on a tile large enough that what a call costs by itself does not count. */
function isFaster(one, other) {
  const side = Math.max(32, Math.min(MOST_SAMPLES, Math.floor(Math.sqrt(2e7 / WEIGHTS))));
  const tile = { row: 0, column: 0, top: 0, left: 0, stride: 1, points: 1, step: 1 };
  const time = (painter, size) => {
    const start = performance.now();
    painter.paint("colour", { ...tile, w: size, h: size });
    return (performance.now() - start) / size ** 2;
  };
  for (const painter of [one, other]) time(painter, side >> 1); // compiles
  return time(one, side) < time(other, side >> 1);
}

const hash = () => new URLSearchParams(location.hash.slice(1));

/** Take the view from the page's address; what is missing or is no number stays as it is. */
function readHash() {
  const asked = hash(), number = (name) => (asked.get(name) ? Number(asked.get(name)) : NaN);
  for (const name of ["x", "y", "zoom"]) if (Number.isFinite(number(name))) view[name] = number(name);
  if (MODES.includes(asked.get("show"))) view.show = asked.get("show");
  const wanted = ["gl", "js"].find((name) => name === asked.get("renderer")) ?? null;
  if (painter && wanted === renderer) return;
  renderer = wanted;
  choosePainter();
}

const leastZoom = () => Math.min(1, wholeZoom()) / 2;
const boundedZoom = (zoom) => Math.min(MOST_ZOOM, Math.max(leastZoom(), zoom));

/** Keep the view where there is something to see. */
function settle() {
  view.zoom = boundedZoom(Number.isNaN(view.zoom) ? wholeZoom() : view.zoom);
  const { x, y } = centred(view.zoom);
  const bounded = (at, middle, most) => (Number.isNaN(at) ? middle : Math.min(most, Math.max(0, at)));
  view.x = bounded(view.x, x, PICTURE.width);
  view.y = bounded(view.y, y, y + PICTURE.height / 2); // the foot of the picture comes up to what is free
}

function change(changes) {
  Object.assign(view, changes);
  settle();
  restart();
}

/** Zoom by a factor; the point (px, py) of the screen stays where it is. */
function zoomAt(factor, px = screen.width / 2, py = screen.height / 2) {
  const zoom = boundedZoom(view.zoom * factor);
  const [dx, dy] = [px - screen.width / 2, py - screen.height / 2];
  change({ x: view.x + dx / view.zoom - dx / zoom, y: view.y + dy / view.zoom - dy / zoom, zoom });
}

const move = (dx, dy) => change({ x: view.x - dx / view.zoom, y: view.y - dy / view.zoom });
const wholeView = () => centred(boundedZoom(wholeZoom()));
const showWhole = () => change(wholeView());
const isWhole = () => Object.entries(wholeView()).every(([name, number]) => Math.abs(view[name] / number - 1) < 1e-9);

function showState() {
  find("zoom").textContent = `${view.zoom < 10 ? +view.zoom.toFixed(2) : Math.round(view.zoom)}×`;
  [find("in").disabled, find("out").disabled] = [view.zoom >= MOST_ZOOM, view.zoom <= leastZoom()];
  for (const mode of MODES) find(mode).setAttribute("aria-pressed", String(view.show === mode));
}

/** The screen's size in real pixels. */
function resize() {
  const [width, height] = [innerWidth, innerHeight].map((side) => Math.max(1, Math.round(side * devicePixelRatio)));
  if (width === screen.width && height === screen.height && held) return;
  const whole = held && isWhole();
  [screen.width, screen.height] = [width, height];
  [screen.style.width, screen.style.height] = [width, height].map((side) => `${side / devicePixelRatio}px`);
  held = null;
  change(whole ? wholeView() : {});
}
