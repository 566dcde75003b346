// Updates the page at every event of the stream, or polls if there is no stream.

const POLL_MS = 10_000;
const TIMEOUT_MS = 8_000;

// Fetches the parts that changed since the round named by the token, and their age.
async function fetchChanges(token) {
  const parameters = new URLSearchParams(location.search);
  parameters.set("part", "changes");
  parameters.set("seen", token);
  const response = await fetch(`?${parameters}`, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return { ...(await response.json()), ageSeconds: Number(response.headers.get("Age") ?? 0) };
}

export function follow({ root, token, apply, state }) {
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
      const changes = await fetchChanges(token);
      // A part that is not on the page: the next request, without a token, brings all of them.
      const fits = apply(changes.parts, knownAge ?? changes.ageSeconds);
      token = fits ? changes.token : "";
      again = again || !fits;
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
    source = new EventSource(`${root}api/v1/stream`);
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
