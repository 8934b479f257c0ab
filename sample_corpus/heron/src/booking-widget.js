/**
 * The calendar on the members' page. No framework; it has to work on the library's tablets of 2014.
 *
 * Talks to /api/3. All times in here are strings in wall time ("2026-05-16T10:00"). There is no Date
 * object in this file, and it shall stay so: Date quietly takes the zone of the tablet, and one of the
 * tablets believes it is in Lisbon.
 */

const API = "/api/3";
const TIMEOUT_MS = 12000;

/** A key that survives a reload, so that an impatient double tap reserves once. */
function idempotencyKey(bench, startsLocal) {
  const name = `heron:${bench}:${startsLocal}`;
  let key = sessionStorage.getItem(name);
  if (!key) {
    key = crypto.randomUUID();
    sessionStorage.setItem(name, key);
  }
  return key;
}

/**
 * Reserve a slot. Resolves to the reservation, rejects with {code, message, hint}.
 * After a time-out it asks once more with the same key, which is safe.
 */
export async function reserveSlot(bench, startsLocal, member, attempt = 1) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
  try {
    const answer = await fetch(`${API}/slots/reserve`, {
      method: "POST",
      signal: stop.signal,
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        bench,
        startsLocal,
        zone: "Europe/London",
        member,
        idempotencyKey: idempotencyKey(bench, startsLocal),
      }),
    });
    const body = await answer.json();
    if (!answer.ok) throw body;
    return body;
  } catch (problem) {
    if (problem.name === "AbortError" && attempt === 1) {
      return reserveSlot(bench, startsLocal, member, 2);
    }
    throw problem;
  } finally {
    clearTimeout(timer);
  }
}

/** What we say to people. Codes that are not listed show the server's own message. */
const SENTENCES = {
  E4031: "You need an induction for this machine first. It takes 20 minutes – ask at the desk.",
  E4032: "Something you borrowed is overdue. Bring it back and this works again at once.",
  E4090: "Somebody was a moment faster. Here is the calendar as it is now.",
  E4100: "This page is out of date. Please reload it.",
};

export function explain(problem) {
  return SENTENCES[problem.code] ?? problem.message ?? "Something broke. Please ring the desk.";
}
