// The page: shows what the node says of the rollup. Texts from outside only ever become text nodes.

const $ = (id) => document.getElementById(id);
const SYSTEMS = { "groth16-bn254": "circuit (Groth16)", risc0: "zkVM (RISC Zero)", sgx: "enclave (SGX)" };
const TRUST = {
  proof: "nobody's: the contract checks a proof",
  hardware: "the hardware's maker and whoever registers its enclaves",
  committee: "a committee of members with a stake",
};
const STAGES = {
  proposing: "on its way to the contract",
  asking: "operators are asked for a price",
  publishing: "the quote is being published",
  proving: "provers are at work",
  held: "held: a leg says something else, others repeat it",
  submitting: "all legs agree: on its way to the contract",
  proven: "accepted, and waits for the batches before it",
  final: "final",
  failed: "not proven",
};
let state = null;

// ---- making elements ----

function make(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  if (options.class) element.className = options.class;
  if (options.title) element.title = options.title;
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const short = (hex) => `${hex.slice(0, 8)}…${hex.slice(-4)}`;
const hex = (value) => make("span", { class: "hex", title: value }, short(value));
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

function trouble(message) {
  $("trouble").hidden = !message;
  $("trouble").textContent = message ?? "";
}

// ---- the state ----

function show(view) {
  const first = state === null;
  state = view;
  $("root").textContent = view.root;
  $("finalised").textContent = view.finalised;
  $("waiting").textContent = `${view.waiting} (a batch takes ${view.batch_size})`;
  $("accounts").replaceChildren(...view.accounts.map((account) => make("tr", {},
    make("td", {}, String(account.place)), make("td", {}, hex(account.key)),
    make("td", { class: "number" }, account.balance), make("td", { class: "number" }, String(account.nonce)))));
  if (first) showPolicy(view);
  $("none").hidden = view.batches.length > 0;
  $("batches").replaceChildren(...[...view.batches].reverse().map(batch));
  if (view.error) trouble(view.error);
}

function showPolicy(view) {
  const { policy } = view;
  $("rollup").textContent = view.rollup;
  $("verifier").textContent = policy.verifier;
  const all = policy.threshold === policy.legs.length ? "all" : `${policy.threshold} of`;
  $("threshold").textContent = `A bundle needs ${all} ${policy.legs.length} legs.`;
  $("legs").replaceChildren(...policy.legs.map((leg) => make("tr", {},
    make("td", {}, String(leg.index)),
    make("td", {}, SYSTEMS[leg.system] ?? leg.system, leg.simulated ? mark() : null),
    make("td", {}, leg.simulated ? "nobody's: its enclaves do not exist" : TRUST[leg.trust] ?? leg.trust),
    make("td", {}, hex(leg.verifier)))));
  const simulated = policy.legs.filter((leg) => leg.simulated).map((leg) => leg.index);
  $("simulated").hidden = simulated.length === 0;
  $("simulated").textContent = `SIMULATED: leg ${simulated.join(", ")} is signed by an enclave that does not exist. On a `
    + "test network it shows how things go; what it says proves nothing.";
  $("send").hidden = !view.demonstration;
  for (const id of ["from", "to"]) {
    $(id).replaceChildren(...view.accounts.map((account) => {
      const option = make("option", {}, `account ${account.place}`);
      option.value = account.place;
      return option;
    }));
  }
  if (view.accounts.length > 1) $("to").selectedIndex = 1;
}

const mark = () => make("span", { class: "simulated" }, "SIMULATED");

// ---- batches ----

function batch(view) {
  const head = make("h3", {}, `Batch ${view.batch} `, make("span", { class: `stage ${view.stage}` }, STAGES[view.stage] ?? view.stage));
  const transfers = make("ul", { class: "transfers" }, ...view.transfers.map((transfer) =>
    make("li", {}, `${transfer.from} → ${transfer.to}: ${transfer.amount}`)));
  const box = make("article", { class: "batch" }, head, transfers);
  if (view.legs.length > 0) box.append(timeline(view));
  const facts = [["Leads to root", hex(view.post_root)]];
  if (view.offer) {
    const expected = view.offer.expected_seconds === null ? "" : `, expected after ${view.offer.expected_seconds} s`;
    facts.push(["Price", `${view.offer.price} ${view.offer.token}, due within ${view.offer.seconds} s${expected}`]);
  }
  const { slowest_leg_at_ms: slowest, delivered_at_ms: delivered } = view.timings;
  if (slowest && delivered) facts.push(["From the slowest leg to the contract", seconds(Math.max(0, delivered - slowest))]);
  for (const soft of view.soft) facts.push([`Leg ${soft.leg} was received early`, hex(soft.transaction)]);
  if (view.delivery) {
    facts.push(["Delivered by", hex(view.delivery.transaction)]);
    facts.push(["Gas", `${view.delivery.gas}, ${view.delivery.fee} ETH, paid by the operator`]);
    if (!view.delivery.on_time) facts.push(["On time", "no"]);
  }
  box.append(make("dl", {}, ...facts.flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, value)])));
  if (view.error) box.append(make("p", { class: "bad" }, view.error));
  return box;
}

// One line for each leg; a bar from its first job to its proof, with who made it.
function timeline(view) {
  const from = view.timings.published_at_ms ?? Math.min(...view.legs.flatMap((leg) => leg.tries.map((one) => one.started_at_ms ?? Infinity)));
  const until = view.timings.delivered_at_ms ?? Date.now();
  const place = (at) => `${Math.min(100, Math.max(0, (100 * (at - from)) / Math.max(1, until - from)))}%`;
  const lines = view.legs.map((leg) => {
    const policy = state.policy.legs[leg.leg];
    const label = make("div", { class: "label" }, SYSTEMS[policy?.system] ?? leg.kind, policy?.simulated ? mark() : null);
    const track = make("div", { class: "track" });
    const words = make("div", { class: "words" });
    leg.tries.forEach((one, round) => {
      const odd = one.agrees === false ? "odd" : "";
      if (one.started_at_ms) {
        const bar = make("div", { class: `bar leg${leg.leg} ${one.proven_at_ms ? "done" : "busy"} ${odd}` });
        bar.style.left = place(one.started_at_ms);
        bar.style.right = `calc(100% - ${place(one.proven_at_ms ?? until)})`;
        track.append(bar);
      }
      const took = one.proven_at_ms && one.started_at_ms ? `, ${seconds(one.proven_at_ms - one.started_at_ms)}` : "";
      const who = one.provers.length > 0 ? one.provers.map(short).join(", ") : "waits for a prover";
      const again = leg.tries.length > 1 ? `try ${round + 1}: ` : "";
      words.append(make("div", { class: odd, title: one.provers.join(", ") }, `${again}${who}${took}${odd ? ": says something else" : ""}`));
    });
    return make("div", { class: "line" }, label, track, words);
  });
  return make("div", { class: "timeline" }, ...lines);
}

// ---- sending ----

async function send(event) {
  event.preventDefault();
  trouble(null);
  const wish = { from: Number($("from").value), to: Number($("to").value), amount: $("amount").value.trim() };
  const response = await fetch("/demonstration/transfers", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(wish),
  });
  const answer = await response.json();
  if (!response.ok) trouble(answer.message);
}

// ---- start ----

$("form").addEventListener("submit", (event) => send(event).catch((error) => trouble(error.message)));
new EventSource("/events").addEventListener("state", (event) => show(JSON.parse(event.data)));
// Bars of what is under way grow by themselves.
setInterval(() => state?.batches.some((one) => !one.ended && one.legs.length > 0) && show(state), 1000);
