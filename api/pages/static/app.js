"use strict";

// Keeps the page of a process up to date while a run is open. Without it the page is the same, as of its loading.
(() => {
  const SHORTEST_PAUSE_MS = 1000;
  const POLL_MS = 3000;

  const live = document.getElementById("live");
  const announcement = document.getElementById("announcement");
  if (!live || live.dataset.open !== "yes") return;

  // Nobody has to reload a page that keeps itself up to date.
  document.documentElement.classList.add("scripted");

  let busy = false;
  let wanted = false;

  // Changes what differs and leaves the rest in its place, so that focus, scroll and selection stay.
  function morph(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== Node.ELEMENT_NODE || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
      old.replaceWith(fresh);
      return;
    }
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    const before = [...old.childNodes];
    [...fresh.childNodes].forEach((child, place, all) => {
      if (place < before.length) morph(before[place], child);
      else old.append(child);
    });
    before.slice(fresh.childNodes.length).forEach((child) => child.remove());
  }

  async function load() {
    const answer = await fetch(live.dataset.source, { cache: "no-store" });
    if (answer.redirected) {
      // The session has ended: the page itself leads to the sign-in.
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const focused = document.activeElement;
    morph(live, page.getElementById("live"));
    if (focused && focused !== document.body && !focused.isConnected) {
      document.getElementById("heading").focus({ preventScroll: true });
    }
    const status = document.getElementById("status").textContent;
    if (announcement.textContent !== status) announcement.textContent = status;
  }

  async function refresh() {
    wanted = true;
    if (busy) return;
    busy = true;
    try {
      while (wanted) {
        wanted = false;
        try {
          await load();
        } catch (error) {
          console.warn("The page could not be brought up to date; it is tried again.", error);
          wanted = live.dataset.open === "yes";
        }
        await new Promise((resolve) => setTimeout(resolve, SHORTEST_PAUSE_MS));
      }
    } finally {
      busy = false;
    }
  }

  function poll() {
    if (live.dataset.open !== "yes") return;
    refresh();
    setTimeout(poll, POLL_MS);
  }

  announcement.textContent = document.getElementById("status").textContent;
  const events = new EventSource(live.dataset.events);
  events.addEventListener("progress", refresh);
  events.addEventListener("ended", async () => {
    events.close();
    await refresh();
  });
  events.addEventListener("error", () => {
    // A browser tries again by itself unless it was refused.
    if (events.readyState === EventSource.CLOSED) poll();
  });
})();
