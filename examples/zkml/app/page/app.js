// The page: draws, asks, and shows what the server says of the question. Texts from outside only ever become text nodes.

const SIDE = 256; // the pad, in pixels
const FINE = 32; // the data set's bitmaps, which the 8 x 8 images are counted from
const PIXELS = 8;
const MOST = 16; // digits in one question

const $ = (id) => document.getElementById(id);
const pad = $("pad").getContext("2d", { willReadFrequently: true });
const batch = [];
let question = null;
let events = null; // of the question that is shown
let asking = false;

// ---- drawing ----

function clearPad() {
  pad.fillStyle = "#fff";
  pad.fillRect(0, 0, SIDE, SIDE);
  showSeen();
}

function startPad() {
  pad.lineWidth = 34;
  pad.lineCap = pad.lineJoin = "round";
  pad.strokeStyle = "#000";
  const canvas = $("pad");
  let last = null;
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * SIDE / box.width, (event.clientY - box.top) * SIDE / box.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = point(event);
    stroke(last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const next = point(event);
    stroke(last, next);
    last = next;
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { last = null; });
  clearPad();
}

function stroke(from, to) {
  pad.beginPath();
  pad.moveTo(...from);
  pad.lineTo(...to);
  pad.stroke();
  showSeen();
}

// As the data set was made: the drawing fills a 32 x 32 bitmap, and each pixel of 8 x 8 counts the ink in 4 x 4 of it.
// Returns null for an empty pad.
function image() {
  const { data } = pad.getImageData(0, 0, SIDE, SIDE);
  const ink = (x, y) => x >= 0 && y >= 0 && x < SIDE && y < SIDE && data[(y * SIDE + x) * 4] < 128;
  let [left, top, right, bottom] = [SIDE, SIDE, -1, -1];
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      if (!ink(x, y)) continue;
      left = Math.min(left, x); right = Math.max(right, x);
      top = Math.min(top, y); bottom = Math.max(bottom, y);
    }
  }
  if (right < 0) return null;
  const scale = Math.max(right - left + 1, bottom - top + 1) / FINE;
  const [middleX, middleY] = [(left + right + 1) / 2, (top + bottom + 1) / 2];
  const pixels = new Array(PIXELS * PIXELS).fill(0);
  for (let y = 0; y < FINE; y++) {
    for (let x = 0; x < FINE; x++) {
      const at = (middle, fine) => Math.floor(middle + (fine + 0.5 - FINE / 2) * scale);
      if (ink(at(middleX, x), at(middleY, y))) pixels[(y >> 2) * PIXELS + (x >> 2)]++;
    }
  }
  return pixels;
}

function paint(canvas, pixels) {
  const context = canvas.getContext("2d");
  const size = canvas.width / PIXELS;
  for (let i = 0; i < PIXELS * PIXELS; i++) {
    const grey = 255 - Math.round((pixels ? pixels[i] : 0) * 255 / 16);
    context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
    context.fillRect((i % PIXELS) * size, Math.floor(i / PIXELS) * size, size, size);
  }
}

function showSeen() {
  const pixels = image();
  paint($("seen"), pixels);
  $("add").disabled = asking || !pixels || batch.length + 1 >= MOST;
  $("ask").disabled = asking || (!pixels && batch.length === 0);
}

function clearBatch() {
  batch.length = 0;
  $("batch").replaceChildren();
}

function keep() {
  const pixels = image();
  if (!pixels) return;
  batch.push(pixels);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 40;
  paint(canvas, pixels);
  const item = document.createElement("li");
  item.append(canvas);
  $("batch").append(item);
  clearPad();
}

// ---- asking ----

async function call(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer;
}

function trouble(message) {
  $("trouble").hidden = !message;
  $("trouble").textContent = message ?? "";
}

async function ask() {
  trouble(null);
  keep();
  asking = true;
  for (const id of ["ask", "add", "clear"]) $(id).disabled = true;
  $("ask").textContent = "Asking …";
  try {
    question = (await call("POST", "/api/questions", { images: batch })).id;
    forget();
    follow(question);
  } catch (error) {
    trouble(error.message);
  }
  asking = false;
  // The next question begins with an empty pad, whatever became of this one.
  clearBatch();
  $("clear").disabled = false;
  showSeen();
  $("ask").textContent = "Ask for a price";
}

async function prove() {
  trouble(null);
  $("prove").disabled = true;
  try {
    await call("POST", `/api/questions/${question}/prove`, {});
  } catch (error) {
    trouble(error.message);
    $("prove").disabled = false;
  }
}

