// Keeps what is marked data-live as the server shows it, without a reload.
const PERIOD_MS = 1500;

async function refresh() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const shown of document.querySelectorAll("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${CSS.escape(shown.dataset.live)}"]`);
    // Whoever reads inside with the keyboard must not lose the place.
    const reading = shown !== document.activeElement && shown.contains(document.activeElement);
    if (next && !reading && shown.innerHTML !== next.innerHTML) {
      shown.replaceChildren(...next.childNodes);
    }
  }
}

async function live() {
  if (!document.hidden) {
    try {
      await refresh();
    } catch {
      // The sandbox is restarting; the next round finds it.
    }
  }
  setTimeout(live, PERIOD_MS);
}

if (document.querySelector("[data-live]")) setTimeout(live, PERIOD_MS);
