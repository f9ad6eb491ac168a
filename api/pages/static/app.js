"use strict";

// Lets the Enter key send the form of the home page, as in a field of one line. Shift+Enter begins a new line.
document.querySelectorAll("[data-enter=submits]").forEach((field) => {
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    field.form.requestSubmit();
  });
});

// Refreshes the page of a process while a run is open or its PDF is being built. Without this script the page shows the state when it was loaded.
(() => {
  const MIN_PAUSE_MS = 1000;
  const POLL_MS = 3000;

  const live = document.getElementById("live");
  const announcement = document.getElementById("announcement");
  const isChanging = () => live.dataset.open === "yes" || live.dataset.building === "yes";
  if (!live || !isChanging()) return;

  // Hides the reload button: the page refreshes itself.
  document.documentElement.classList.add("scripted");

  let busy = false;
  let wanted = false;

  // Changes only what differs, so that focus, scroll position and selection are kept.
  function morph(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== Node.ELEMENT_NODE || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
      old.replaceWith(fresh);
      return;
    }
    // What a person is choosing in the search is not changed under their hands.
    if (old.matches("form.search") && old.contains(document.activeElement)) return;
    // What a person has unfolded stays so.
    const kept = old.nodeName === "DETAILS" ? "open" : "";
    for (const { name } of [...old.attributes]) {
      if (name !== kept && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (name !== kept && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    morphChildren(old, fresh);
  }

  // A child with an id is matched by it, so that what appears above a form does not replace the form.
  function morphChildren(old, fresh) {
    const idsOf = (parent) => new Set([...parent.children].map((child) => child.id).filter(Boolean));
    const oldIds = idsOf(old);
    const freshIds = idsOf(fresh);
    let next = old.firstChild;
    const pass = () => {
      const passed = next;
      oldIds.delete(passed.id);
      next = passed.nextSibling;
      return passed;
    };
    for (const child of [...fresh.childNodes]) {
      if (oldIds.has(child.id)) {
        while (next.id !== child.id) pass().remove();
      } else if (!next || freshIds.has(next.id)) {
        old.insertBefore(child, next);
        continue;
      }
      morph(pass(), child);
    }
    while (next) pass().remove();
  }

  async function load() {
    const response = await fetch(live.dataset.source, { cache: "no-store" });
    if (response.redirected) {
      // The session has ended: reloading the page redirects to the sign-in form.
      location.reload();
      return;
    }
    if (!response.ok) throw new Error(`status ${response.status}`);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
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
          console.warn("The page could not be refreshed. It will be tried again.", error);
          wanted = isChanging();
        }
        await new Promise((resolve) => setTimeout(resolve, MIN_PAUSE_MS));
      }
    } finally {
      busy = false;
    }
  }

  function poll() {
    if (!isChanging()) return;
    refresh();
    setTimeout(poll, POLL_MS);
  }

  announcement.textContent = document.getElementById("status").textContent;
  if (live.dataset.open !== "yes") {
    poll();
    return;
  }
  const events = new EventSource(live.dataset.events);
  events.addEventListener("progress", refresh);
  events.addEventListener("ended", async () => {
    events.close();
    await refresh();
  });
  events.addEventListener("error", () => {
    // A browser reconnects by itself unless the server refused the stream.
    if (events.readyState === EventSource.CLOSED) poll();
  });
})();
