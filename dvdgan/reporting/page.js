"use strict";
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const LINES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const MARKS = { best: "--good", rollback: "--bad" };
const short = value => value == null ? "–" : Number(value.toPrecision(4)).toString();

// Charts: uPlot draws on a canvas; the values are in the element with the id `charts`.
const { charts, marks } = JSON.parse(document.getElementById("charts").textContent);

function drawMarks(plot) {
  const { ctx, bbox } = plot, ratio = devicePixelRatio;
  ctx.save();
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = "center";
  for (const { step, kind } of marks) {
    const x = plot.valToPos(step, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = colour(MARKS[kind]);
    if (kind === "best") { ctx.fillText("★", x, bbox.top - 2 * ratio); continue; }
    ctx.fillText("↺", x + 7 * ratio, bbox.top + 11 * ratio);
    ctx.lineWidth = ratio;
    ctx.setLineDash([]);
    ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
  }
  ctx.restore();
}

function draw(box) {
  const chart = charts[box.dataset.chart], log = box.parentElement.querySelector(".log").checked;
  const positive = chart.columns.slice(1).flat().every(value => value === null || value > 0);
  const axis = { stroke: () => colour("--soft"), grid: { stroke: () => colour("--line"), width: log ? 0.4 : 1 }, ticks: { stroke: () => colour("--line") } };
  box.plot?.destroy();
  box.plot = new uPlot({
    width: box.clientWidth, height: box.clientWidth < 360 ? 160 : 220, cursor: { sync: { key: "step" } },
    scales: { x: { time: false }, y: log ? { distr: positive ? 3 : 4 } : {} },
    axes: [axis, { ...axis, size: 62, values: (_, ticks) => ticks.map(tick => tick == null ? "" : short(tick)) }],
    series: [{ label: "step", value: (_, value) => value ?? "–" }, ...chart.names.map((label, number) => ({
      label, stroke: LINES[number % LINES.length], width: 1.6, spanGaps: true,
      points: { show: chart.dots, size: 6 }, value: (_, value) => short(value),
      ...(label.endsWith("rolled back") ? { paths: () => null, points: { show: true, size: 6 } } : {}),
      ...(label === "untrained generator" ? { dash: [6, 4], points: { show: false } } : {}),
    }))],
    hooks: { draw: [drawMarks] },
  }, chart.columns, box);
}
const boxes = [...document.querySelectorAll("[data-chart]")];
boxes.forEach(box => {
  box.parentElement.querySelector(".log").addEventListener("change", () => draw(box));
  new ResizeObserver(() => box.clientWidth && box.plot?.width !== box.clientWidth && draw(box)).observe(box);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => boxes.forEach(box => box.plot?.redraw()));

// Videos: those in view play, unless motion is paused; with reduced motion it is from the start.
const pause = document.getElementById("pause"), frame = document.getElementById("frame");
const videos = [...document.querySelectorAll("video")], seen = new Set();
const update = () => videos.forEach(video => {
  if (seen.has(video) && pause.ariaPressed === "false") video.play().catch(reason => console.debug(reason));
  else video.pause();
});
function setPaused(paused) {
  pause.ariaPressed = String(paused);
  pause.textContent = paused ? "Play videos" : "Pause videos";
  update();
}
const observer = new IntersectionObserver(entries => {
  entries.forEach(({ target, isIntersecting }) => isIntersecting ? seen.add(target) : seen.delete(target));
  update();
});
videos.forEach(video => observer.observe(video));
pause.addEventListener("click", () => setPaused(pause.ariaPressed === "false"));
frame.addEventListener("input", () => {
  setPaused(true);
  videos.forEach(video => { if (video.duration) video.currentTime = Math.min(frame.value / 100, 0.999) * video.duration; });
});
setPaused(matchMedia("(prefers-reduced-motion: reduce)").matches);

// Sample sheets: one of them is shown, which the slider chooses.
document.querySelectorAll(".stepper").forEach(stepper => {
  const slider = stepper.querySelector("input"), sheets = [...stepper.querySelectorAll("figure")];
  const show = () => sheets.forEach((sheet, number) => { sheet.hidden = number !== Number(slider.value); });
  slider.addEventListener("input", show);
  stepper.querySelector("label").hidden = false;
  show();
});
