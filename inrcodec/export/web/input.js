// Mouse, touch, wheel, keys and buttons.

/** Milliseconds of preparing between two looks at what the person does. */
const SLICE = 50;
const pointers = new Map();
const toScreen = (event) => [event.clientX * devicePixelRatio, event.clientY * devicePixelRatio];

function pointerMoved(event) {
  if (!pointers.has(event.pointerId)) return;
  const [x, y] = toScreen(event), [oldX, oldY] = pointers.get(event.pointerId);
  const others = [...pointers].filter(([id]) => id !== event.pointerId);
  pointers.set(event.pointerId, [x, y]);
  if (!others.length) return move(x - oldX, y - oldY);
  const [, [otherX, otherY]] = others[0];
  move((x - oldX) / 2, (y - oldY) / 2);
  const distance = (px, py) => Math.max(1, Math.hypot(px - otherX, py - otherY));
  zoomAt(distance(x, y) / distance(oldX, oldY), (x + otherX) / 2, (y + otherY) / 2);
}

function pointerDown(event) {
  screen.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, toScreen(event));
}

const KEYS = {
  "+": () => zoomAt(2), "=": () => zoomAt(2), "-": () => zoomAt(0.5), 0: showWhole, 1: () => change({ zoom: 1 }),
  c: () => change({ show: "colour" }), g: () => change({ show: "gradient" }), l: () => change({ show: "laplacian" }),
  ArrowLeft: () => move(80, 0), ArrowRight: () => move(-80, 0), ArrowUp: () => move(0, 80), ArrowDown: () => move(0, -80),
  i: () => (find("facts").open = !find("facts").open),
};

function keyDown(event) {
  const known = Object.hasOwn(KEYS, event.key) && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (!known) return;
  KEYS[event.key]();
  event.preventDefault();
}

function listen() {
  screen.addEventListener("pointerdown", pointerDown);
  screen.addEventListener("pointermove", pointerMoved);
  for (const end of ["pointerup", "pointercancel"]) screen.addEventListener(end, (e) => pointers.delete(e.pointerId));
  screen.addEventListener("dblclick", (event) => zoomAt(2, ...toScreen(event)));
  screen.addEventListener("wheel", wheelTurned, { passive: false });
  addEventListener("keydown", keyDown);
  addEventListener("resize", resize);
  addEventListener("hashchange", () => (readHash(), change({})));
  for (const mode of MODES) find(mode).addEventListener("click", () => change({ show: mode }));
  find("in").addEventListener("click", () => zoomAt(2));
  find("out").addEventListener("click", () => zoomAt(0.5));
  find("whole").addEventListener("click", showWhole);
}

function wheelTurned(event) {
  event.preventDefault();
  const unit = event.deltaMode === 1 ? 16 : event.ctrlKey ? 6 : 1; // lines; a pinch on a touchpad; pixels
  zoomAt(2 ** (-Math.max(-300, Math.min(300, event.deltaY * unit)) / 240), ...toScreen(event));
}

/** Prepare the network, which may take a while, bit by bit so that the page stays alive; then show it. */
function begin() {
  const steps = prepare();
  [screen.width, screen.height] = [0, 0];
  const work = () => {
    const start = performance.now();
    try {
      for (let step = steps.next(); !step.done; step = steps.next()) {
        if (performance.now() - start < SLICE) continue;
        find("notice").textContent = `Decoding, ${Math.floor(100 * step.value)} %`;
        return setTimeout(work);
      }
    } catch (error) {
      find("notice").textContent = `This picture cannot be shown here: ${error.message}`;
      throw error;
    }
    find("notice").textContent = "";
    readHash();
    listen();
    resize();
  };
  work();
}

begin();
