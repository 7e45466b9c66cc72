// A copy button for every command. Nothing depends on it.
if (navigator.clipboard) {
  for (const code of document.querySelectorAll(".prose pre, .prose :not(pre) > code")) {
    const text = code.textContent.trim();
    if (code.tagName === "CODE" && !/\s/.test(text)) continue; // a name, not a command
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy ${text}`);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    code.after(button);
  }
}

// Search as you type; without a script the button does it.
for (const field of document.querySelectorAll("input[data-find]")) {
  const place = document.getElementById(field.dataset.find);
  let waiting, asked = 0;
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const number = ++asked;
      const url = new URL(field.form.action);
      url.searchParams.set("q", field.value);
      const answer = await fetch(url).catch(() => null);
      if (!answer?.ok || number !== asked) return;
      const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(place.id);
      if (found) place.replaceChildren(...found.childNodes);
      history.replaceState(null, "", url);
    }, 150);
  });
}
