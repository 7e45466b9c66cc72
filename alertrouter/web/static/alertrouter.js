// Nothing depends on this: without it buttons, search and pages work all the same, and pages load again by themselves.

const main = document.getElementById("Main");

// A copy button for every command.
function addCopyButtons() {
  if (!navigator.clipboard) return;
  for (const code of main.querySelectorAll(".prose pre, .prose :not(pre) > code")) {
    const text = code.textContent.trim();
    if (code.tagName === "CODE" && !/\s/.test(text)) continue; // a name, not a command
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = main.dataset.copy;
    button.setAttribute("aria-label", `${main.dataset.copy}: ${text}`);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text);
      button.textContent = main.dataset.copied;
      setTimeout(() => { button.textContent = main.dataset.copy; }, 2000);
    });
    code.after(button);
  }
}

// Moments in the reader's zone, with UTC to hover over.
const clock = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "short", timeStyle: "medium" });

function showMoments() {
  for (const time of main.querySelectorAll("time:not([title])")) {
    time.title = time.textContent;
    time.textContent = clock.format(new Date(time.dateTime));
  }
}

async function load(url) {
  const answer = await fetch(url, { headers: { Accept: "text/html" } }).catch(() => null);
  return answer?.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
}

function freshen() {
  addCopyButtons();
  showMoments();
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

// News: the server says when there is something new, and the page takes it in when nobody is typing, choosing or copying.
function isBusy() {
  const active = document.activeElement;
  return main.contains(active) && active.matches("input, select, textarea, button")
    || main.querySelector("details[open] form, form details[open]") !== null
    || !getSelection().isCollapsed;
}

function follow(address) {
  let shown = null, wanted = null, isLoading = false;
  async function take() {
    if (wanted === shown || isLoading || isBusy()) return;
    isLoading = true;
    const version = wanted;
    const page = await load(location.href);
    isLoading = false;
    if (!page || isBusy()) return;
    const open = [...main.querySelectorAll("details")].map((one) => one.open);
    main.replaceChildren(...page.getElementById("Main").childNodes);
    [...main.querySelectorAll("details")].forEach((one, number) => { one.open = open[number] ?? one.open; });
    document.title = page.title;
    shown = version;
    freshen();
  }
  const news = new EventSource(address);
  news.addEventListener("message", (event) => {
    wanted = event.data;
    if (shown === null) shown = main.dataset.version ?? wanted;
    take();
  });
  setInterval(take, 2000); // what came while somebody was typing
  setInterval(() => { // ages and countdowns go on, and a stream that is lost for good is made up for
    wanted = `${wanted} `;
    take();
  }, 30000);
}

freshen();
for (const field of document.querySelectorAll("input[data-zone]")) {
  if (!location.search.includes("zone=")) field.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
}
document.querySelectorAll("input[data-find]").forEach(searchAsYouType);
if (main.dataset.live) follow(main.dataset.live);
