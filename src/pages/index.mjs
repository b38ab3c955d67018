// What the hub does at present, where its metrics are beside this page.

import { METRICS } from "/pages/hub.mjs";
import { age, byId, el, put } from "/pages/page.mjs";

const EVERY_MS = 2_000;
const shown = new Map();
let before = null;

/** The sum of a metric over its labels, of a text of Prometheus. */
function sumOf(text, name) {
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

function show(what, value) {
  if (!shown.has(what)) {
    const number = el("b");
    shown.set(what, number);
    byId("numbers").append(el("div", {}, el("dt", {}, what), el("dd", {}, number)));
  }
  put(shown.get(what), String(value));
}

async function look() {
  const response = await fetch("/metrics").catch(() => null);
  setTimeout(look, EVERY_MS);
  byId("now").hidden = !response?.ok;
  if (!response?.ok) return;
  const text = await response.text();
  const now = { at: performance.now(), taken: sumOf(text, "rte_publications_total"), delivered: sumOf(text, "rte_deliveries_total") };
  const rate = (name) => (before ? Math.round((1000 * (now[name] - before[name])) / (now.at - before.at)) : "–");
  const upMs = Date.now() - 1000 * sumOf(text, "process_start_time_seconds");
  show("connections", sumOf(text, "rte_hub_connections"));
  show("subscriptions", sumOf(text, "rte_subscriptions"));
  show("publications a second", rate("taken"));
  show("deliveries a second", rate("delivered"));
  show("up for", age(upMs));
  show("version", /^rte_build_info\{version="([^"]*)"/m.exec(text)?.[1] ?? "–");
  before = now;
}

if (METRICS) look();
