// The guide: the page that the address names, with a list of all.

import { MANUAL } from "/pages/manual.mjs";
import { render } from "/pages/markdown.mjs";
import { byId, el } from "/pages/page.mjs";

const named = location.pathname.split("/")[2] ?? "";
const [, title] = MANUAL.find(([name]) => name === named) ?? [];

byId("contents").append(
  el("ul", {}, ...MANUAL.map(([name, title, about]) => el("li", {}, el("a", { href: `/guide/${name}`, "aria-current": name === named ? "page" : null }, title), !named && el("p", { class: "faint" }, about)))),
);
document.documentElement.classList.toggle("overview", !named);
if (title) show();
else if (named) byId("text").append(el("h2", {}, `There is no page “${named}”`));

async function show() {
  document.title = `${title} · rte`;
  const response = await fetch(`/pages/guide/${named}.md`);
  byId("text").append(...render(await response.text(), named));
  // What the address points to is there only now.
  if (location.hash) byId(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}
