/// <reference lib="dom" />
/**
 * The page: what is asked for, and what is shown. A worker computes.
 *
 * @module
 */

import { formatNpy, parseNpy } from "@tangents/ntk/npy";
import { formatNumber } from "./colors.ts";
import { chosen, element, numberIn } from "./elements.ts";
import { HeatMap } from "./heat_map.ts";
import {
  emptyMatrices,
  type Examples,
  type Matrices,
  type NetworkInfo,
  placeBlock,
  type Reply,
  type Report,
  type Request,
} from "./protocol.ts";
import { clearSpectrum, showSpectrum } from "./spectrum.ts";

/** Files that the build puts into the page, in base64. */
const assets: Record<string, string> = JSON.parse(element("assets", HTMLElement).textContent!);

function asset(name: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(assets[name]), (c) => c.charCodeAt(0));
}

const images = parseNpy(asset("digits_images.npy")).data as Uint8Array;
const labels = parseNpy(asset("digits_labels.npy")).data as Uint8Array;
const pixels = 64;

const workerSource = URL.createObjectURL(
  new Blob([element("worker", HTMLElement).textContent!], { type: "text/javascript" }),
);
let worker = startWorker();

let onnx: { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> } | null = null;
let npy: { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> } | null = null;
let info: NetworkInfo | null = null;
let running = false;
/** The digits that are shown, by example; null for other examples. */
let shown: readonly number[] | null = null;
let matrices: Matrices | null = null;
let eigenvalues: readonly Float64Array[] | null = null;

const status = element("status", HTMLElement);
const progress = element("progress", HTMLProgressElement);
const stop = element("stop", HTMLButtonElement);
const run = element("run", HTMLButtonElement);
const map = new HeatMap(inspect);

function startWorker(): Worker {
  const started = new Worker(workerSource);
  started.onmessage = ({ data }: MessageEvent<Reply>) => {
    if (started === worker) hear(data);
  };
  started.onerror = (event) => {
    if (started !== worker) return;
    event.preventDefault();
    fail(`The computation broke off: ${event.message || "the worker could not start"}.`);
    restart();
  };
  return started;
}

function restart(): void {
  worker.terminate();
  worker = startWorker();
}

function say(request: Request): void {
  worker.postMessage(request);
}

function hear(reply: Reply): void {
  switch (reply.type) {
    case "ready":
      return environment(reply.threads, reply.adapter);
    case "network":
      return describe(reply.info);
    case "progress":
      status.textContent = `${reply.text}…`;
      if (reply.done === 0) progress.removeAttribute("value");
      else progress.value = reply.done / reply.total;
      return;
    case "layout":
      matrices = emptyMatrices(reply.layout);
      return prepareOutput();
    case "block":
      placeBlock(matrices!, reply.block);
      return show();
    case "done":
      eigenvalues = reply.eigenvalues;
      return finish(reply.report);
    case "error":
      if (reply.during === "inspect") info = null;
      return fail(reply.message);
  }
}

function environment(threads: number, adapter: string | null): void {
  const cpu = threads > 1
    ? `WebAssembly on ${threads} threads`
    : crossOriginIsolated
    ? "WebAssembly on one thread"
    : "WebAssembly on one thread, as this page is not cross-origin isolated";
  const gpu = adapter === null ? "no WebGPU adapter" : `WebGPU on ${adapter}`;
  element("environment", HTMLElement).textContent = `This browser has ${cpu}, and ${gpu}.`;
  for (const { value } of element("backend", HTMLSelectElement).options) {
    const option = document.querySelector<HTMLOptionElement>(`#backend [value=${value}]`)!;
    if (value === "webgpu") option.disabled = adapter === null;
  }
}

/** Says what a network is, and offers examples that fit. */
function describe(network: NetworkInfo): void {
  info = network;
  const shape = network.shape.map((size) => size ?? "any").join(" × ");
  const others = network.others.length === 0
    ? ""
    : ` Its outputs ${network.others.join(", ")} are left out.`;
  element("network-info", HTMLElement).textContent =
    `${network.parameters.toLocaleString("en")} parameters, one example is ${shape || "a number"}` +
    `${network.integers ? " (integers)" : ""}.${others}`;
  element("shape", HTMLInputElement).value = network.shape.map((size) => size ?? "?").join(", ");
  const digits = element("examples", HTMLSelectElement).options[0];
  digits.disabled = shape !== "1 × 8 × 8" || network.integers;
  if (digits.disabled && chosen("examples") === "digits") {
    element("examples", HTMLSelectElement).value = "random";
  }
  arrange();
}