// ---- following ----

function follow(id) {
  events?.close();
  const source = events = new EventSource(`/api/questions/${id}/events`);
  source.addEventListener("question", (event) => {
    const view = JSON.parse(event.data);
    if (source === events) show(view);
    if (view.ended) source.close();
  });
}

// What is shown of an earlier question.
function forget() {
  for (const id of ["work", "answer"]) $(id).hidden = true;
  for (const id of ["classes", "jobs", "provers", "delivery", "earned"]) $(id).replaceChildren();
  $("prove").disabled = false;
}

const STAGES = {
  quoted: "not bought yet",
  publishing: "the quote is being published",
  proving: "provers are at work",
  submitting: "on its way to the contract",
  delivered: "proven and accepted",
  failed: "not delivered",
};

function show(view) {
  if (view.offer) {
    $("offer").hidden = false;
    $("price").textContent = `${view.offer.price} ${view.offer.token}`;
    const expected = view.offer.expected_seconds;
    $("deadline").textContent = `${view.offer.seconds} s${expected === null ? "" : ` (expected: ${expected} s)`}`;
    $("liability").textContent = `${view.offer.liability} ${view.offer.token} and your money back`;
    $("operator").textContent = view.offer.operator;
    $("question").textContent = `no. ${view.question}`;
    $("prove").hidden = view.stage !== "quoted";
  }
  $("work").hidden = view.stage === "quoted";
  $("stage").textContent = STAGES[view.stage] ?? view.stage;
  showJobs(view);
  if (view.delivery) showDelivery(view);
  trouble(view.error);
}

function showJobs(view) {
  const colour = (prover) => `p${view.provers.findIndex((p) => p.address === prover) % 8}`;
  $("jobs").replaceChildren(...view.jobs.map((job) => {
    const box = document.createElement("div");
    box.setAttribute("role", "listitem");
    box.className = `job ${job.state} ${job.prover ? colour(job.prover) : ""}`;
    box.textContent = job.segment === null ? job.operation : `${job.operation} ${job.segment + 1}`;
    box.title = [`step ${job.index}: ${job.operation}, ${job.state}`, job.prover].filter(Boolean).join(", ");
    return box;
  }));
  $("signed").hidden = view.signers.length === 0;
  $("signed").textContent = `Signed for by the committee's members ${view.signers.map(short).join(", ")}.`;
  $("provers").replaceChildren(...view.provers.map((prover, i) => {
    const item = document.createElement("li");
    item.className = `p${i % 8}`;
    item.textContent = `${short(prover.address)}: ${prover.done} done`;
    item.title = prover.address;
    return item;
  }));
}

const short = (hex) => `${hex.slice(0, 8)}…${hex.slice(-4)}`;

function showDelivery(view) {
  $("answer").hidden = false;
  $("classes").textContent = view.delivery.classes.join(" ");
  const rows = [
    ["Transaction", view.delivery.transaction],
    ["Block", view.delivery.block],
    ["Gas", view.delivery.gas],
    ["Paid for gas", `${view.delivery.fee} ETH, by the operator`],
    ["On time", view.delivery.on_time ? "yes" : "no"],
  ];
  $("delivery").replaceChildren(...rows.flatMap(([term, value]) => {
    const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
    dt.textContent = term;
    dd.textContent = value;
    if (term === "Transaction") dd.className = "hex";
    return [dt, dd];
  }));
  $("earned").replaceChildren(...view.provers.map((prover, i) => {
    const row = document.createElement("tr");
    row.className = `p${i % 8}`;
    for (const value of [short(prover.address), prover.done, `${prover.share_percent} %`]) {
      const cell = document.createElement("td");
      cell.textContent = value;
      row.append(cell);
    }
    return row;
  }));
  $("earned-note").textContent =
    `The operator ${short(view.offer.operator)} was paid ${view.offer.price} ${view.offer.token} by the contract.`;
}

// ---- start ----

startPad();
$("clear").addEventListener("click", clearPad);
$("add").addEventListener("click", keep);
$("ask").addEventListener("click", ask);
$("prove").addEventListener("click", prove);
call("GET", "/api/info").then((info) => {
  $("trust").textContent = info.trust;
  $("oracle").textContent = info.oracle;
  $("image").textContent = info.image_id;
  $("model").textContent = info.model;
}, (error) => trouble(error.message));
