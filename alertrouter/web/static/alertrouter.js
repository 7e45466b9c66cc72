// Nothing depends on this: without it buttons, search and pages work all the same, and pages load again by themselves.

const main = document.getElementById("Main");

// A copy button for every command.
function addCopyButtons(root) {
  if (!navigator.clipboard) return;
  for (const code of root.querySelectorAll(".prose pre, .prose :not(pre) > code")) {
    const text = code.textContent.trim();
    if (code.tagName === "CODE" && !/\s/.test(text)) continue; // a name, not a command
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = main.dataset.copy;
    button.setAttribute("aria-label", `${main.dataset.copy}: ${text}`);
    code.after(button);
  }
}

main.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  await navigator.clipboard.writeText(button.previousElementSibling.textContent.trim());
  button.textContent = main.dataset.copied;
  setTimeout(() => { button.textContent = main.dataset.copy; }, 2000);
});

// Moments in the reader's zone, with UTC to hover over.
const clock = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "short", timeStyle: "medium" });

function showMoments(root) {
  for (const time of root.querySelectorAll("time:not([title])")) {
    time.title = time.textContent;
    time.textContent = clock.format(new Date(time.dateTime));
  }
}

// A page of ours, or null: it may be cut off half way, or a proxy may answer in our place.
async function load(url) {
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(10000) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const isOurs = page.getElementById("Main") !== null;
    if ([401, 403].includes(answer.status) || (answer.status === 404 && isOurs)) leave();
    return answer.ok && isOurs ? page : null;
  } catch {
    return null;
  }
}

let isLeaving = false;

function leave() { // the reader has to sign in again, or what is shown is there no more: the server says which
  if (!isLeaving) location.reload();
  isLeaving = true;
}

function dress(root) {
  addCopyButtons(root);
  showMoments(root);
}

// Search as you type.
function searchAsYouType(field) {
  const place = document.getElementById(field.dataset.find);
  let waiting, asked = 0;
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const number = ++asked;
      const url = new URL(field.form.action);
      url.searchParams.set("q", field.value);
      const found = (await load(url))?.getElementById(place.id);
      if (!found || number !== asked) return;
      place.replaceChildren(...found.childNodes);
      history.replaceState(null, "", url);
    }, 150);
  });
}

// News: the server says when there is something new, and the page changes where it differs. What is in focus, open, chosen or
// half typed stays so, because the parts that it is made of stay; so does a button that was opened, with what it says that it does.
function isSame(one, other) {
  return one.nodeName === other.nodeName && (one.id ?? "") === (other.id ?? "");
}

function become(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType === Node.ELEMENT_NODE && old.matches("form details[open]")) return; // a finger may be on its way
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const name of new Set([...old.getAttributeNames(), ...fresh.getAttributeNames()])) {
    if (old.nodeName === "DETAILS" && name === "open") continue; // the reader's
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    else if (old.getAttribute(name) !== fresh.getAttribute(name)) old.setAttribute(name, fresh.getAttribute(name));
  }
  becomeInside(old, [...fresh.childNodes]);
}

function becomeInside(old, fresh) {
  const named = new Map([...old.children].filter((one) => one.id).map((one) => [one.id, one]));
  const stays = new Set(fresh.map((one) => one.id));
  for (const [id, one] of named) if (!stays.has(id)) one.remove();
  let place = old.firstChild;
  for (const wanted of fresh) {
    while (place && isBlank(place) && !isBlank(wanted)) place = after(place);
    const kept = named.get(wanted.id) ?? (place && isSame(place, wanted) ? place : null);
    if (!kept || kept !== place) old.insertBefore(kept ?? wanted, place);
    if (!kept) continue;
    place = kept.nextSibling;
    become(kept, wanted);
  }
  while (place) place = after(place);
}

function isBlank(node) {
  return node.nodeType === Node.TEXT_NODE && !node.data.trim();
}

function after(over) { // what follows something that is taken out
  const next = over.nextSibling;
  over.remove();
  return next;
}

function takeIn(page) {
  const active = document.activeElement;
  const fresh = page.getElementById("Main");
  dress(fresh);
  become(main, fresh);
  document.title = page.title;
  if (active?.isConnected && document.activeElement !== active) active.focus({ preventScroll: true }); // it was moved
}

function follow(address) {
  const notice = document.getElementById("Lost");
  let shown = null, wanted = null, isLoading = false, seen = new Date(), news = null, losing = null;

  function lose() {
    if (!notice.textContent) notice.textContent = notice.dataset.text.replace("TIME", clock.format(seen));
  }
  async function take() {
    if (wanted === shown || isLoading) return;
    isLoading = true;
    const version = wanted;
    const page = await load(location.href);
    isLoading = false;
    if (!page) return lose();
    takeIn(page);
    shown = version;
    seen = new Date();
    notice.textContent = "";
  }
  function takeAnyway() { // ages and countdowns go on, and a stream that was lost without a word is made up for
    wanted = `${wanted} `;
    take();
  }
  function listen() {
    news?.close();
    news = new EventSource(address);
    news.addEventListener("message", (event) => {
      clearTimeout(losing);
      losing = null;
      wanted = event.data;
      if (shown === null) shown = main.dataset.version ?? wanted;
      if (notice.textContent) wanted = `${wanted} `;
      take();
    });
    news.addEventListener("error", () => { // most come back within three seconds
      losing ??= setTimeout(lose, 5000);
      if (news.readyState === EventSource.CLOSED) setTimeout(listen, 3000); // the browser has given up
    });
  }
  listen();
  setInterval(take, 2000); // what could not be loaded
  const look = () => { if (!document.hidden) takeAnyway(); };
  setInterval(look, 30000);
  document.addEventListener("visibilitychange", look); // a phone that slept
}

dress(main);
for (const field of document.querySelectorAll("input[data-zone]")) {
  if (!location.search.includes("zone=")) field.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
}
document.querySelectorAll("input[data-find]").forEach(searchAsYouType);
if (main.dataset.live) follow(main.dataset.live);
