// Markdown as the guide has it, as elements: headings, paragraphs, lists, tables, code, links. Nothing of it becomes markup.

import { el } from "/pages/page.mjs";

/** The elements of a page of the guide. */
export function render(text, page) {
  const lines = text.split("\n").filter((line) => !line.startsWith("<!-- "));
  const links = new Map();
  for (const line of lines) {
    const [, name, target] = /^\[([^\]]+)\]: (\S+)$/.exec(line) ?? [];
    if (name) links.set(name, target);
  }
  const inline = (text) => spans(text, { has: (name) => links.has(name), of: (target) => place(links.get(target) ?? target, page) });
  return blocks(lines.filter((line) => !/^\[[^\]]+\]: \S+$/.test(line)), inline);
}

/** Where a link leads: to another page of the guide, or within this one. */
function place(target, page) {
  if (target.startsWith("#")) return `/guide/${page}${target}`;
  return /^[\w-]+\.md(#|$)/.test(target) ? `/guide/${target.replace(".md", "")}` : target;
}

const LIST = /^(- |\d+\. )/;

function blocks(lines, inline) {
  const made = [];
  const take = (test) => {
    const from = lines.findIndex((line) => !test(line));
    return lines.splice(0, from < 0 ? lines.length : from);
  };
  while (lines.length) {
    const [line] = lines;
    if (!line.trim()) lines.shift();
    else if (line.startsWith("```")) {
      lines.shift();
      made.push(code(take((line) => !line.startsWith("```")), line.slice(3)));
      lines.shift();
    } else if (line.startsWith("#")) made.push(heading(lines.shift(), inline));
    else if (line.startsWith("|")) made.push(table(take((line) => line.startsWith("|")), inline));
    else if (LIST.test(line)) made.push(list(take((line) => LIST.test(line) || /^ +\S/.test(line)), inline));
    else made.push(el("p", {}, ...inline(take((line) => line.trim() && !/^(```|#|\|)/.test(line) && !LIST.test(line)).join(" "))));
  }
  return made;
}

function heading(line, inline) {
  const [, marks, text] = /^(#+) (.*)$/.exec(line);
  // The page has the first heading itself.
  const id = text.toLowerCase().replace(/[^\w\s-]/g, "").replace(/ /g, "-");
  return el(`h${marks.length + 1}`, { id }, ...inline(text));
}

function list(lines, inline) {
  const items = [];
  for (const line of lines) {
    if (LIST.test(line)) items.push(line.replace(LIST, ""));
    else items.push(`${items.pop()} ${line.trim()}`);
  }
  return el(/^\d/.test(lines[0]) ? "ol" : "ul", {}, ...items.map((item) => el("li", {}, ...inline(item))));
}

function table(lines, inline) {
  const [head, , ...rows] = lines.map((line) => line.slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/\\\|/g, "|")));
  const cells = (tag, row) => row.map((cell) => el(tag, tag === "th" ? { scope: "col" } : {}, ...inline(cell)));
  const body = rows.map((row) => el("tr", {}, ...cells("td", row)));
  return el("div", { class: "wide", tabindex: "0", role: "group", "aria-label": head.join(", ") || "Table" }, el("table", {}, el("thead", {}, el("tr", {}, ...cells("th", head))), el("tbody", {}, ...body)));
}

function code(lines, language) {
  const text = lines.join("\n");
  const copy = el("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
  });
  return el("div", { class: "code" }, navigator.clipboard && copy, el("pre", { tabindex: "0", role: "group", "aria-label": `Code${language && `, ${language}`}` }, el("code", {}, text)));
}

/** Code, links, and what is strong or stressed. */
function spans(text, links) {
  const parts = [];
  let rest = text;
  const mark = /(`+)(.+?)\1|\[((?:`[^`]*`|[^\]`])+)\](?:\(([^)]+)\)|\[([^\]]+)\])?|\*\*(.+?)\*\*|(?<![\w*])\*([^*\s](?:[^*]*[^*\s])?)\*(?![\w*])|\\([*_`|\\])/;
  for (let found; (found = mark.exec(rest)); ) {
    const [all, , code, label, target, name, strong, stressed, escaped] = found;
    parts.push(rest.slice(0, found.index));
    if (code !== undefined) parts.push(el("code", {}, code));
    else if (label !== undefined && !target && !links.has(name ?? label)) parts.push("[", ...spans(label, links), all.slice(label.length + 1));
    else if (label !== undefined) parts.push(el("a", { href: links.of(target ?? name ?? label) }, ...spans(label, links)));
    else if (strong !== undefined) parts.push(el("strong", {}, ...spans(strong, links)));
    else if (stressed !== undefined) parts.push(el("em", {}, ...spans(stressed, links)));
    else parts.push(escaped);
    rest = rest.slice(found.index + all.length);
  }
  return [...parts, rest];
}