/** Shows the fields that belong to what is chosen. */
function arrange(): void {
  const kind = chosen("examples");
  for (const field of document.querySelectorAll<HTMLElement>("[data-for]")) {
    field.hidden = !field.dataset.for!.split(" ").includes(kind);
  }
  element("below-field", HTMLElement).hidden = kind !== "random" || !(info?.integers ?? false);
  element("drop", HTMLElement).hidden = chosen("network") !== "file";
  for (const field of document.querySelectorAll<HTMLInputElement>("[data-for] input")) {
    field.disabled = field.closest("[data-for]")!.hasAttribute("hidden");
  }
}

function networkBytes(): Uint8Array<ArrayBuffer> | null {
  const network = chosen("network");
  return network === "file" ? onnx?.bytes ?? null : asset(`${network}.onnx`);
}

function inspectNetwork(): void {
  element("error", HTMLElement).hidden = true;
  info = null;
  arrange();
  const bytes = networkBytes();
  element("network-info", HTMLElement).textContent = bytes === null
    ? ""
    : `Reading ${chosen("network") === "file" ? onnx!.name : "the network"}…`;
  if (bytes !== null) say({ type: "inspect", network: bytes });
}

/** The examples that are asked for. Throws an `Error` that says what is missing. */
function wantedExamples(): Examples {
  shown = null;
  const kind = chosen("examples");
  if (kind === "npy") {
    if (npy === null) throw new Error("Choose a .npy file with the examples first.");
    return { kind, ...npy };
  }
  const count = numberIn("count");
  if (kind === "random") {
    const shape = element("shape", HTMLInputElement).value.split(/[\s,×x]+/).filter((part) =>
      part !== ""
    ).map(Number);
    if (!shape.every((size) => Number.isInteger(size) && size > 0)) {
      throw new Error("Write the shape of one example as whole numbers, as in 3, 32, 32.");
    }
    return { kind, count, shape, seed: numberIn("seed"), below: numberIn("below") };
  }
  const order = Array.from({ length: count }, (_, i) => i);
  if (element("sorted", HTMLInputElement).checked) order.sort((a, b) => labels[a] - labels[b]);
  shown = order;
  const data = new Float32Array(count * pixels);
  order.forEach((image, i) => {
    for (let p = 0; p < pixels; p++) data[i * pixels + p] = images[image * pixels + p] / 16;
  });
  return { kind: "given", data, shape: [count, 1, 8, 8] };
}

