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
