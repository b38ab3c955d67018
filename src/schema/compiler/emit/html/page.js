"use strict";

// What can be found: each article with its link in the contents and the rows of its properties, by their names.
const articles = Array.from(document.querySelectorAll("article"), (article) => ({
  article,
  name: article.id.toLowerCase(),
  isEvent: article.classList.contains("event"),
  link: document.querySelector(`nav a[href="#${article.id}"]`).parentElement,
  rows: Array.from(article.querySelectorAll("tbody tr"), (row) => ({
    row,
    name: row.id.slice(row.id.indexOf(".") + 1).toLowerCase(),
  })),
}));
const groups = document.querySelectorAll("section.group");
const search = document.getElementById("search");
const found = document.getElementById("found");

const counted = (count, what) => `${count} ${count === 1 ? what.one : what.more}`;
const EVENTS = { one: "event", more: "events" };
const PROPERTIES = { one: "property", more: "properties" };

// Shows what has the text in its name: an article whole, or else those of its properties.
function narrow(text) {
  const wanted = text.trim().toLowerCase();
  let events = 0;
  let properties = 0;
  for (const { article, name, isEvent, link, rows } of articles) {
    const isWhole = name.includes(wanted);
    let hits = 0;
    for (const { row, name } of rows) {
      const isHit = wanted !== "" && name.includes(wanted);
      row.hidden = !isWhole && !isHit;
      if (isHit) hits += 1;
    }
    const isShown = isWhole || hits > 0;
    article.hidden = link.hidden = !isShown;
    for (const part of article.querySelectorAll("dl, details")) part.hidden = !isWhole;
    if (isShown && isEvent) events += 1;
    properties += hits;
  }
  for (const group of groups) group.hidden = group.querySelector("article:not([hidden])") === null;
  for (const list of document.querySelectorAll("nav ul")) {
    list.hidden = list.previousElementSibling.hidden = list.querySelector("li:not([hidden])") === null;
  }
  found.textContent = wanted === "" ? "" : `${counted(events, EVENTS)}, ${counted(properties, PROPERTIES)} of that name`;
}

search.form.hidden = false;
search.form.addEventListener("submit", (event) => event.preventDefault());
search.addEventListener("input", () => narrow(search.value));
// A link may lead to what is hidden.
window.addEventListener("hashchange", () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.closest("[hidden]")) {
    search.value = "";
    narrow("");
    target.scrollIntoView();
  }
});
// Browsers restore what was typed when a page is left and entered again.
narrow(search.value);