function start(): void {
  element("error", HTMLElement).hidden = true;
  const network = networkBytes();
  try {
    if (network === null) throw new Error("Choose an ONNX file first.");
    const examples = wantedExamples();
    setRunning(true);
    matrices = eigenvalues = null;
    clearSpectrum();
    element("report-panel", HTMLElement).hidden = true;
    say({
      type: "run",
      job: {
        network,
        examples,
        method: chosen("method"),
        compute: chosen("compute"),
        backend: chosen("backend"),
      },
    });
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
}

function setRunning(value: boolean): void {
  running = value;
  run.disabled = value;
  stop.disabled = !value;
  element("map", HTMLElement).setAttribute("aria-busy", String(value));
  if (!value) progress.value = 0;
}

function stopNow(): void {
  if (!running) return;
  restart();
  setRunning(false);
  status.textContent = "Stopped.";
  run.focus();
}

function fail(message: string): void {
  const error = element("error", HTMLElement);
  error.textContent = message;
  error.hidden = false;
  status.textContent = "";
  if (info === null) element("network-info", HTMLElement).textContent = "";
  setRunning(false);
}

function prepareOutput(): void {
  const { layout } = matrices!;
  const field = element("output", HTMLInputElement);
  element("output-field", HTMLElement).hidden = layout.compute !== "diagonal" ||
    layout.outputs < 2;
  field.max = String(layout.outputs - 1);
  if (field.valueAsNumber >= layout.outputs) field.value = "0";
}

/** Which of the matrices is shown. */
function current(): number {
  return matrices?.layout.compute === "diagonal" ? numberIn("output") : 0;
}

function show(): void {
  if (matrices === null) return;
  map.show(matrices.values[current()], matrices.size);
  element("output-number", HTMLElement).textContent = String(current());
  const { compute, examples, outputs } = matrices.layout;
  element("map-title", HTMLElement).textContent = compute === "full"
    ? `Kernel of ${examples} examples × ${outputs} outputs`
    : `Kernel of ${examples} examples`;
  if (running) return;
  if (eigenvalues !== null) showSpectrum(eigenvalues[current()]);
  else clearSpectrum(`Left out: ${matrices.size} rows would take long.`);
}

function finish(report: Report): void {
  setRunning(false);
  progress.value = 1;
  status.textContent = `Done in ${report.seconds.toFixed(2)} s.`;
  const why = report.reason === "" ? "" : ` (${report.reason})`;
  const entries: readonly (readonly [string, string])[] = [
    ["Method", report.method.replaceAll("-", " ").replace("ntk vector", "NTK-vector")],
    ["Computed on", `${report.device}${why}`],
    ["Time", `${report.seconds.toFixed(3)} s`],
    ["Memory at the peak", `${(report.peakBytes / 1e6).toFixed(1)} MB`],
    ["Parameters", report.parameters.toLocaleString("en")],
  ];
  element("report", HTMLElement).replaceChildren(...entries.map(([term, value]) => {
    const group = document.createElement("div");
    const [dt, dd] = ["dt", "dd"].map((name) => document.createElement(name));
    [dt.textContent, dd.textContent] = [term, value];
    group.append(dt, dd);
    return group;
  }));
  element("report-panel", HTMLElement).hidden = false;
  show();
}

/** Says what the reader looks at. */
function inspect(row: number, column: number, value: number): void {
  const { compute, outputs } = matrices!.layout;
  const each = compute === "full" ? outputs : 1;
  const places = [row, column].map((at) => {
    const example = Math.floor(at / each);
    const digit = shown === null ? "" : ` (a ${labels[shown[example]]})`;
    return `example ${example}${digit}${compute === "full" ? `, output ${at % each}` : ""}`;
  });
  const number = Number.isNaN(value) ? "not there yet" : formatNumber(value);
  element("readout", HTMLElement).textContent = `${number}: ${places.join(" with ")}`;
  for (const [id, at] of [["thumb-row", row], ["thumb-column", column]] as const) {
    const canvas = element(id, HTMLCanvasElement);
    canvas.hidden = shown === null;
    if (shown !== null) drawDigit(canvas, shown[Math.floor(at / each)]);
  }
}

function drawDigit(canvas: HTMLCanvasElement, image: number): void {
  const context = canvas.getContext("2d")!;
  const picture = context.createImageData(8, 8);
  for (let p = 0; p < pixels; p++) {
    picture.data.fill(255 - 15 * images[image * pixels + p], 4 * p, 4 * p + 3);
    picture.data[4 * p + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

/** The kernel in the library's order of axes: examples, examples, outputs. */
function save(): void {
  if (matrices === null) return;
  const { layout: { compute, examples: n, outputs: o }, size, values } = matrices;
  const shape = compute === "trace" ? [n, n] : compute === "diagonal" ? [n, n, o] : [n, n, o, o];
  const data = new Float32Array(values.length * size * size);
  let to = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      if (compute !== "full") { for (const matrix of values) data[to++] = matrix[i * n + j]; }
      else {
        for (let a = 0; a < o; a++) {
          for (let b = 0; b < o; b++) data[to++] = values[0][(i * o + a) * size + j * o + b];
        }
      }
    }
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([formatNpy({ shape, data })]));
  link.download = "kernel.npy";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Takes a file that was chosen or dropped. */
async function take(file: File): Promise<void> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (/\.npy$/i.test(file.name)) {
    npy = { name: file.name, bytes };
    element("npy-info", HTMLElement).textContent = file.name;
    element("examples", HTMLSelectElement).value = "npy";
    arrange();
  } else {
    onnx = { name: file.name, bytes };
    element("network", HTMLSelectElement).value = "file";
    inspectNetwork();
  }
}

for (const id of ["onnx", "npy"]) {
  element(id, HTMLInputElement).addEventListener("change", ({ target }) => {
    const [file] = (target as HTMLInputElement).files ?? [];
    if (file !== undefined) take(file);
  });
}
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("dropping");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  for (const file of event.dataTransfer?.files ?? []) take(file);
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape") stopNow();
});
element("form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  if (!running) start();
});
stop.addEventListener("click", stopNow);
element("save", HTMLButtonElement).addEventListener("click", save);
element("network", HTMLSelectElement).addEventListener("change", inspectNetwork);
element("examples", HTMLSelectElement).addEventListener("change", arrange);
element("output", HTMLInputElement).addEventListener("input", show);
inspectNetwork();
