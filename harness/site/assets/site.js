"use strict";
// What every page has: the theme, explanations of figures, and news from the server while a run goes on.
window.harness = window.harness || {};

harness.stored = {
  get(name) {
    try {
      return JSON.parse(sessionStorage.getItem(name));
    } catch (error) {
      return null;
    }
  },
  set(name, value) {
    try {
      sessionStorage.setItem(name, JSON.stringify(value));
    } catch (error) {
      // Without storage the next page begins afresh.
    }
  },
};

harness.isDark = function () {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

(function () {
  const button = document.getElementById("theme");

  function label() {
    button.textContent = harness.isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", harness.isDark() ? "Use light colours" : "Use dark colours");
  }

  function redraw() {
    label();
    if (harness.drawCharts) harness.drawCharts(true);
    if (harness.drawPair) harness.drawPair();
  }

  button.hidden = false;
  button.addEventListener("click", () => {
    const theme = harness.isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("harness-theme", theme);
    } catch (error) {
      // The choice holds for this page.
    }
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  label();
})();

// Explanations: shown while the pointer is on a figure or the figure has the focus; Escape closes them, and the pointer may enter.
(function () {
  const tip = document.getElementById("tip");
  let owner = null;
  let closing = 0;

  tip.setAttribute("aria-hidden", "true"); // the figure itself names its explanation to screen readers

  function described(target) {
    return target instanceof Element ? target.closest("[aria-describedby]") : null;
  }

  function place(box) {
    const margin = 8;
    const width = tip.offsetWidth;
    const left = Math.min(Math.max(margin, box.left + box.width / 2 - width / 2), innerWidth - width - margin);
    const below = box.bottom + 4 + tip.offsetHeight <= innerHeight;
    tip.style.left = `${Math.max(margin, left)}px`;
    tip.style.top = `${below ? box.bottom + 4 : Math.max(margin, box.top - tip.offsetHeight - 4)}px`;
  }

  harness.showTip = function (lines, box) {
    clearTimeout(closing);
    tip.replaceChildren(
      ...lines.map((line) => {
        const shown = document.createElement("span");
        shown.textContent = line;
        return shown;
      }),
    );
    tip.hidden = false;
    place(box);
  };

  harness.hideTip = function () {
    clearTimeout(closing);
    tip.hidden = true;
    owner = null;
  };

  function show(target) {
    const source = document.getElementById(target.getAttribute("aria-describedby"));
    if (!source) return;
    const parts = source.children.length && source.children[0].tagName === "SPAN" ? [...source.children] : [source];
    owner = target;
    harness.showTip(parts.map((part) => part.textContent.trim()), target.getBoundingClientRect());
  }

  function leave() {
    clearTimeout(closing);
    closing = setTimeout(() => {
      const focused = described(document.activeElement);
      if (focused && focused.matches(":focus-visible")) show(focused);
      else harness.hideTip();
    }, 150);
  }

  document.addEventListener("pointerover", (event) => {
    const target = described(event.target);
    if (target) show(target);
    else if (tip.contains(event.target)) clearTimeout(closing);
  });
  document.addEventListener("pointerout", (event) => {
    if (described(event.target) || tip.contains(event.target)) leave();
  });
  document.addEventListener("focusin", (event) => {
    const target = described(event.target);
    if (target) show(target);
    else if (owner) harness.hideTip();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") harness.hideTip();
  });
  document.addEventListener("scroll", () => owner && !tip.hidden && place(owner.getBoundingClientRect()), true);
})();

harness.start = function () {
  if (harness.startTable) harness.startTable();
  if (harness.startSamples) harness.startSamples();
  if (harness.drawCharts) harness.drawCharts(false);
};

// News: the server says when its files are others. The page's content is then replaced; filters, sorting and the focus stay.
(function () {
  const live = document.querySelector("meta[name=live]");
  if (!live) return;
  const EVERY = 2000;
  let version = null;

  function nameOf(element) {
    return element && (element.id || element.getAttribute("aria-describedby"));
  }

  async function replace() {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const main = document.getElementById("main");
    const focused = nameOf(document.activeElement);
    const open = [...main.querySelectorAll("details")].map((details) => details.open);
    const top = scrollY;
    main.replaceChildren(...document.adoptNode(fresh.getElementById("main")).childNodes);
    main.querySelectorAll("details").forEach((details, place) => (details.open = open[place] ?? details.open));
    harness.start();
    scrollTo(0, top);
    if (focused) {
      const again = document.getElementById(focused);
      const target = again && again.classList.contains("tip") ? document.querySelector(`[aria-describedby="${focused}"]`) : again;
      if (target && main.contains(target)) target.focus({ preventScroll: true });
    }
  }

  function showRunning(lines) {
    const list = document.getElementById("running-list");
    if (!list) return;
    list.replaceChildren(
      ...(lines.length ? lines : ["Nothing runs now."]).map((line) => {
        const item = document.createElement("li");
        item.textContent = line;
        return item;
      }),
    );
  }

  async function ask() {
    try {
      const news = await (await fetch(`${live.content}live.json`, { cache: "no-store" })).json();
      showRunning(news.running);
      const is_new = version !== null && news.version !== version;
      if (version === null || document.getElementById("follow").checked) {
        version = news.version;
        if (is_new) await replace();
      }
      document.documentElement.dataset.connected = "yes";
    } catch (error) {
      document.documentElement.dataset.connected = "no"; // the server has ended; the page stays as it is
    }
    setTimeout(ask, EVERY);
  }
  ask();
})();

document.addEventListener("DOMContentLoaded", harness.start);
