// Updates the page at every event of the stream, or polls if there is no stream.

const POLL_MS = 10_000;
const TIMEOUT_MS = 8_000;

// Fetches the sections and their age from the server, with the parameters of the address bar.
async function fetchSections() {
  const parameters = new URLSearchParams(location.search);
  parameters.set("part", "clusters");
  const response = await fetch(`./?${parameters}`, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return { html: await response.text(), ageSeconds: Number(response.headers.get("Age") ?? 0) };
}

export function follow({ draw, state }) {
  let fetching = false;
  let again = false;
  let source = null;

  async function update(knownAge) {
    if (fetching) {
      again = true;
      return;
    }
    fetching = true;
    try {
      const { html, ageSeconds } = await fetchSections();
      draw(html, knownAge ?? ageSeconds);
      state(true);
    } catch {
      state(false);
    } finally {
      fetching = false;
    }
    if (again) {
      again = false;
      update();
    }
  }

  function listen() {
    source = new EventSource("api/v1/stream");
    source.addEventListener("round", (event) => update(JSON.parse(event.data).age_seconds));
    source.addEventListener("error", () => update()); // the stream was refused or the connection is lost: the request shows which
  }

  // The stream reconnects by itself unless the server refused it; then this polls and tries it again.
  setInterval(() => {
    if (source.readyState === EventSource.OPEN) return;
    update();
    if (source.readyState === EventSource.CLOSED) listen();
  }, POLL_MS);

  listen();
}
